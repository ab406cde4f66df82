//! A reader that follows the change feed and keeps a copy of what it was told.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::store::{ChangeRow, Store};
use schemas::grade::Counts;
use serde_json::Value;

/// What one has who knows nothing but the feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mirror {
    pub cursor: i64,
    /// Every number it was told.
    pub seen: BTreeSet<i64>,
    /// Documents by report id.
    pub documents: BTreeMap<String, Value>,
    /// Counts by distribution and version.
    pub summaries: BTreeMap<(String, String), Counts>,
}

impl Mirror {
    /// Takes the next page and tells how many rows it had.
    pub async fn follow(&mut self, store: &Store, limit: usize) -> usize {
        let (rows, head) = store.changes(self.cursor, limit).await.unwrap();
        for row in &rows {
            assert!(row.number() > self.cursor, "number {} came after {}", row.number(), self.cursor);
            assert!(row.number() <= head, "number {} is beyond the head {head}", row.number());
            self.cursor = row.number();
            self.seen.insert(row.number());
            self.apply(row);
        }
        rows.len()
    }

    pub async fn follow_to_the_end(&mut self, store: &Store, limit: usize) {
        while self.follow(store, limit).await > 0 {}
    }

    fn apply(&mut self, row: &ChangeRow) {
        match row {
            ChangeRow::Result { removed, document, .. } => {
                let document: Value = serde_json::from_str(document).unwrap();
                let id = document["id"].as_str().expect("every row names its report").to_owned();
                match removed {
                    true => drop(self.documents.remove(&id)),
                    false => drop(self.documents.insert(id, document)),
                }
            }
            ChangeRow::Summary { removed, summary, .. } => {
                let key = (summary.distribution.clone(), summary.version.clone());
                match removed {
                    true => drop(self.summaries.remove(&key)),
                    false => drop(self.summaries.insert(key, summary.counts)),
                }
            }
        }
    }
}
