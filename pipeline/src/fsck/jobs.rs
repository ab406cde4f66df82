//! What waits has a job, and jobs have something that waits.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Found;
use crate::process::Process;
use crate::queue::ProcessGroup;
use crate::store::{Counting, GroupNumber, Oddity, Store, StoreError, WaitingJob};

/// A worker takes groups along without their jobs, and rests between attempts; so long it may seem idle.
const RESTS: TimeDelta = TimeDelta::minutes(1);

/// An attempt that has run longer than this has vanished.
const LONGEST: TimeDelta = TimeDelta::minutes(10);

/// Moments before which a sign of life is no sign any more.
fn bounds(process: &Process) -> (DateTime<Utc>, DateTime<Utc>) {
    let now = process.clock.now();
    (now - RESTS, now - LONGEST)
}

pub(super) async fn look(process: &Process, found: &mut Found) -> Result<(), StoreError> {
    let store = &process.store;
    // Jobs first: a group whose job goes meanwhile has been processed, or shows a sign of life.
    let carried = carried(store).await?;
    let jobs = store.waiting_jobs().await?;
    found.checked = u64::try_from(store.count_rows(Counting::Groups).await?).unwrap_or_default();
    found.checked += super::many(jobs.len() + carried.len());
    let (since, begun) = bounds(process);
    for Oddity { kind, number, detail } in without_jobs(store.stuck(since, begun).await?, &jobs, carried) {
        found.add(format!("{kind} {number}"), detail);
    }
    let lively = store.lively_groups(&groups(&jobs), since).await?;
    for job in idle(&jobs, lively) {
        let detail = match group(job) {
            Some(group) => format!("it is for group {}, where nothing waits", group.0),
            None => "its order cannot be read".to_owned(),
        };
        found.add(format!("job {}", job.id), detail);
    }
    Ok(())
}

/// Queues what waits without a job, settles groups where nothing waits, opens a group for reports that wait in a
/// settled one, and drops jobs that have nothing to do.
pub(super) async fn mend(process: &Process) -> Result<(), StoreError> {
    let (since, begun) = bounds(process);
    let now = process.clock.now();
    let carried = carried(&process.store).await?;
    let mut tx = process.store.begin().await?;
    let jobs = tx.waiting_jobs().await?;
    let stuck = without_jobs(tx.stuck(since, begun).await?, &jobs, carried);
    for Oddity { kind, number, .. } in stuck {
        let group = GroupNumber(number);
        match kind.as_str() {
            "group" => tx.enqueue(&ProcessGroup::new(group)).await?,
            "empty group" => tx.settle_group(group, now).await?,
            _ => {
                let open = tx.open_group(0, now).await?;
                let moved = tx.move_accepted(group, open).await?;
                tx.size_group(open, usize::try_from(moved).unwrap_or(usize::MAX)).await?;
                tx.enqueue(&ProcessGroup::new(open)).await?;
            }
        }
    }
    let lively = tx.lively_groups(&groups(&jobs), since).await?;
    let idle: Vec<String> = idle(&jobs, lively).map(|job| job.id.clone()).collect();
    tx.drop_jobs(&idle).await?;
    tx.commit().await?;
    process.events.jobs().notify_one();
    Ok(())
}

/// Groups that a queue outside the database brings up. Its jobs without work are left to its workers.
async fn carried(store: &Store) -> Result<HashSet<i64>, StoreError> {
    match store.outside() {
        None => Ok(HashSet::new()),
        Some(queue) => queue.carried().await.map_err(|error| StoreError::Queue(error.into())),
    }
}

/// Those of the groups for which no job waits.
fn without_jobs(
    stuck: Vec<Oddity>,
    jobs: &[WaitingJob],
    carried: HashSet<i64>,
) -> impl Iterator<Item = Oddity> + use<> {
    let waiting: HashSet<i64> = groups(jobs).into_iter().chain(carried).collect();
    stuck.into_iter().filter(move |one| one.kind == "settled group" || !waiting.contains(&one.number))
}

/// Jobs that have nothing to do.
fn idle(jobs: &[WaitingJob], lively: Vec<i64>) -> impl Iterator<Item = &WaitingJob> {
    let lively: HashSet<i64> = lively.into_iter().collect();
    jobs.iter().filter(move |job| group(job).is_none_or(|group| !lively.contains(&group.0)))
}

fn groups(jobs: &[WaitingJob]) -> Vec<i64> {
    jobs.iter().filter_map(|job| Some(group(job)?.0)).collect()
}

fn group(job: &WaitingJob) -> Option<GroupNumber> {
    serde_json::from_slice::<ProcessGroup>(&job.job).ok().map(|order| GroupNumber(order.group))
}
