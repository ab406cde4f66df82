//! Runs jobs from the queue, feeds the index, and sweeps up what a vanished worker left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::chain;
use crate::catch_up::CatchUp;
use crate::index::DocumentIndex;
use crate::process::Process;
use crate::queue::{self, Gate, ProcessGroup};
use crate::store::{GroupNumber, StoreError};

/// What a worker process runs.
pub struct Worker {
    pub process: Process,
    /// `None` runs without search.
    pub index: Option<Arc<dyn DocumentIndex>>,
    pub gate: Gate,
    /// Name in receipts and logs; of this process alone.
    pub name: String,
}

impl Worker {
    /// Starts the parts; they end when `stop` is cancelled, and `tracker` knows when they have.
    pub async fn start(self, stop: CancellationToken, tracker: &TaskTracker) -> Result<(), StoreError> {
        requeue(&self.process).await?;
        if let Some(index) = self.index {
            tracker.spawn(CatchUp::new(self.process.clone(), index).run(stop.clone()));
        }
        tracker.spawn(sweep(self.process.clone(), stop.clone()));
        tracker.spawn(run_jobs(self.process, self.gate, self.name, stop));
        Ok(())
    }
}

/// Takes jobs until told to stop. A queue that fails is begun again: the database may have been away.
async fn run_jobs(process: Process, gate: Gate, name: String, stop: CancellationToken) {
    let claims = Claims::default();
    while !stop.is_cancelled() {
        let job = {
            let (process, claims, name, stop) = (process.clone(), claims.clone(), name.clone(), stop.clone());
            move |group| {
                let (process, claims, name, stop) = (process.clone(), claims.clone(), name.clone(), stop.clone());
                async move { work(&process, &claims, group, &name, &stop).await }
            }
        };
        let wake = process.events.jobs();
        let ended = queue::run(&process.store, &name, &gate, wake, job, stop.clone().cancelled_owned()).await;
        if let Err(error) = ended {
            tracing::error!(error = %chain(&error), "the queue failed; trying again in a second");
            wait(&stop, Duration::from_secs(1)).await;
        }
    }
}

/// Groups that a job of this process has in hand.
#[derive(Clone, Default)]
struct Claims(Arc<Mutex<HashSet<GroupNumber>>>);

/// Reports processed in one transaction at most, when they come in many groups.
const TOGETHER: i64 = 256;

impl Claims {
    /// Takes those of the groups that are free, in their order, until they have enough reports.
    fn take(&self, groups: &[(GroupNumber, i64)]) -> Vec<GroupNumber> {
        let mut claimed = self.0.lock().expect("no holder of the claims panics");
        let mut reports = 0;
        let mut taken = Vec::new();
        for (group, count) in groups {
            if reports + count > TOGETHER && !taken.is_empty() {
                break;
            }
            if claimed.insert(*group) {
                reports += count;
                taken.push(*group);
            }
        }
        taken
    }
}

/// Groups in hand; given back when this goes, however the work ends.
struct InHand<'a> {
    claims: &'a Claims,
    groups: Vec<GroupNumber>,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut claimed = self.claims.0.lock().expect("no holder of the claims panics");
        for group in &self.groups {
            claimed.remove(group);
        }
    }
}

/// Does a group's job, and with it those of the groups behind it that nobody has begun: under load, groups are many
/// and small, and one transaction for all costs hardly more than one for each.
async fn work(process: &Process, claims: &Claims, group: GroupNumber, name: &str, stop: &CancellationToken) {
    let mut in_hand = InHand { claims, groups: claims.take(&[(group, 0)]) };
    if in_hand.groups.is_empty() || matches!(process.store.group_open(group).await, Ok(false)) {
        return;
    }
    if let Ok(behind) = process.store.untried_groups(group, 64).await
        && behind.first().is_some_and(|(first, _)| *first == group)
    {
        in_hand.groups.extend(claims.take(&behind[1..]));
    }
    if in_hand.groups.len() > 1 && process.process_together(&in_hand.groups, name).await.is_ok() {
        return;
    }
    // Each is tried once before any is tried again, so that one that fails does not hold up the others.
    let mut failing = Vec::new();
    for group in in_hand.groups.iter().take_while(|_| !stop.is_cancelled()) {
        if process.process(*group, name).await.is_err() {
            failing.push(*group);
        }
    }
    for group in failing.into_iter().take_while(|_| !stop.is_cancelled()) {
        attempt_until_done(process, group, name, stop).await;
    }
}

/// Tries a group that has failed until it is done or split; the waits grow, and differ, so that retries do not meet.
///
/// A stop ends the trying. The group stays open, and the next worker that starts queues it again.
async fn attempt_until_done(process: &Process, group: GroupNumber, name: &str, stop: &CancellationToken) {
    for failures in 0_u32.. {
        let longest = Duration::from_millis(50) * 2_u32.saturating_pow(failures.min(9));
        let jitter = f64::from(group.0.unsigned_abs() as u32 % 100) / 200.0;
        wait(stop, longest.mul_f64(0.5 + jitter)).await;
        if stop.is_cancelled() || process.process(group, name).await.is_ok() {
            return;
        }
    }
}

/// Queues groups that are open with no job of a live worker: all that are open when a worker starts.
///
/// A job too many does no harm: a group already settled has nothing left to do.
pub async fn requeue(process: &Process) -> Result<usize, StoreError> {
    let mut tx = process.store.begin().await?;
    // Read under the write lock: a door in another process may be committing a group and its job.
    let groups = tx.open_groups().await?;
    let orphans = tx.drop_orphaned_jobs().await?;
    for group in &groups {
        tx.enqueue(&ProcessGroup::new(*group)).await?;
    }
    tx.commit().await?;
    if !groups.is_empty() {
        tracing::info!(groups = groups.len(), orphans, "reports were waiting; their processing is queued");
    }
    process.events.jobs().notify_one();
    Ok(groups.len())
}

/// Forgets finished jobs once a minute.
async fn sweep(process: Process, stop: CancellationToken) {
    while !stop.is_cancelled() {
        wait(&stop, Duration::from_secs(60)).await;
        if let Err(error) = process.store.sweep_jobs().await {
            tracing::warn!(error = %chain(&error), "finished jobs could not be swept");
        }
    }
}

/// Sleeps, but no longer than until the stop.
pub(crate) async fn wait(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
