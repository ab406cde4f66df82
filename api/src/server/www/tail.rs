//! `GET /tail/log.txt`: the newest reports, a line each (contract §1.9).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::feeds::moment;

use crate::server::App;
use crate::server::cache::matches;
use crate::server::problems::ApiError;

/// Lines of the log, less the first.
const LINES: i64 = 1_000;

/// The newest reports of Perl, newest first. Reports received later can stand above earlier ones that took longer to
/// process: readers overlap, and tell reports apart by their ids.
pub async fn log(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    // Read before the rows: what is processed in between makes another name.
    let head = app.readers.store.head().await?;
    let etag = HeaderValue::from_str(&format!("W/\"{head:x}\"")).expect("hexadecimal digits");
    let fixed = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=60, must-revalidate")),
    ];
    if matches(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    let rows = app.readers.newest(LINES).await?;
    let mut text = String::with_capacity(rows.len() * 200 + 100);
    let now = moment(app.readers.clock.now());
    writeln!(text, "The last {LINES} reports as of {now}:").expect("a String takes all that is written to it");
    for row in &rows {
        text.push_str(&row.tail_line());
        text.push('\n');
    }
    Ok((fixed, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
