//! By how much counts move when old rows make place for new ones. Pure.

use std::collections::{BTreeMap, HashMap};

use schemas::grade::Counts;

use crate::store::{CellDelta, Counted, NewExtract, OldExtract, ReleaseNumber, SummaryDelta, TesterNumber};

/// Signed differences, each place once, in the order of their keys: every transaction touches rows in one order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    pub summaries: Vec<SummaryDelta>,
    pub cells: Vec<CellDelta>,
    pub testers: Vec<(TesterNumber, Counts)>,
    /// Releases with a row that changed, even where the counts come out the same.
    pub releases: Vec<ReleaseNumber>,
}

#[derive(Default)]
struct Places<'a> {
    summaries: BTreeMap<(ReleaseNumber, bool, bool), Counts>,
    cells: BTreeMap<(ReleaseNumber, &'a str, &'a str, &'a str), Counts>,
    testers: BTreeMap<TesterNumber, Counts>,
    releases: BTreeMap<ReleaseNumber, ()>,
}

impl Difference {
    /// What the new rows add, less what the old rows of the same reports had added.
    pub fn between(old: &HashMap<i64, OldExtract>, new: &[NewExtract]) -> Difference {
        let mut places = Places::default();
        for row in new {
            if let Some(before) = old.get(&row.counted.number) {
                places.releases.insert(before.counted.release, ());
                if !before.removed {
                    places.add(&before.counted, -Counts::one(before.counted.grade));
                }
            }
            places.releases.insert(row.counted.release, ());
            if !row.removed {
                places.add(&row.counted, Counts::one(row.counted.grade));
            }
        }
        places.differences()
    }
}

impl<'a> Places<'a> {
    fn add(&mut self, counted: &'a Counted, counts: Counts) {
        let partition = (counted.release, counted.development, counted.patched);
        *self.summaries.entry(partition).or_default() += counts;
        let cell =
            (counted.release, counted.language_version.as_str(), counted.os.as_str(), counted.architecture.as_str());
        *self.cells.entry(cell).or_default() += counts;
        *self.testers.entry(counted.tester).or_default() += counts;
    }

    fn differences(self) -> Difference {
        Difference {
            summaries: (self.summaries.into_iter().filter(|(_, counts)| !counts.zero()))
                .map(|((release, development, patched), counts)| SummaryDelta { release, development, patched, counts })
                .collect(),
            cells: (self.cells.into_iter().filter(|(_, counts)| !counts.zero()))
                .map(|((release, language_version, os, architecture), counts)| CellDelta {
                    release,
                    language_version: language_version.to_owned(),
                    os: os.to_owned(),
                    architecture: architecture.to_owned(),
                    counts,
                })
                .collect(),
            testers: self.testers.into_iter().filter(|(_, counts)| !counts.zero()).collect(),
            releases: self.releases.into_keys().collect(),
        }
    }
}
