//! Reports as `/v3/report/{id}` and the collector's `/v1/report/{uuid}` give them (contract §1.5, §1.7).

use chrono::{DateTime, Utc};
use schemas::ids::ReportId;
use schemas::report::{Dialect, Invalid, Report};
use serde_json::{Map, Value, json};

use super::{Historic, Sender};
use crate::store::Door;

/// Why an answer is not imported.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the answer is not JSON")]
    Json,
    #[error("the answer is another report's")]
    OtherId,
    #[error("{0}")]
    Invalid(String),
}

/// The report an answer holds, received when it says it was created; no later than `now`.
///
/// A server may leave testers' addresses out; the report is stored without one then. The collector calls languages
/// otherwise than `/v3` does; both are read.
pub fn historic(id: ReportId, answer: &[u8], now: DateTime<Utc>) -> Result<Historic, Unfit> {
    let mut document: Map<String, Value> = serde_json::from_slice(answer).map_err(|_| Unfit::Json)?;
    let said = document.get("id").and_then(Value::as_str).unwrap_or_default();
    if !said.is_empty() && said.parse() != Ok(id) {
        return Err(Unfit::OtherId);
    }
    document.insert("id".to_owned(), json!(id.to_string()));
    if let Some(reporter) = document.get_mut("reporter").and_then(Value::as_object_mut) {
        reporter.entry("email").or_insert_with(|| json!(""));
    }
    let bytes = serde_json::to_vec(&document).expect("it was JSON");
    let report = Report::parse(&bytes, Dialect::V4).map_err(|invalid| Unfit::Invalid(told(&invalid)))?;
    Ok(Historic {
        id,
        number: None,
        door: Door::V4,
        tester: Sender::named(report.reporter),
        received_at: report.created.unwrap_or(now).min(now),
        bytes,
    })
}

/// The first fault stands for all, so that reports with the same fault are counted together.
fn told(invalid: &Invalid) -> String {
    match invalid {
        Invalid::Syntax(_) => "the answer is not JSON assay reads".to_owned(),
        Invalid::Faults(faults) => faults.first().map_or_else(|| invalid.to_string(), ToString::to_string),
    }
}
