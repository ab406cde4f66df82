//! Lists of reports as one bare JSON array: short ones with their length, long ones piece by piece.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use pipeline::readers::{Place, Selection};
use pipeline::store::StoreError;
use schemas::feeds::Listed;
use tokio::sync::mpsc;

use crate::server::App;
use crate::server::cache::matches;
use crate::server::problems::ApiError;
use crate::server::reading::JSON;

/// Rows read at a time. An answer of fewer is given with its length.
const PIECE: usize = 2_000;

/// The rows of a selection. The same content has the same name, and a reader who has it is spared its bytes.
pub async fn array(
    app: Arc<App>,
    method: &Method,
    headers: &HeaderMap,
    mut selection: Selection,
) -> Result<Response, ApiError> {
    selection.addresses = app.rules.addresses;
    // A tester's new address is no change of a row, so that answers with addresses cannot be named by changes.
    let etag = (!selection.addresses).then(|| name(selection.version));
    if let Some(etag) = etag.as_ref().filter(|etag| matches(headers, etag)) {
        return Ok(named(StatusCode::NOT_MODIFIED.into_response(), Some(etag.clone())));
    }
    let mut place = Place::default();
    let rows = app.readers.listed(&selection, &mut place, PIECE).await?;
    let body = match (rows.len() < PIECE, method == Method::HEAD) {
        (true, _) => Body::from(piece(&rows, true, true)),
        // How long the answer will be is not known before it is read, so a HEAD has nothing more to tell.
        (false, true) => Body::empty(),
        (false, false) => Body::from_stream(stream(app, selection, place, rows)),
    };
    Ok(named(([(header::CONTENT_TYPE, JSON)], body).into_response(), etag))
}

/// The name of what was true at a change number.
fn name(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("W/\"{version:x}\"")).expect("hexadecimal digits")
}

fn named(mut response: Response, etag: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
    if let Some(etag) = etag {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The next piece is read while the reader takes the last one. A reader who goes away ends the reading; a failure cuts
/// the answer off, so that nobody takes it for whole.
fn stream(
    app: Arc<App>,
    selection: Selection,
    mut place: Place,
    first: Vec<Listed>,
) -> impl futures::Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let mut rows = first;
        let mut begins = true;
        loop {
            let ends = rows.len() < PIECE;
            if sender.send(Ok(piece(&rows, begins, ends))).await.is_err() || ends {
                return;
            }
            begins = false;
            rows = match app.readers.listed(&selection, &mut place, PIECE).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(error = %pipeline::accept::chain(&error), "a list was cut off");
                    // Nobody is left to be told when this fails.
                    drop(sender.send(Err(error)).await);
                    return;
                }
            };
        }
    });
    // The layer that packs answers asks once more after the end.
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).fuse()
}

/// Rows as JSON with what stands before, between and after them.
fn piece(rows: &[Listed], begins: bool, ends: bool) -> Bytes {
    let mut text = Vec::with_capacity(rows.len() * 700 + 2);
    if begins {
        text.push(b'[');
    }
    for (place, row) in rows.iter().enumerate() {
        if place > 0 || !begins {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &row.feed_row()).expect("a row is made of texts and numbers");
    }
    if ends {
        text.push(b']');
    }
    Bytes::from(text)
}
