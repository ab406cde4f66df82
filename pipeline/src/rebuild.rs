//! Reads everything that is stored again, and brings what is derived from it up to date.

use std::collections::HashMap;
use std::time::Duration;

use schemas::views::State;

use crate::events::Processed;
use crate::process::{Process, Reading, read, replace};
use crate::store::{StoreError, Tx};

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Reports read again.
    pub reports: u64,
    /// Rows that came out otherwise.
    pub changed: i64,
    /// Number of the last report read: where to go on after an interruption.
    pub last: i64,
}

/// Reports read in one transaction.
const BATCH: i64 = 256;

/// Reads every processed report after number `from` again and replaces the rows that come out otherwise.
///
/// Works while reports come in: each batch is one transaction, with rests between. Returns when it is through.
pub async fn rebuild(process: &Process, from: i64, mut told: impl FnMut(Progress)) -> Result<Progress, StoreError> {
    let mut progress = Progress { last: from, ..Progress::default() };
    loop {
        let stored = process.store.reports_after(progress.last, BATCH).await?;
        let Some(last) = stored.iter().map(|one| one.report.number).max() else { return Ok(progress) };
        let count = stored.len() as u64;
        let readings = tokio::task::spawn_blocking(move || stored.into_iter().map(read).collect())
            .await
            .expect("reading catches its panics");
        let mut tx = process.store.begin().await?;
        let before = process.store.head().await?;
        let readings = unchanged(&mut tx, readings).await?;
        settle(&mut tx, &readings).await?;
        let news: Option<Processed> = replace(&mut tx, readings, process.clock.now()).await?;
        tx.commit().await?;
        if let Some(news) = news {
            progress.changed += news.head - before;
            process.events.announce(news);
        }
        progress.reports += count;
        progress.last = last;
        told(progress);
        // The intake takes its turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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
            Err(reason) if report.reason.as_ref() != Some(reason) => rejected.push((report.number, reason.clone())),
            _ => {}
        }
    }
    if !readable.is_empty() {
        tx.readmit_reports(&readable).await?;
    }
    tx.end_reports(State::Rejected, &rejected).await
}

/// Throws away rows, counts and releases, so that a rebuild makes them from the stored bytes alone.
///
/// Mirrors that follow the change feed have to begin anew: what goes without a row leaves no tombstone.
pub async fn clear(process: &Process) -> Result<(), StoreError> {
    let mut tx = process.store.begin().await?;
    tx.clear_derived().await?;
    tx.commit().await
}
