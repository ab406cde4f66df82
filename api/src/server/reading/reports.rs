//! Single reports: JSON, the text people read, the bytes as they came.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::store::{Door, Scope};
use schemas::addresses;
use schemas::ids::ReportId;
use schemas::retention::DroppedView;
use schemas::views::ReportView;
use schemas::withdrawal::{BodyFate, WithdrawnView};

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
    // Revision and row together name the content: a report not yet processed changes when it is. That of a withdrawn
    // one, or one whose bytes were dropped, is named by the moment of that, which is beyond all revisions.
    let ReportView { withdrawn, dropped, revision, result, .. } = &reread.view;
    let purged = withdrawn.as_ref().is_some_and(|withdrawn| withdrawn.body == BodyFate::Purged);
    let version = match withdrawn.iter().map(|one| one.at).chain(dropped.iter().map(|one| one.at)).max() {
        None => revision << 1 | i64::from(result.is_some()),
        Some(at) => at.timestamp_micros() << 1 | i64::from(purged),
    };
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
    there(id, reread.view.withdrawn.as_ref(), reread.view.dropped.as_ref())?;
    let answer = immutable(
        &headers,
        &reread.view.digest,
        "text/plain; charset=utf-8",
        addresses::hidden(&reread.text).into_owned().into_bytes(),
    );
    Ok(marked(answer, reread.view.withdrawn.as_ref()))
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
    there(id, original.withdrawn.as_ref(), original.dropped.as_ref())?;
    let addressed = original.report.door != Door::Metabase;
    if addressed && !app.rules.addresses {
        let reader = bearer(&app, &headers, Scope::Read).await?;
        if reader.is_none() && !app.rules.local {
            return Err(ApiError::unauthorized(
                "the submitted bytes hold the tester's address; a token with the scope read is needed",
            ));
        }
    }
    let digest = original.report.digest.to_string();
    let answer = immutable(&headers, &digest, "application/octet-stream", original.bytes);
    Ok(marked(answer, original.withdrawn.as_ref()))
}

/// A refusal for bytes that were purged, or are kept no longer.
fn there(id: ReportId, withdrawn: Option<&WithdrawnView>, dropped: Option<&DroppedView>) -> Result<(), ApiError> {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    if let Some(WithdrawnView { kind, reason, by, at, body: BodyFate::Purged }) = withdrawn {
        let at = text(*at);
        let detail = format!("report {id} was withdrawn as {kind} by the {by} at {at}, and its bytes purged: {reason}");
        return Err(ApiError::gone(detail));
    }
    let Some(DroppedView { month, at }) = dropped else { return Ok(()) };
    Err(ApiError::gone(format!(
        "the bytes of reports received in {month} are kept no longer; those of report {id} were dropped by retention at \
         {}. What was read out of it is at /v4/reports/{id}",
        text(*at)
    )))
}

/// Tells in the headers that the report was withdrawn: the bytes themselves do not.
fn marked(mut answer: Response, withdrawn: Option<&WithdrawnView>) -> Response {
    if let Some(withdrawn) = withdrawn {
        let headers = answer.headers_mut();
        headers.insert("assay-withdrawn", HeaderValue::from_static(withdrawn.kind.as_str()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
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
