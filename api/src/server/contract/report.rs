//! `GET /v3/report/{id}`: one report in the shape it is submitted in (contract §1.5).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::store::StoreError;
use pipeline::submission;
use schemas::addresses;
use schemas::ids::ReportId;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::server::App;

/// How languages are called: `Perl 5` and `Perl 6`, or the collector's `perl` and `raku`.
pub type LanguageNames = [&'static str; 2];

pub async fn v3(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    match document(&app, &id, ["Perl 5", "Perl 6"]).await? {
        Some(report) => Ok(Json(report).into_response()),
        None => Err(Refusal::Refused(StatusCode::NOT_FOUND, "Report ID not found".to_owned(), "/id")),
    }
}

/// A report with `id` and `created`. Ids are compared without case; what is no id names no report, and one that was
/// withdrawn, or whose bytes are kept no longer, is none any more.
///
/// The tester's address is empty, and those in its texts are hidden, unless the operator shows them.
pub async fn document(app: &App, id: &str, names: LanguageNames) -> Result<Option<Value>, StoreError> {
    let Ok(id) = id.parse::<ReportId>() else { return Ok(None) };
    let original =
        app.readers.original(id).await?.filter(|original| original.withdrawn.is_none() && original.dropped.is_none());
    let Some(original) = original else { return Ok(None) };
    let report = original.report;
    let tester = app.readers.store.tester_by_number(report.tester).await?;
    let (name, address) = tester.map(|tester| (tester.name, tester.address)).unwrap_or_default();
    // Bytes that only an older reader took are a report no more.
    let readable = submission::readable(report.door, id, &original.bytes, &name);
    let Ok(Value::Object(mut fields)) = readable else { return Ok(None) };
    complete(&mut fields, report.received_at, names);
    let mut document = Value::Object(fields);
    let address = match app.rules.addresses {
        true => address.unwrap_or_default(),
        false => {
            addresses::hide_all(&mut document);
            String::new()
        }
    };
    if let Some(reporter) = document.get_mut("reporter").and_then(Value::as_object_mut) {
        reporter.insert("email".to_owned(), Value::String(address));
    }
    Ok(Some(document))
}

/// Puts in what a stored report has and a submitted one may lack, in the words asked for.
fn complete(fields: &mut Map<String, Value>, received_at: DateTime<Utc>, names: LanguageNames) {
    let created = match fields.get("created").and_then(Value::as_str) {
        None => received_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        Some(said) if DateTime::parse_from_rfc3339(said).is_ok() => said.to_owned(),
        // Without a zone it is UTC (contract §3.1).
        Some(said) => format!("{said}Z"),
    };
    fields.insert("created".to_owned(), Value::String(created));
    if let Some(Value::String(name)) =
        fields.get_mut("environment").and_then(|value| value.pointer_mut("/language/name"))
    {
        let [perl, raku] = names;
        *name = if matches!(name.as_str(), "Perl 6" | "raku") { raku } else { perl }.to_owned();
    }
}
