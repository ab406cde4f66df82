//! The checks a report must pass at a door: one quick reading for the sound ones, a slow one that lists every fault.

use serde_json::Value;

use super::shape::{self, Found};
use super::{DEEPEST, Dialect, Invalid, Object, Report, nesting, rules, tree};
use crate::problem::Fault;

pub(super) fn parse(bytes: &[u8], dialect: Dialect) -> Result<Report, Invalid> {
    let text = json(bytes)?;
    match serde_json::from_str::<Object<Report>>(text) {
        Ok(Object(report)) if rules::keeps(&report, dialect) => Ok(without_id(report, dialect)),
        _ => examine(text, dialect).map_err(|faults| match faults {
            Faulty::Syntax(text) => Invalid::Syntax(text),
            Faulty::Found(found) => Invalid::Faults(listed(found)),
        }),
    }
}

/// Bytes as text that can hold a report, or what is wrong with them.
pub(crate) fn json(bytes: &[u8]) -> Result<&str, Invalid> {
    let refuse = |text: String| Err(Invalid::Syntax(text));
    let text = match std::str::from_utf8(bytes) {
        _ if bytes.is_empty() => return refuse("it is empty".to_owned()),
        _ if wide(bytes) => return refuse("it is UTF-16 or UTF-32, and must be UTF-8".to_owned()),
        Err(error) => return refuse(format!("byte {} is not UTF-8", error.valid_up_to() + 1)),
        Ok(text) if text.starts_with('\u{FEFF}') => return refuse("it begins with a byte order mark".to_owned()),
        Ok(text) => text,
    };
    if nesting::deeper_than(DEEPEST, text) {
        return refuse(format!("it nests more than {DEEPEST} levels deep"));
    }
    Ok(text)
}

/// JSON begins with an ASCII character, so a NUL or half a byte order mark beside it tells of wide characters.
fn wide(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [_, 0, ..])
}

/// What the slow reading found.
pub(super) enum Faulty {
    Syntax(String),
    Found(Vec<Found>),
}

/// Reads a text whose quick reading failed: a report after all, or every fault it has.
pub(super) fn examine(text: &str, dialect: Dialect) -> Result<Report, Faulty> {
    let (mut document, twice) = tree::read(text).map_err(|error| Faulty::Syntax(error.to_string()))?;
    let found = shape::faults(&document, &twice, dialect);
    if !found.is_empty() {
        return Err(Faulty::Found(found));
    }
    if let (Dialect::V3, Value::Object(fields)) = (dialect, &mut document) {
        fields.shift_remove("id");
    }
    serde_json::from_value(document).map_err(|error| Faulty::Found(vec![Found::unnamed(error.to_string())]))
}

/// The door of v3 gives its own id (contract §11.2).
fn without_id(mut report: Report, dialect: Dialect) -> Report {
    if dialect == Dialect::V3 {
        report.id = None;
    }
    report
}

/// Faults as v4 tells them. A language is checked by two schemas, so that one fault may be found twice.
fn listed(found: Vec<Found>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::with_capacity(found.len());
    for fault in found.iter().map(|found| Fault::new(&found.pointer, found.wrong.to_string())) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}
