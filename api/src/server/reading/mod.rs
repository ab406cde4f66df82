//! The readers' side of `/v4`: JSON pages, NDJSON streams, the change feed.

pub mod changes;
pub mod events;
pub mod matrix;
pub mod receipts;
pub mod releases;
pub mod reports;
pub mod results;
pub mod search;
pub mod status;
pub mod summaries;
pub mod wanted;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDateTime, Utc};
use schemas::extract::Language;
use serde::Serialize;

use super::App;
use super::cache::matches;
use super::problems::ApiError;

pub const JSON: &str = "application/json";
pub const NDJSON: &str = "application/x-ndjson";

/// The language asked for; Perl when none is.
pub fn language(said: Option<&str>) -> Result<Language, ApiError> {
    match said {
        None | Some("perl") => Ok(Language::Perl),
        Some("raku") => Ok(Language::Raku),
        Some(_) => Err(ApiError::parameter("language", "expected perl or raku")),
    }
}

/// The page size asked for, within the operator's limit.
pub fn limit(app: &App, said: Option<&str>, usual: usize) -> Result<usize, ApiError> {
    let most = app.rules.page_limit;
    let Some(said) = said else { return Ok(usual.min(most)) };
    match said.parse::<usize>() {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(ApiError::parameter("limit", format!("expected a number from 1 to {most}"))),
    }
}

/// A moment: RFC 3339, without a zone in UTC, or a date.
pub fn moment(name: &str, said: Option<&str>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let Some(said) = said else { return Ok(None) };
    let zoned = DateTime::parse_from_rfc3339(said).map(|at| at.to_utc());
    let bare = || NaiveDateTime::parse_from_str(said, "%Y-%m-%dT%H:%M:%S").map(|at| at.and_utc());
    let day = || NaiveDateTime::parse_from_str(&format!("{said}T00:00:00"), "%Y-%m-%dT%H:%M:%S").map(|at| at.and_utc());
    zoned.or_else(|_| bare()).or_else(|_| day()).map(Some).map_err(|_| {
        ApiError::parameter(name, "expected a date and time such as 2026-11-21T08:00:00Z, or a date such as 2026-11-21")
    })
}

/// Whether the reader wants a stream of lines instead of a page.
pub fn wants_lines(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|kind| {
        matches!(kind.split(';').next().unwrap_or_default().trim(), NDJSON | "application/ndjson" | "application/jsonl")
    })
}

/// A JSON answer whose content is named by a number that grows with each change under it.
pub fn versioned(headers: &HeaderMap, version: i64, view: &impl Serialize) -> Response {
    named(headers, version, JSON, json(view))
}

pub fn json(view: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(view).expect("a view is made of texts and numbers")
}

/// Bytes of an answer whose content is named by a number.
pub fn named(headers: &HeaderMap, version: i64, kind: &'static str, body: Vec<u8>) -> Response {
    let etag = HeaderValue::from_str(&format!("W/\"{version:x}\"")).expect("hexadecimal digits");
    let fixed = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate")),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
    ];
    match matches(headers, &etag) {
        true => (StatusCode::NOT_MODIFIED, fixed).into_response(),
        false => (fixed, body).into_response(),
    }
}
