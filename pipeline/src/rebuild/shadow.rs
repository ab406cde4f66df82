//! What a rebuild would change, without changing it.

use std::collections::BTreeMap;

use schemas::extract::EXTRACTOR;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::comparison::{Change, Comparison, compare};
use super::{BATCH, Progress, Read, read_all};
use crate::store::{Selection, Store, StoreError};

/// The difference a rebuild would make.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shadow {
    /// Version of the extractor that read.
    pub extractor: i64,
    /// Reports by the version of the extractor that made their rows.
    pub extractors: BTreeMap<i64, u64>,
    /// Reports read.
    pub reports: u64,
    /// Reports that could not be read, because their bytes are gone; their rows would stay as they are.
    pub skipped: u64,
    /// Rows that would stay as they are.
    pub same: u64,
    /// Rows that would become others.
    pub different: u64,
    /// Reports without a row that would have one.
    pub appearing: Group,
    /// Reports that cannot be read any more, whose rows would be removed.
    pub going: Group,
    /// By field, how many rows would change in it.
    pub fields: BTreeMap<String, Field>,
    /// Whether all was read; false when it was stopped before.
    pub complete: bool,
}

/// Reports of one fate, the first few by their ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    pub reports: u64,
    pub ids: Vec<String>,
}

/// A field that would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Field {
    /// Rows in which it would.
    pub reports: u64,
    /// The first few ways it would, each with how often. Further ways count in `reports` alone.
    pub examples: Vec<Example>,
}

/// From what to what a field would change, and in which reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    pub old: Value,
    pub new: Value,
    #[serde(flatten)]
    pub group: Group,
}

/// Ways a field changes that are told apart.
const WAYS: usize = 8;

/// Reports named for each.
const NAMED: usize = 3;

/// Reads a selection again and tells what would come out otherwise. Reads the database and nothing more.
pub async fn shadow(
    store: &Store,
    selection: &Selection,
    read: Read,
    stop: &CancellationToken,
    mut told: impl FnMut(Progress),
) -> Result<Shadow, StoreError> {
    let goal = store.last_report().await?;
    let mut shadow = Shadow { extractor: EXTRACTOR, ..Shadow::default() };
    let mut last = 0;
    while !stop.is_cancelled() {
        let numbers = store.selected(selection, last, goal, BATCH).await?;
        let Some(end) = numbers.last() else {
            shadow.complete = true;
            break;
        };
        last = *end;
        let rows = store.stored_rows(&numbers).await?;
        shadow.skipped += numbers.len().saturating_sub(rows.len()) as u64;
        for (row, reading) in read_all(rows, read).await {
            if let Some(row) = &row {
                *shadow.extractors.entry(row.old.extractor).or_default() += 1;
            }
            shadow.add(&reading.stored.report.id.to_string(), compare(row.as_ref(), &reading));
        }
        told(Progress { reports: shadow.reports, changed: shadow.changed(), last });
    }
    Ok(shadow)
}

impl Shadow {
    fn add(&mut self, id: &str, comparison: Comparison) {
        self.reports += 1;
        match comparison {
            Comparison::Same | Comparison::Outdated | Comparison::OtherReason => self.same += 1,
            Comparison::Appears => self.appearing.add(id),
            Comparison::Goes => self.going.add(id),
            Comparison::Different(changes) => {
                self.different += 1;
                for change in changes {
                    self.fields.entry(change.field.clone()).or_default().add(id, change);
                }
            }
        }
    }

    /// Rows that would change, appear or go.
    pub fn changed(&self) -> i64 {
        i64::try_from(self.different + self.appearing.reports + self.going.reports).unwrap_or(i64::MAX)
    }
}

impl Field {
    fn add(&mut self, id: &str, change: Change) {
        self.reports += 1;
        let known = self.examples.iter().position(|way| way.old == change.old && way.new == change.new);
        match known {
            Some(way) => self.examples[way].group.add(id),
            None if self.examples.len() < WAYS => {
                let mut group = Group::default();
                group.add(id);
                self.examples.push(Example { old: change.old, new: change.new, group });
            }
            None => {}
        }
    }
}

impl Group {
    fn add(&mut self, id: &str) {
        self.reports += 1;
        if self.ids.len() < NAMED {
            self.ids.push(id.to_owned());
        }
    }
}
