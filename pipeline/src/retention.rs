//! Drops the bytes of old reports, a month of receipt at a time, when the operator wants them kept for so long only.
//!
//! What goes is bytes, never counts: the report keeps its row, its digest and its place in every list. A month goes
//! only when each report of it has its outcome. Where the database has a partition for the month, that is dropped at
//! once; what lies elsewhere is deleted in small batches. What went is noted in the same transaction, so a pass that is
//! cut short goes on at the next one.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::accept::chain;
use crate::process::Process;
use crate::store::{BodyTable, GroupNumber, Month, Store, StoreError};
use crate::worker::wait;

/// For how many months bytes are kept after the one their report was received in. 0: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The newest bytes of each report.
    pub bodies: u32,
    /// Bytes that corrections have replaced.
    pub superseded_bodies: u32,
}

impl Policy {
    pub fn keeps_all(&self) -> bool {
        *self == Policy::default()
    }

    /// The first month of receipt whose bytes are kept. `None`: all are.
    pub fn first_kept(&self, table: BodyTable, now: DateTime<Utc>) -> Option<Month> {
        let months = match table {
            BodyTable::Bodies => self.bodies,
            BodyTable::SupersededBodies => self.superseded_bodies,
        };
        if months == 0 { None } else { Month::of(now).before(months) }
    }
}

/// A month whose bytes are kept no longer, and what there is of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    pub table: BodyTable,
    pub month: Month,
    pub bodies: i64,
    /// What they take, packed as they are.
    pub bytes: i64,
    /// Reports of the month without an outcome: it waits for them.
    pub waiting: i64,
}

/// What became of a month in a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handled {
    pub table: BodyTable,
    pub month: Month,
    /// Bodies that went in this pass.
    pub bodies: i64,
    pub bytes: i64,
    pub ending: Ending,
}

/// How far a month has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Nothing of it is left.
    Dropped,
    /// Reports of it have no outcome yet, or are parked; it was left alone.
    Waiting,
    /// Others used the table all the time, or bytes of the month came meanwhile; the next pass tries again.
    Busy,
    /// The pass was stopped; the next one goes on.
    Stopped,
}

/// The name of the turn that one process at a time has at this.
pub const TURN: &str = "retention";

/// Reports whose bytes are deleted in one transaction.
const BATCH: i64 = 256;

/// Tries of a month whose table others use, or whose reports are handed in again.
const TRIES: u32 = 5;

/// Time between two tries.
const AGAIN: Duration = Duration::from_secs(1);

/// When a worker looks for what is kept no longer.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time from its start to the first pass.
    pub first: Duration,
    /// Time between two passes.
    pub every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        // A start has better things to do. A pass that finds nothing asks a few small questions.
        Pace { first: Duration::from_secs(60), every: Duration::from_secs(6 * 3600) }
    }
}

/// Drops what is kept no longer, soon after the start and then every few hours, until told to stop.
pub async fn keep_up(process: Process, policy: Policy, pace: Pace, stop: CancellationToken) {
    wait(&stop, pace.first).await;
    while !stop.is_cancelled() {
        match pass(&process, &policy, &stop, |_| ()).await {
            Ok(Some(handled)) => handled.iter().for_each(log),
            // Another worker is at it.
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "old bytes could not be dropped; trying again later"),
        }
        wait(&stop, pace.every).await;
    }
}

fn log(handled: &Handled) {
    let Handled { table, month, bodies, bytes, ending } = handled;
    match ending {
        Ending::Dropped if *bodies > 0 => {
            tracing::info!(%table, %month, bodies, bytes, "the bytes of a month were dropped, as retention says");
        }
        Ending::Waiting => tracing::warn!(%table, %month, "a month is kept for reports that have no outcome yet"),
        Ending::Busy => tracing::warn!(%table, %month, bodies, "a month could not be dropped; trying again later"),
        Ending::Dropped | Ending::Stopped => {}
    }
}

/// Months whose bytes are kept no longer and are still there, by table and month. Changes nothing.
pub async fn due(store: &Store, policy: &Policy, now: DateTime<Utc>) -> Result<Vec<Due>, StoreError> {
    let mut due = Vec::new();
    for table in BodyTable::ALL {
        let Some(first_kept) = policy.first_kept(table, now) else { continue };
        for month in store.months_to_drop(table, first_kept).await? {
            let (bodies, bytes) = store.month_content(table, month).await?;
            if bodies > 0 {
                let waiting = store.unsettled_reports(month).await?;
                due.push(Due { table, month, bodies, bytes, waiting });
            }
        }
    }
    Ok(due)
}

/// Drops what is kept no longer, and gives what became of each month. `told` hears how many bodies have gone so far.
/// `None`: another process does it at this moment.
pub async fn pass(
    process: &Process,
    policy: &Policy,
    stop: &CancellationToken,
    told: impl FnMut(i64),
) -> Result<Option<Vec<Handled>>, StoreError> {
    let Some(turn) = process.store.take_turn(TURN).await? else { return Ok(None) };
    let handled = drop_months(process, policy, stop, told).await?;
    turn.end().await;
    Ok(Some(handled))
}

/// As [`pass`], by whoever has the turn. One who loses it on the way does no harm: what is gone is not dropped again.
async fn drop_months(
    process: &Process,
    policy: &Policy,
    stop: &CancellationToken,
    mut told: impl FnMut(i64),
) -> Result<Vec<Handled>, StoreError> {
    let mut handled: Vec<Handled> = Vec::new();
    let mut gone = 0;
    for table in BodyTable::ALL {
        let Some(first_kept) = policy.first_kept(table, process.clock.now()) else { continue };
        for month in process.store.months_to_drop(table, first_kept).await? {
            let mut dropping = Dropping { process, table, month, bodies: 0, bytes: 0 };
            let ending = dropping.run(stop, &mut |bodies| told(gone + bodies)).await?;
            gone += dropping.bodies;
            handled.push(Handled { table, month, bodies: dropping.bodies, bytes: dropping.bytes, ending });
            if stop.is_cancelled() {
                return Ok(handled);
            }
        }
    }
    Ok(handled)
}

/// A month on its way out.
struct Dropping<'p> {
    process: &'p Process,
    table: BodyTable,
    month: Month,
    bodies: i64,
    bytes: i64,
}

impl Dropping<'_> {
    async fn run(&mut self, stop: &CancellationToken, told: &mut impl FnMut(i64)) -> Result<Ending, StoreError> {
        let store = &self.process.store;
        for _ in 0..TRIES {
            if stop.is_cancelled() {
                return Ok(Ending::Stopped);
            }
            // Asked first: whoever hands a report of the month in again from here on does so in a later group.
            let newest = store.begin().await?.last_group().await?;
            if store.unsettled_reports(self.month).await? > 0 {
                return Ok(Ending::Waiting);
            }
            match self.try_once(newest, stop, told).await {
                Ok(true) => return Ok(Ending::Dropped),
                Ok(false) => {}
                Err(error) if error.transient() => {
                    tracing::debug!(error = %chain(&error), month = %self.month, "a month could not be dropped yet");
                }
                Err(error) => return Err(error),
            }
            wait(stop, AGAIN).await;
        }
        Ok(Ending::Busy)
    }

    /// Whether nothing is left.
    async fn try_once(
        &mut self,
        newest: GroupNumber,
        stop: &CancellationToken,
        told: &mut impl FnMut(i64),
    ) -> Result<bool, StoreError> {
        let whole = self.process.store.months_apart(self.table).await?.contains(&self.month);
        if whole && !self.drop_whole(newest).await? {
            return Ok(false);
        }
        told(self.bodies);
        if !self.delete_rest(stop, told).await? {
            return Ok(false);
        }
        let mut tx = self.process.store.begin().await?;
        if tx.month_disturbed(self.month, newest).await? {
            return Ok(false);
        }
        tx.end_dropping(self.table, self.month, self.process.clock.now()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Drops the month's partition, unless a report of it was handed in again since the look at them all: its bytes
    /// have still to be read.
    async fn drop_whole(&mut self, newest: GroupNumber) -> Result<bool, StoreError> {
        // Counted before everybody has to wait.
        let content = self.process.store.month_content(self.table, self.month).await?;
        let mut tx = self.process.store.begin().await?;
        if tx.month_disturbed(self.month, newest).await? {
            return Ok(false);
        }
        tx.drop_partition(self.table, self.month).await?;
        tx.note_dropped(self.table, self.month, content, self.process.clock.now()).await?;
        tx.commit().await?;
        self.count(content);
        Ok(true)
    }

    /// Deletes what lies in no partition of its own, in batches with rests between. Whether it came to the end.
    async fn delete_rest(&mut self, stop: &CancellationToken, told: &mut impl FnMut(i64)) -> Result<bool, StoreError> {
        let store = &self.process.store;
        let mut after = None;
        while !stop.is_cancelled() {
            let reports = store.droppable_reports(self.table, self.month, after, BATCH).await?;
            let Some(last) = reports.last() else { return Ok(true) };
            after = Some(*last);
            let numbers: Vec<i64> = reports.iter().map(|(_, number)| *number).collect();
            let mut tx = store.begin().await?;
            let begun = Instant::now();
            let content = tx.drop_bodies(self.table, self.month, &numbers).await?;
            tx.note_dropped(self.table, self.month, content, self.process.clock.now()).await?;
            tx.commit().await?;
            self.count(content);
            told(self.bodies);
            // Whoever waits for the write lock takes his turn.
            wait(stop, begun.elapsed().clamp(Duration::from_millis(1), Duration::from_millis(100))).await;
        }
        Ok(false)
    }

    fn count(&mut self, (bodies, bytes): (i64, i64)) {
        self.bodies += bodies;
        self.bytes += bytes;
        self.process.measures.dropped_bodies.inc_by(bodies.unsigned_abs());
        self.process.measures.dropped_bytes.inc_by(bytes.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_kept(months: u32, now: &str) -> Option<String> {
        let policy = Policy { bodies: months, superseded_bodies: 0 };
        Some(policy.first_kept(BodyTable::Bodies, now.parse().unwrap())?.to_string())
    }

    #[test]
    fn a_month_is_kept_until_so_many_whole_ones_have_followed_it() {
        assert_eq!(first_kept(0, "2026-11-21T08:00:00Z"), None);
        for (months, now, first) in [
            (1, "2026-11-01T00:00:00Z", "2026-10"),
            (1, "2026-11-30T23:59:59Z", "2026-10"),
            (1, "2026-12-01T00:00:00Z", "2026-11"),
            (11, "2026-11-21T08:00:00Z", "2025-12"),
            (1200, "2026-11-21T08:00:00Z", "1926-11"),
        ] {
            assert_eq!(first_kept(months, now).as_deref(), Some(first), "{months} {now}");
        }
        let policy = Policy { bodies: 3, superseded_bodies: 0 };
        assert_eq!(policy.first_kept(BodyTable::SupersededBodies, DateTime::UNIX_EPOCH), None);
        assert!(!policy.keeps_all() && Policy::default().keeps_all());
    }
}
