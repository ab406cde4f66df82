//! Single reports: JSON, the text people read, the bytes as they came.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::store::{Door, Scope};
use schemas::addresses;
use schemas::ids::ReportId;

use super::versioned;
use crate::server::App;
use crate::server::cache::matches;
use crate::server::intake::credentials::bearer;
use crate::server::problems::ApiError;

/// `GET /v4/reports/{id}`
pub async fn report(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = id_of(&id)?;
    let reread = app.readers.report(id).await?.ok_or_else(|| missing(id))?;
    // Revision and row together name the content: a report not yet processed changes when it is.
    let version = reread.view.revision << 1 | i64::from(reread.view.result.is_some());
    Ok(versioned(&headers, version, &reread.view))
}

/// `GET /v4/reports/{id}/text`, mail addresses hidden
pub async fn text(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = id_of(&id)?;
    let reread = app.readers.report(id).await?.ok_or_else(|| missing(id))?;
    Ok(immutable(
        &headers,
        &reread.view.digest,
        "text/plain; charset=utf-8",
        addresses::hidden(&reread.text).into_owned().into_bytes(),
    ))
}

/// `GET /v4/reports/{id}/raw`: byte for byte as submitted.
///
/// A JSON report carries its sender's address; without an admin's token, and unless `privacy.addresses` says
/// otherwise, the bytes are given only where they hold none.
pub async fn raw(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = id_of(&id)?;
    let original = app.readers.original(id).await?.ok_or_else(|| missing(id))?;
    let addressed = original.report.door != Door::Metabase;
    if addressed && !app.rules.addresses {
        let reader = bearer(&app, &headers, Scope::Read).await?;
        if reader.is_none() && !app.rules.local {
            return Err(ApiError::unauthorized(
                "the submitted bytes hold the tester's address; a token with the scope read is needed",
            ));
        }
    }
    Ok(immutable(&headers, &original.report.digest.to_string(), "application/octet-stream", original.bytes))
}

/// What never changes under its digest.
fn immutable(headers: &HeaderMap, digest: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let etag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("hexadecimal digits");
    let fixed = [
        (header::ETAG, etag.clone()),
        // A correction puts other bytes under the same id, so readers ask again after a while.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    match matches(headers, &etag) {
        true => (StatusCode::NOT_MODIFIED, fixed).into_response(),
        false => (fixed, bytes).into_response(),
    }
}

pub fn id_of(said: &str) -> Result<ReportId, ApiError> {
    said.parse().map_err(|error: schemas::ids::NotAReportId| ApiError::parameter("id", error.to_string()))
}

pub fn missing(id: ReportId) -> ApiError {
    ApiError::not_found(format!("there is no report {id}"))
}
