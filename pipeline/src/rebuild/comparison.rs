//! What a report would become if it were read now, beside the row it has. Pure.

use schemas::extract::{EXTRACTOR, Extract};
use schemas::views::State;
use serde_json::{Map, Value};

use crate::process::{Reading, result_view, telling};
use crate::store::{KnownRow, Stored};

/// How a reading and the row as it stands compare.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// Nothing would change.
    Same,
    /// The row would be the same, but an older extractor made it.
    Outdated,
    /// The row would be another.
    Different(Vec<Change>),
    /// There is no row yet, or only a tombstone.
    Appears,
    /// The report cannot be read any more, and its row would become a tombstone.
    Goes,
    /// There is no row and there would be none, for another reason than the receipt tells.
    OtherReason,
}

/// One field of a row that would change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// As the row's JSON names it, the parts of nested fields joined by dots.
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// Compares what was read with the row that is there.
pub fn compare(row: Option<&KnownRow>, reading: &Reading) -> Comparison {
    let live = row.filter(|row| !row.old.removed);
    match (live, &reading.row) {
        // The receipt denies the row, so it appears, in whatever state it lay there.
        (Some(_), Ok(_)) if reading.stored.report.state == State::Rejected => Comparison::Appears,
        (Some(row), Ok(extract)) => compare_rows(row, &reading.stored, extract),
        (None, Ok(_)) => Comparison::Appears,
        (Some(_), Err(_)) => Comparison::Goes,
        (None, Err(reason)) => {
            let report = &reading.stored.report;
            match report.state == State::Rejected && report.reason.as_ref() == Some(reason) {
                true => Comparison::Same,
                false => Comparison::OtherReason,
            }
        }
    }
}

fn compare_rows(row: &KnownRow, stored: &Stored, extract: &Extract) -> Comparison {
    let view = result_view(stored, extract.clone());
    let document = serde_json::to_string(&view).expect("a view is made of texts and numbers");
    let mut changes = match document == row.old.document {
        true => Vec::new(),
        false => changed_fields(&row.old.document, &document),
    };
    for change in changed_columns(row, stored, extract) {
        if changes.iter().all(|known| known.field != change.field) {
            changes.push(change);
        }
    }
    match changes.is_empty() {
        false => Comparison::Different(changes),
        true if row.old.extractor != EXTRACTOR => Comparison::Outdated,
        true => Comparison::Same,
    }
}

/// Fields in which two documents differ. A document that is no JSON any more differs as a whole.
fn changed_fields(old: &str, new: &str) -> Vec<Change> {
    let parsed = |text: &str| serde_json::from_str::<Map<String, Value>>(text).map(|fields| flat(&fields));
    let (Ok(old_fields), Ok(new_fields)) = (parsed(old), parsed(new)) else {
        return vec![Change { field: "document".to_owned(), old: old.into(), new: new.into() }];
    };
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
    let names = old_fields.keys().chain(new_fields.keys().filter(|name| !old_fields.contains_key(*name)));
    let changes: Vec<Change> = names
        .map(|name| Change { field: name.clone(), old: value(&old_fields, name), new: value(&new_fields, name) })
        .filter(|change| change.old != change.new)
        .collect();
    match changes.is_empty() {
        // The same values in other words: spaces, or the order of fields.
        true => vec![Change { field: "document".to_owned(), old: old.into(), new: new.into() }],
        false => changes,
    }
}

/// Nested objects laid out flat, the names joined by dots.
fn flat(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut laid_out = Map::new();
    for (name, value) in fields {
        match value {
            Value::Object(inner) => {
                laid_out.extend(flat(inner).into_iter().map(|(below, value)| (format!("{name}.{below}"), value)));
            }
            value => drop(laid_out.insert(name.clone(), value.clone())),
        }
    }
    laid_out
}

/// Columns that lists select by and counts are made of, where they differ from what was read.
fn changed_columns(row: &KnownRow, stored: &Stored, extract: &Extract) -> Vec<Change> {
    let old = &row.old.counted;
    let flags = &extract.language_version;
    let (language, distribution, version) = match &row.release {
        Some((language, distribution, version)) => {
            (Value::from(language.as_str()), Value::from(distribution.as_str()), Value::from(version.as_str()))
        }
        None => (Value::Null, Value::Null, Value::Null),
    };
    let (told, tells) = (row.old.telling.as_ref(), telling(extract));
    let columns: [(&str, Value, Value); 12] = [
        ("grade", old.grade.as_str().into(), extract.grade.as_str().into()),
        ("language_version", old.language_version.as_str().into(), flags.verbatim.as_str().into()),
        ("development", old.development.into(), flags.development.into()),
        ("patched", old.patched.into(), flags.patched.into()),
        ("os", old.os.as_str().into(), extract.os.as_str().into()),
        ("architecture", old.architecture.as_str().into(), extract.architecture.as_str().into()),
        ("language", language, extract.language.as_str().into()),
        ("distribution", distribution, extract.distribution.as_str().into()),
        ("version", version, extract.version.as_str().into()),
        ("author", told.map(|one| one.author.as_str()).into(), tells.as_ref().map(|one| one.author.as_str()).into()),
        (
            "archive",
            told.and_then(|one| one.archive.as_deref()).into(),
            tells.as_ref().and_then(|one| one.archive.as_deref()).into(),
        ),
        ("tester_number", old.tester.0.into(), stored.report.tester.0.into()),
    ];
    let differing = columns.into_iter().filter(|(_, old, new)| old != new);
    differing.map(|(field, old, new)| Change { field: field.to_owned(), old, new }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_differ_by_the_fields_whose_values_differ() {
        let old = r#"{"os":"linux","reason":{"code":"a","detail":"x"},"suite":null}"#;
        let new = r#"{"os":"linux","reason":{"code":"b","detail":"x"},"suite":{"files":3}}"#;
        let changes = changed_fields(old, new);
        let told: Vec<(&str, String)> =
            changes.iter().map(|change| (change.field.as_str(), format!("{}→{}", change.old, change.new))).collect();
        assert_eq!(told, [("reason.code", r#""a"→"b""#.to_owned()), ("suite.files", "null→3".to_owned()),]);
    }

    #[test]
    fn what_is_no_json_or_only_written_otherwise_differs_as_a_whole() {
        for (old, new) in [("{", r#"{"os":"linux"}"#), (r#"{"os": "linux"}"#, r#"{"os":"linux"}"#)] {
            let changes = changed_fields(old, new);
            assert_eq!(changes, [Change { field: "document".to_owned(), old: old.into(), new: new.into() }]);
        }
    }
}
