//! Rows against what the extractor reads out of the stored bytes: of every report, or of a sample.

use std::collections::HashSet;

use schemas::views::State;

use super::{Found, Told};
use crate::process::{Process, Reading, read};
use crate::rebuild::{self, Change, Comparison, compare, read_all};
use crate::store::{Counting, KnownRow, StoreError};

/// Reports read when not all are.
const SAMPLE: i64 = 2000;

/// Reports read at a time.
const BATCH: i64 = 256;

pub(super) async fn look(process: &Process, deep: bool, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    let mut older = 0_u64;
    let mut walk = Walk::begin(process, deep).await?;
    while let Some(readings) = walk.next(process).await? {
        for (row, reading) in &readings {
            match judge(row.as_ref(), reading) {
                Judged::Fine => {}
                Judged::Older => older += 1,
                Judged::Wrong(detail) | Judged::Unreadable(detail) => {
                    found.add(format!("report {}", reading.stored.report.id), detail);
                }
            }
        }
        found.checked += super::many(readings.len());
        told(found.checked, walk.total);
    }
    if !deep && walk.step > 1 {
        found.notes.push(format!("a sample, one of {} reports; --deep reads all", walk.step));
    }
    if older > 0 {
        found.notes.push(format!("{older} rows are of an older extractor and would come out otherwise; run a rebuild"));
    }
    Ok(())
}

/// Reads the reports whose rows are wrong again. A report that cannot be read any more keeps its row: the row is all
/// that is left of it.
pub(super) async fn mend(process: &Process, deep: bool) -> Result<(), StoreError> {
    let mut walk = Walk::begin(process, deep).await?;
    while let Some(readings) = walk.next(process).await? {
        let wrong = |(row, reading): (Option<KnownRow>, Reading)| {
            matches!(judge(row.as_ref(), &reading), Judged::Wrong(_)).then_some(reading)
        };
        let wrong: Vec<Reading> = readings.into_iter().filter_map(wrong).collect();
        if !wrong.is_empty() {
            rebuild::mend(process, wrong).await?;
        }
    }
    Ok(())
}

enum Judged {
    Fine,
    /// An older extractor made the row, and this one reads something else: no fault, but worth a rebuild.
    Older,
    Wrong(String),
    /// The bytes cannot be read any more; nothing is to be made of them.
    Unreadable(String),
}

fn judge(row: Option<&KnownRow>, reading: &Reading) -> Judged {
    match compare(row, reading) {
        Comparison::Same | Comparison::Outdated => Judged::Fine,
        Comparison::Different(_) if row.is_some_and(|row| row.old.extractor != schemas::extract::EXTRACTOR) => {
            Judged::Older
        }
        Comparison::Different(changes) => Judged::Wrong(changes.iter().map(told_change).collect::<Vec<_>>().join("; ")),
        Comparison::Appears if row.is_some_and(|row| !row.old.removed) => {
            Judged::Wrong("it has a row, and is rejected".to_owned())
        }
        Comparison::Appears => Judged::Wrong("it can be read, and has no row".to_owned()),
        Comparison::Goes if reading.stored.report.state == State::Rejected => {
            Judged::Wrong("it is rejected, and has a row".to_owned())
        }
        Comparison::Goes => Judged::Unreadable(format!("it cannot be read again: {}", reason(reading))),
        Comparison::OtherReason => Judged::Wrong(format!("it has no row, and no reason why: {}", reason(reading))),
    }
}

fn reason(reading: &Reading) -> &str {
    reading.row.as_ref().err().map_or("", String::as_str)
}

fn told_change(change: &Change) -> String {
    format!("{} is {} and reads {}", change.field, change.old, change.new)
}

/// Goes through the reports whose state contradicts their row, and then through all or a sample.
struct Walk {
    contradicted: Vec<i64>,
    /// The same, done first and so left out of the sample.
    known: HashSet<i64>,
    last: i64,
    step: i64,
    rest: i64,
    total: u64,
}

impl Walk {
    async fn begin(process: &Process, deep: bool) -> Result<Walk, StoreError> {
        let contradicted = process.store.contradicted_reports().await?;
        let reports = process.store.count_rows(Counting::Reports).await?;
        let step = if deep { 1 } else { (reports / SAMPLE).max(1) };
        // Another sample at another time of the day, but the same one when it is looked at again after mending.
        let rest = (process.clock.now().timestamp() / 3600) % step;
        let total = u64::try_from(reports / step).unwrap_or_default() + super::many(contradicted.len());
        let known = contradicted.iter().copied().collect();
        Ok(Walk { contradicted, known, last: 0, step, rest, total })
    }

    /// The next reports, read. `None` at the end.
    async fn next(&mut self, process: &Process) -> Result<Option<Vec<(Option<KnownRow>, Reading)>>, StoreError> {
        let numbers = match self.contradicted.is_empty() {
            false => {
                let few = self.contradicted.len().min(BATCH as usize);
                self.contradicted.drain(..few).collect()
            }
            true => {
                let mut numbers = process.store.sampled(self.last, self.step, self.rest, BATCH).await?;
                let Some(last) = numbers.last() else { return Ok(None) };
                self.last = *last;
                numbers.retain(|number| !self.known.contains(number));
                numbers
            }
        };
        Ok(Some(read_all(process.store.stored_rows(&numbers).await?, read).await))
    }
}
