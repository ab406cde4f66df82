//! Reads what is stored again, and brings what is derived from it up to date.
//!
//! It works while reports come in, in this process or in another one on the same database: each batch is read without
//! a lock, and one short transaction writes the rows that come out otherwise together with how far the rebuild has
//! come. What is cut short goes on there.

mod comparison;
mod shadow;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use schemas::extract::EXTRACTOR;
use schemas::views::State;
use tokio_util::sync::CancellationToken;

pub use comparison::{Change, Comparison, compare};
pub use shadow::{Example, Field, Group, Shadow, shadow};

use crate::accept::chain;
use crate::process::{Process, Reading, read, replace};
use crate::store::{KnownRow, Rebuild, Selection, StoreError, Stored, StoredRow, Tx};
use crate::worker::wait;

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Reports read again.
    pub reports: u64,
    /// Change numbers given: rows that came out otherwise, and their releases.
    pub changed: i64,
    /// Number of the last report read: where to go on after an interruption.
    pub last: i64,
}

/// How a stored report is read. [`process::read`](read) is the one in use; tests try another.
pub type Read = fn(Stored) -> Reading;

/// What is to be rebuilt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    pub selection: Selection,
    /// Throws away first all that is derived from bytes that are there. Only for everything, and only by a process that
    /// is alone.
    pub clear: bool,
    /// Begins at the first report even where an earlier run of the same order was cut short.
    pub restart: bool,
}

/// Reports read in one transaction.
pub(crate) const BATCH: i64 = 256;

/// Failures in a row after which a rebuild ends with an error. It can be resumed.
const PATIENCE: u32 = 12;

/// The earlier run that an order goes on with: of the same selection by the same extractor, and not yet through.
pub async fn unfinished(process: &Process, order: &Order) -> Result<Option<Rebuild>, StoreError> {
    if order.restart {
        return Ok(None);
    }
    let mut earlier = process.store.unfinished_rebuilds().await?.into_iter();
    Ok(earlier.find(|one| {
        let same = one.selection == order.selection && one.extractor == EXTRACTOR;
        // Who asks for a clean beginning gets one, unless the earlier run began so itself.
        same && (one.cleared || !order.clear)
    }))
}

/// Puts a new rebuild on record, in the place of earlier ones of the same selection, and clears what is derived if it
/// is to.
pub async fn begin(process: &Process, order: &Order) -> Result<Rebuild, StoreError> {
    let now = process.clock.now();
    let earlier = process.store.unfinished_rebuilds().await?;
    let mut rebuild = Rebuild {
        number: 0,
        extractor: EXTRACTOR,
        selection: order.selection.clone(),
        cleared: order.clear,
        goal: process.store.last_report().await?,
        position: 0,
        reports: 0,
        changes: 0,
        skipped: 0,
        started_at: now,
        ended_at: None,
    };
    let mut tx = process.store.begin().await?;
    for one in earlier.iter().filter(|one| one.selection == order.selection) {
        tx.end_rebuild(one.number, now, "abandoned").await?;
    }
    if order.clear {
        tx.clear_derived().await?;
    }
    rebuild.number = tx.begin_rebuild(&rebuild).await?;
    tx.commit().await?;
    Ok(rebuild)
}

/// Runs a rebuild from where it is to its end, or until it is stopped: then `ended_at` is still empty, and it goes on
/// at this place when it is run again.
pub async fn run(
    process: &Process,
    mut rebuild: Rebuild,
    read: Read,
    stop: &CancellationToken,
    mut told: impl FnMut(Progress),
) -> Result<Rebuild, StoreError> {
    let mut failures = 0;
    while !stop.is_cancelled() {
        match batch(process, &mut rebuild, read).await {
            Ok(Some(worked)) => {
                failures = 0;
                told(progress(&rebuild));
                // Whoever waits for the write lock takes his turn.
                wait(stop, worked.clamp(Duration::from_millis(1), Duration::from_millis(100))).await;
            }
            Ok(None) => {
                let now = process.clock.now();
                let mut tx = process.store.begin().await?;
                tx.end_rebuild(rebuild.number, now, "done").await?;
                tx.commit().await?;
                rebuild.ended_at = Some(now);
                return Ok(rebuild);
            }
            Err(error) if error.transient() && failures < PATIENCE => {
                failures += 1;
                tracing::warn!(error = %chain(&error), failures, "a batch of the rebuild is tried again");
                wait(stop, Duration::from_millis(50) * 2_u32.pow(failures.min(7))).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rebuild)
}

/// Reads every report after number `from` again and replaces the rows that come out otherwise, in a run of its own.
pub async fn rebuild(process: &Process, from: i64, told: impl FnMut(Progress)) -> Result<Progress, StoreError> {
    let mut begun = begin(process, &Order::default()).await?;
    begun.position = from;
    Ok(progress(&run(process, begun, read, &CancellationToken::new(), told).await?))
}

/// Throws away rows, counts and releases, so that a rebuild makes them from the stored bytes alone. Rows of reports whose
/// bytes are gone stay, and are counted: nothing is left that they could be made from.
///
/// Mirrors that follow the change feed have to begin anew: what goes without a row leaves no tombstone.
pub async fn clear(process: &Process) -> Result<(), StoreError> {
    let mut tx = process.store.begin().await?;
    tx.clear_derived().await?;
    tx.commit().await
}

fn progress(rebuild: &Rebuild) -> Progress {
    Progress {
        reports: u64::try_from(rebuild.reports).unwrap_or_default(),
        changed: rebuild.changes,
        last: rebuild.position,
    }
}

/// Does the next reports and tells how long writing took. `None`: there are no more.
async fn batch(process: &Process, rebuild: &mut Rebuild, read: Read) -> Result<Option<Duration>, StoreError> {
    let numbers = process.store.selected(&rebuild.selection, rebuild.position, rebuild.goal, BATCH).await?;
    let Some(last) = numbers.last().copied() else { return Ok(None) };
    let rows = process.store.stored_rows(&numbers).await?;
    let mut next = Rebuild { position: last, ..rebuild.clone() };
    next.reports += i64::try_from(rows.len()).expect("a batch is small");
    next.skipped += i64::try_from(numbers.len().saturating_sub(rows.len())).expect("a batch is small");
    let readings = differing(read_all(rows, read).await);

    let begun = Instant::now();
    let mut tx = process.store.begin().await?;
    let begun_writing = Instant::now();
    let (news, given) = write(process, &mut tx, readings).await?;
    next.changes += given;
    tx.move_rebuild(&next).await?;
    tx.commit().await?;
    tracing::debug!(waited = ?(begun_writing - begun), last, "a batch of the rebuild is written");
    if let Some(news) = news {
        process.events.announce(news);
    }
    *rebuild = next;
    Ok(Some(begun_writing.elapsed()))
}

/// Puts readings in the place of the rows of their reports in a transaction of its own, and tells how many change
/// numbers that took.
pub(crate) async fn mend(process: &Process, readings: Vec<Reading>) -> Result<i64, StoreError> {
    let mut tx = process.store.begin().await?;
    let (news, given) = write(process, &mut tx, readings).await?;
    tx.commit().await?;
    if let Some(news) = news {
        process.events.announce(news);
    }
    Ok(given)
}

async fn write(
    process: &Process,
    tx: &mut Tx,
    readings: Vec<Reading>,
) -> Result<(Option<crate::events::Processed>, i64), StoreError> {
    let readings = unchanged(tx, readings).await?;
    settle(tx, &readings).await?;
    // The write lock is held, so nobody takes a number in between.
    let before = process.store.head().await?;
    let news = replace(tx, readings, &process.clock).await?;
    let given = news.as_ref().map_or(0, |news| news.head - before);
    Ok((news, given))
}

/// Reads reports on a thread for work, each beside the row it has.
pub(crate) async fn read_all(rows: Vec<StoredRow>, read: Read) -> Vec<(Option<KnownRow>, Reading)> {
    tokio::task::spawn_blocking(move || rows.into_iter().map(|row| (row.row, read(row.stored))).collect())
        .await
        .expect("reading catches its panics")
}

/// Readings of which something is to be written. Most are not among them, so most batches hold the write lock for no
/// more than a moment.
fn differing(readings: Vec<(Option<KnownRow>, Reading)>) -> Vec<Reading> {
    let differs = |(row, reading): (Option<KnownRow>, Reading)| match compare(row.as_ref(), &reading) {
        Comparison::Same => None,
        _ => Some(reading),
    };
    readings.into_iter().filter_map(differs).collect()
}

/// Readings of reports that are still as they were read: of others, a correction has come meanwhile, and its own
/// processing has made the row or will.
async fn unchanged(tx: &mut Tx, readings: Vec<Reading>) -> Result<Vec<Reading>, StoreError> {
    let numbers: Vec<i64> = readings.iter().map(|reading| reading.stored.report.number).collect();
    let current: HashMap<i64, i64> = tx.settled_revisions(&numbers).await?.into_iter().collect();
    let same = |reading: &Reading| current.get(&reading.stored.report.number) == Some(&reading.stored.report.revision);
    Ok(readings.into_iter().filter(same).collect())
}

/// Lets receipts say what came out this time, where it is not what came out before.
async fn settle(tx: &mut Tx, readings: &[Reading]) -> Result<(), StoreError> {
    let mut readable = Vec::new();
    let mut rejected = Vec::new();
    for Reading { stored, row } in readings {
        let report = &stored.report;
        match row {
            Ok(_) if report.state == State::Rejected => readable.push(report.number),
            Err(reason) if report.state != State::Rejected || report.reason.as_ref() != Some(reason) => {
                rejected.push((report.number, reason.clone()));
            }
            _ => {}
        }
    }
    if !readable.is_empty() {
        tx.readmit_reports(&readable).await?;
    }
    tx.end_reports(State::Rejected, &rejected).await
}
