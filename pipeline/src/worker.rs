//! Runs jobs from the queue, feeds the index, and sweeps up what a vanished worker left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::chain;
use crate::catch_up::CatchUp;
use crate::index::DocumentIndex;
use crate::process::{Attempted, Process, ProcessError};
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
    /// Starts the parts; they end when `stop` is cancelled, and `tracker` knows when they have. A database on another
    /// machine that goes away at this moment is waited for.
    pub async fn start(self, stop: CancellationToken, tracker: &TaskTracker) -> Result<(), StoreError> {
        while let Err(error) = self.appear().await {
            if !(self.process.store.shared() && error.transient()) {
                return Err(error);
            }
            tracing::warn!(error = %chain(&error), "the database is away at the start; trying again in a second");
            wait(&stop, Duration::from_secs(1)).await;
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        tracker.spawn(show_alive(self.process.clone(), self.name.clone(), stop.clone()));
        if let Some(index) = self.index {
            tracker.spawn(CatchUp::new(self.process.clone(), index).run(stop.clone()));
        }
        let claims = Claims::default();
        tracker.spawn(sweep(self.process.clone(), claims.clone(), stop.clone()));
        tracker.spawn(run_jobs(self.process, claims, self.gate, self.name, stop));
        Ok(())
    }
}

impl Worker {
    /// Takes up what is open, and shows itself to the others. Done twice, it is as done once.
    async fn appear(&self) -> Result<(), StoreError> {
        match self.process.store.shared() {
            true => join(&self.process).await?,
            false => requeue(&self.process).await.map(drop)?,
        }
        self.process.store.make_months(self.process.clock.now()).await?;
        self.process.store.note_worker(&self.name).await
    }
}

/// Takes jobs until told to stop. A queue that fails is begun again: the database may have been away.
async fn run_jobs(process: Process, claims: Claims, gate: Gate, name: String, stop: CancellationToken) {
    for begun in 0_u64.. {
        if stop.is_cancelled() {
            return;
        }
        // apalis takes no worker whose namesake was alive a moment ago, not even from the process that was it.
        let queue_name = if begun == 0 { name.clone() } else { format!("{name}.{begun}") };
        let job = {
            let (process, claims, name, stop) = (process.clone(), claims.clone(), name.clone(), stop.clone());
            move |group| {
                let (process, claims, name, stop) = (process.clone(), claims.clone(), name.clone(), stop.clone());
                async move { work(&process, &claims, group, &name, &stop).await }
            }
        };
        let wake = process.events.jobs();
        let backend = process.store.backend();
        let ended = queue::run(backend, &queue_name, &gate, wake, job, stop.clone().cancelled_owned()).await;
        give_back(&process, &queue_name).await;
        if let Err(error) = ended {
            tracing::error!(error = %chain(&error), "the queue failed; trying again in a second");
            wait(&stop, Duration::from_secs(1)).await;
            // What the queue had fetched and not begun is in nobody's hands now.
            requeue_and_log(&process, &claims, Duration::ZERO).await;
        }
    }
}

/// Longest time to give jobs back: a stop does not wait for a database that is away.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Lets the others have at once what a queue of this process had fetched and not begun. Who works alone takes up all
/// that is open when it starts.
async fn give_back(process: &Process, queue_name: &str) {
    let giving = async {
        match process.store.outside() {
            Some(queue) => queue.give_back(queue_name).await.map_err(|error| StoreError::Queue(error.into())),
            None if process.store.shared() => process.store.give_back_jobs(queue_name).await,
            None => Ok(0),
        }
    };
    match tokio::time::timeout(GIVE_BACK, giving).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(error = %chain(&error), "what was not begun waits until its lease ends"),
        Err(_) => tracing::warn!("what was not begun waits until its lease ends: giving it back took too long"),
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

    fn holds(&self, group: GroupNumber) -> bool {
        self.0.lock().expect("no holder of the claims panics").contains(&group)
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
        if unfinished(process.process(*group, name).await) {
            failing.push(*group);
        }
    }
    for group in failing.into_iter().take_while(|_| !stop.is_cancelled()) {
        attempt_until_done(process, group, name, stop).await;
    }
}

/// Tries a group that has failed until it is done, cut up, parked, or queued for later; the waits grow, and differ,
/// so that retries do not meet.
///
/// What speaks against its reports is found out at once, in a few attempts. What is wanting is waited for in the queue,
/// and here only while even that cannot be written. A stop ends the trying: the group stays open, and the next worker
/// that starts queues it again.
async fn attempt_until_done(process: &Process, group: GroupNumber, name: &str, stop: &CancellationToken) {
    for failures in 0_u32.. {
        let longest = Duration::from_millis(50) * 2_u32.saturating_pow(failures.min(9));
        let jitter = f64::from(group.0.unsigned_abs() as u32 % 100) / 200.0;
        wait(stop, longest.mul_f64(0.5 + jitter)).await;
        if stop.is_cancelled() || !unfinished(process.process(group, name).await) {
            return;
        }
    }
}

/// Whether a group has to be tried again by whoever has it in hand.
fn unfinished(attempted: Result<Attempted, ProcessError>) -> bool {
    attempted.is_err_and(|error| error.retry_at.is_none())
}

/// How often a worker shows that it is alive.
const SIGN: Duration = Duration::from_secs(5);

/// Shows the others that this worker is alive, until it ends.
async fn show_alive(process: Process, name: String, stop: CancellationToken) {
    while !stop.is_cancelled() {
        wait(&stop, SIGN).await;
        if let Err(error) = process.store.note_worker(&name).await {
            tracing::warn!(error = %chain(&error), "the others could not be told that this worker is alive");
        }
    }
    // Without it, what it leaves lies until it is taken for gone.
    if let Err(error) = process.store.forget_worker(&name).await {
        tracing::warn!(error = %chain(&error), "the others take this worker for alive for a while");
    }
}

/// Begins to work beside others: what vanished workers left is closed, and what nobody will bring up is queued.
async fn join(process: &Process) -> Result<(), StoreError> {
    let mut tx = process.store.begin().await?;
    tx.forget_workers(false).await?;
    tx.close_vanished_attempts(process.clock.now()).await?;
    tx.commit().await?;
    requeue_and_log(process, &Claims::default(), LEASE).await;
    Ok(())
}

/// Queues groups that are open with no job of a live worker: all that are open when a worker starts alone.
///
/// A job too many does no harm: a group already settled has nothing left to do.
pub async fn requeue(process: &Process) -> Result<usize, StoreError> {
    let mut tx = process.store.begin().await?;
    // Read under the write lock: a door in another process may be committing a group and its job.
    let groups = tx.open_groups().await?;
    let orphans = tx.drop_orphaned_jobs().await?;
    tx.forget_workers(true).await?;
    let vanished = tx.close_vanished_attempts(process.clock.now()).await?;
    for group in &groups {
        tx.enqueue(&ProcessGroup::new(*group)).await?;
    }
    tx.commit().await?;
    if !groups.is_empty() {
        tracing::info!(groups = groups.len(), orphans, vanished, "reports were waiting; their processing is queued");
    }
    process.events.jobs().notify_one();
    Ok(groups.len())
}

/// How often work is looked for that has fallen out of the queue.
const LOOK: Duration = Duration::from_secs(5);

/// Looks in each so many are also those at which finished jobs are forgotten.
const FORGET: u32 = 12;

/// Seconds after which a job that was fetched, and whose group is in nobody's hands, is taken for lost. Too short does
/// no harm: the group is queued twice.
const LEASE: Duration = Duration::from_secs(30);

/// Looks in each so many are also those at which the next months are prepared: every hour.
const PREPARE: u32 = 720;

/// Queues what has fallen out of the queue, forgets finished jobs, and prepares the next months.
async fn sweep(process: Process, claims: Claims, stop: CancellationToken) {
    for look in 1_u32.. {
        wait(&stop, LOOK).await;
        if stop.is_cancelled() {
            return;
        }
        requeue_and_log(&process, &claims, LEASE).await;
        if look % FORGET == 0
            && let Err(error) = forget_finished(&process).await
        {
            tracing::warn!(error = %chain(&error), "finished jobs could not be swept");
        }
        if look % PREPARE == 0
            && let Err(error) = process.store.make_months(process.clock.now()).await
        {
            tracing::warn!(error = %chain(&error), "the next months could not be prepared");
        }
    }
}

async fn forget_finished(process: &Process) -> Result<(), StoreError> {
    process.store.sweep_jobs().await?;
    match process.store.outside() {
        Some(queue) => queue.forget_done().await.map_err(|error| StoreError::Queue(error.into())),
        None => Ok(()),
    }
}

async fn requeue_and_log(process: &Process, claims: &Claims, lease: Duration) {
    if let Err(error) = requeue_stranded(process, |group| claims.holds(group), lease).await {
        tracing::warn!(error = %chain(&error), "groups without a job could not be looked for");
    }
}

/// Queues open groups that no job will bring up: none waits, none was fetched within the last `lease`, and nobody has
/// them in hand. A queue may lose jobs; the groups themselves say that there is work to do.
pub async fn requeue_stranded(
    process: &Process,
    in_hand: impl Fn(GroupNumber) -> bool,
    lease: Duration,
) -> Result<usize, StoreError> {
    // Without the write lock first, since there is mostly nothing to do.
    let mut stranded = stranded_groups(process, lease).await?;
    stranded.retain(|group| !in_hand(*group));
    if stranded.is_empty() {
        return Ok(0);
    }
    let mut tx = process.store.begin().await?;
    if process.store.outside().is_none() {
        stranded = tx.stranded_groups(lease).await?;
        stranded.retain(|group| !in_hand(*group));
    }
    for group in &stranded {
        tx.enqueue(&ProcessGroup::new(*group)).await?;
    }
    tx.commit().await?;
    if !stranded.is_empty() {
        tracing::warn!(groups = stranded.len(), "groups had fallen out of the queue; they are queued again");
        process.events.jobs().notify_one();
    }
    Ok(stranded.len())
}

/// Open groups that no job will bring up, as the queue tells, wherever it is.
async fn stranded_groups(process: &Process, lease: Duration) -> Result<Vec<GroupNumber>, StoreError> {
    let Some(queue) = process.store.outside() else { return process.store.stranded_groups(lease).await };
    // Groups first: what is pushed meanwhile is carried by the time the queue is asked. And once more: what has been
    // settled meanwhile needs no job.
    let mut open = process.store.open_groups(i64::MAX).await?;
    let carried = queue.carried().await.map_err(|error| StoreError::Queue(error.into()))?;
    open.retain(|group| !carried.contains(&group.0));
    if !open.is_empty() {
        let still: HashSet<GroupNumber> = process.store.open_groups(i64::MAX).await?.into_iter().collect();
        open.retain(|group| still.contains(group));
    }
    Ok(open)
}

/// Sleeps, but no longer than until the stop.
pub(crate) async fn wait(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
