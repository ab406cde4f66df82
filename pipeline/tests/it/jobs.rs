//! Jobs in the open: each failure is told by class and reason, nothing falls out of the queue, and what is parked can
//! be tried again.

use std::time::Duration;

use pipeline::accept::Acceptance;
use pipeline::jobs::{JobError, Jobs};
use pipeline::process::Attempted;
use pipeline::queue::{Gate, ProcessGroup};
use pipeline::store::GroupNumber;
use pipeline::worker::requeue_stranded;
use schemas::views::State;
use schemas::views::jobs::{FailureClass, JobDetailView, JobState, RetriedView};

use crate::queue::{PATIENCE, Running, eventually};
use crate::raw::Raw;
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report};

const SECOND: Duration = Duration::from_secs(1);

async fn accept(stack: &Stack, numbers: std::ops::Range<usize>) {
    let mut submissions = Vec::new();
    for number in numbers {
        let body = report("Foo-Bar", "1.0", "fail", "5.36.0", "linux");
        submissions.push(stack.submission(&id(number), &body, "Ann").await);
    }
    let answers = stack.acceptor.accept_all(submissions).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Acceptance::Accepted));
}

fn orders(stack: &Stack) -> Jobs {
    let process = &stack.process;
    Jobs { store: process.store.clone(), clock: process.clock.clone(), events: process.events.clone() }
}

async fn counted(stack: &Stack) -> i64 {
    stack.store().totals().await.unwrap().total()
}

async fn job(stack: &Stack, number: GroupNumber) -> JobDetailView {
    stack.readers.job(number).await.unwrap().expect("a job")
}

/// Numbers of the jobs in a state, oldest first.
async fn listed(stack: &Stack, state: JobState) -> Vec<i64> {
    let jobs = stack.readers.jobs(Some(state), None, 1_000).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == state));
    jobs.into_iter().rev().map(|job| job.number).collect()
}

#[tokio::test]
async fn what_fails_for_want_of_something_is_queued_for_later_and_speaks_against_nobody() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    stack.lose_jobs().await;
    raw.fill_the_disk("extracts").await;
    let now = stack.process.clock.now();
    for attempt in 1..=12_usize {
        let error = stack.process.process(group, "test").await.unwrap_err();
        assert_eq!((error.failure.class(), error.failure.reason()), (FailureClass::Transient, "disk_full"));
        let retry_at = error.retry_at.expect("a time");
        let longest = (1_000_i64 << (attempt - 1)).min(60_000);
        let wait = (retry_at - now).num_milliseconds();
        assert!((longest / 2..=longest).contains(&wait), "{wait} ms after attempt {attempt}");
        assert_eq!(stack.jobs().await, attempt as i64, "each failure leaves the job that tries it again");
        let view = job(&stack, group).await.job;
        assert_eq!((view.state, view.retry_at), (JobState::Waiting, Some(retry_at)));
        assert_eq!((view.tries, view.reason.as_deref()), (attempt as i64, Some("disk_full")));
    }
    let wait = stack.longest_wait().await;
    assert!(wait > 20, "the last waits {wait} s");

    raw.relent("extracts").await;
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);
    let receipt = stack.receipt(&id(0)).await;
    assert_eq!((receipt.state, receipt.attempts.len()), (State::Processed, 13));
    let view = job(&stack, group).await.job;
    assert_eq!((view.state, view.retry_at, view.reason), (JobState::Done, None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_by_itself_when_what_was_wanting_is_back() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let raw = stack.raw().await;
    raw.fill_the_disk("extracts").await;
    accept(&stack, 0..6).await;
    let worker = Running::start(&stack, "one", &Gate::new(2)).await;
    eventually("a second attempt", async || stack.receipt(&id(5)).await.attempts.len() >= 2).await;
    assert_eq!(counted(&stack).await, 0);
    raw.relent("extracts").await;
    eventually("6 reports counted", async || counted(&stack).await == 6).await;
    worker.stop(PATIENCE).await;
    for number in 0..6 {
        let attempts = stack.receipt(&id(number)).await.attempts;
        let (last, before) = attempts.split_last().unwrap();
        assert_eq!(last.outcome.as_deref(), Some("done"));
        assert!(before.iter().all(|attempt| attempt.reason.as_deref() == Some("disk_full")), "{before:?}");
    }
}

#[tokio::test]
async fn the_end_a_worker_could_not_note_does_not_speak_against_the_reports() {
    let stack = Stack::new().await;
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    for worker in ["test", "test", "test", "test", "test", "test", "test", "gone"] {
        let mut tx = stack.store().begin().await.unwrap();
        tx.begin_attempt(group, worker, stack.process.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);
    let attempts = stack.receipt(&id(0)).await.attempts;
    assert!(attempts[..7].iter().all(|attempt| attempt.reason.as_deref() == Some("not_noted")), "{attempts:?}");
    assert_eq!(attempts[7].reason.as_deref(), Some("worker_vanished"));
    assert!(attempts.iter().all(|attempt| attempt.ended_at.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_of_a_worker_that_is_gone_are_closed_when_the_next_one_starts() {
    let stack = Stack::new().await;
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    let mut tx = stack.store().begin().await.unwrap();
    tx.begin_attempt(group, "gone", stack.process.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stack.receipt(&id(0)).await.state, State::Processing);
    assert_eq!(listed(&stack, JobState::Running).await, [group.0]);
    // Held: nothing is tried, and still the old attempt is closed.
    let worker = Running::start(&stack, "one", &Gate::new(0)).await;
    let receipt = stack.receipt(&id(0)).await;
    assert_eq!((receipt.state, receipt.attempts.len()), (State::Accepted, 1));
    let attempt = &receipt.attempts[0];
    assert_eq!((attempt.class, attempt.reason.as_deref()), (Some(FailureClass::Transient), Some("worker_vanished")));
    assert_eq!(attempt.ended_at, Some(stack.process.clock.now()));
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_out_of_the_queue_while_a_worker_runs_is_done_all_the_same() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let gate = Gate::new(0);
    let worker = Running::start(&stack, "one", &gate).await;
    accept(&stack, 0..10).await;
    stack.lose_jobs().await;
    gate.resize(2);
    eventually("10 reports counted", async || counted(&stack).await == 10).await;
    worker.stop(PATIENCE).await;
    assert!(stack.open_groups().await.is_empty());
}

#[tokio::test]
async fn a_group_is_queued_again_only_when_no_job_will_bring_it_up() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 1).await;
    if stack.queue().is_some() {
        return println!("about jobs in the database; those in Redis have a test of their own, below");
    }
    let raw = stack.raw().await;
    accept(&stack, 0..4).await;
    let groups = stack.open_groups().await;
    let stranded = async |lease| requeue_stranded(&stack.process, |group| group == groups[3], lease).await.unwrap();
    assert_eq!(stranded(SECOND * 30).await, 0, "each has a job that waits");

    // Fetched just now by a worker that may come to it; long ago by one that will not.
    stack.store().note_worker("lost").await.unwrap();
    stack.let_fetch("lost").await;
    let lock_at = async |sign: char, seconds: i64| {
        let moment = raw.either(format!("{seconds}"), format!("INTERVAL '{seconds} seconds'"));
        raw.run(format!("UPDATE Jobs SET lock_at = lock_at {sign} {moment}")).await;
    };
    let drop_waiting = async || raw.run("DELETE FROM Jobs WHERE status = 'Pending'").await;
    assert_eq!(stranded(SECOND * 30).await, 0);
    assert_eq!(stranded(Duration::ZERO).await, 3, "the fourth is in somebody's hands");
    assert_eq!(stranded(Duration::ZERO).await, 0, "now they wait");
    drop_waiting().await;
    lock_at('-', 31).await;
    assert_eq!(stranded(SECOND * 30).await, 3);

    // A worker that is gone will not come to it, however soon it went.
    if stack.store().shared() {
        raw.run("DELETE FROM Jobs WHERE status = 'Pending'; UPDATE Jobs SET lock_at = now()").await;
        assert_eq!(stranded(SECOND * 30).await, 0);
        stack.store().forget_worker("lost").await.unwrap();
        assert_eq!(stranded(SECOND * 30).await, 3);
        lock_at('-', 31).await;
    }

    // What was fetched is not forgotten while its group is open, nor so soon after.
    drop_waiting().await;
    lock_at('-', 600).await;
    assert_eq!(stack.store().sweep_jobs().await.unwrap(), 0);
    stack.process.process(groups[1], "test").await.unwrap();
    assert_eq!(stack.store().sweep_jobs().await.unwrap(), 1);
    lock_at('+', 600).await;
    stack.process.process(groups[2], "test").await.unwrap();
    assert_eq!(stack.store().sweep_jobs().await.unwrap(), 0);

    // One that is done needs none.
    stack.lose_jobs().await;
    stack.process.process(groups[0], "test").await.unwrap();
    assert_eq!(stranded(SECOND * 30).await, 0, "three are done, the fourth is in somebody's hands");
    accept(&stack, 4..6).await;
    stack.lose_jobs().await;
    assert_eq!(stranded(SECOND * 30).await, 2);
    assert_eq!(stack.jobs().await, 2);
}

#[tokio::test]
async fn a_job_in_redis_carries_its_group_while_it_waits_or_its_worker_lives() {
    let Some(stack) = Stack::shared().await else { return };
    let Some(queue) = stack.queue() else {
        return println!("about jobs in Redis; those in the database have a test of their own, above");
    };
    accept(&stack, 0..4).await;
    let groups = stack.open_groups().await;
    let last = *groups.last().unwrap();
    let stranded = async || requeue_stranded(&stack.process, |group| group == last, SECOND * 30).await.unwrap();
    assert_eq!(stranded().await, 0, "each has a job that waits");
    stack.let_fetch("lost").await;
    assert_eq!(stranded().await, 0, "the worker may come to them");
    queue.age_workers();
    assert_eq!(stranded().await, groups.len() - 1, "the last is in somebody's hands");
    assert_eq!(stranded().await, 0, "now they wait");
    stack.lose_jobs().await;
    stack.process.process(groups[0], "test").await.unwrap();
    assert_eq!(stranded().await, groups.len() - 2, "one that is done needs none");
    let mut tx = stack.store().begin().await.unwrap();
    stack.lose_jobs().await;
    for group in &groups[1..] {
        tx.enqueue_after(&ProcessGroup::new(*group), SECOND * 60).await.unwrap();
    }
    assert_eq!(stack.jobs().await, 0, "nothing is pushed before the commit");
    tx.commit().await.unwrap();
    assert_eq!(stack.jobs().await, groups.len() as i64 - 1);
    assert_eq!(stranded().await, 0, "what is for later is carried, too");
}

/// Groups are committed, worked on, and looked for, while jobs get lost at any moment: each report is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_for_lost_work_and_losing_it_at_the_same_time_loses_and_doubles_nothing() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 3).await;
    let raw = stack.raw().await;
    let worker = Running::start(&stack, "one", &Gate::new(4)).await;
    for round in 0..40 {
        accept(&stack, 10 * round..10 * round + 10).await;
        if round % 2 == 0 {
            stack.lose_jobs().await;
        }
        // Nothing is known to be in hand, and every job fetched is taken for lost: far too many are queued.
        requeue_stranded(&stack.process, |_| false, Duration::ZERO).await.unwrap();
    }
    eventually("400 reports counted", async || counted(&stack).await == 400).await;
    worker.stop(PATIENCE).await;
    assert!(stack.open_groups().await.is_empty());
    let documents = documents(&raw).await;
    assert_eq!(documents.len(), 400);
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
    assert_eq!(stack.process.measures.processed.get(), 400, "no report was settled twice");
}

/// Damage done to one of 64 reports, and words its reason has.
async fn poison_stands_alone(damage: impl FnOnce(&Raw) -> String, words: &str) -> Stack {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 64).await;
    let raw = stack.raw().await;
    accept(&stack, 0..64).await;
    raw.run(damage(&raw)).await;
    let worker = Running::start(&stack, "one", &Gate::new(2)).await;
    eventually("63 reports counted", async || counted(&stack).await == 63).await;
    eventually("the other parked", async || stack.receipt(&id(16)).await.state == State::Parked).await;
    worker.stop(PATIENCE).await;
    assert!(stack.open_groups().await.is_empty());
    for number in (0..64).filter(|number| *number != 16) {
        assert_eq!(stack.receipt(&id(number)).await.state, State::Processed, "of report {number}");
    }
    let receipt = stack.receipt(&id(16)).await;
    assert!(receipt.reason.as_deref().is_some_and(|reason| reason.contains(words)), "{receipt:?}");
    assert!(receipt.attempts.iter().all(|attempt| attempt.ended_at.is_some()));
    stack
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_damaged_among_63_good_reports_are_parked() {
    let bytes = [0x28, 0xb5, 0x2f, 0xfd, 0x00];
    let damage = |raw: &Raw| format!("UPDATE bodies SET body = {} WHERE number = 17", raw.bytes(&bytes));
    let stack = poison_stands_alone(damage, "its stored bytes are damaged").await;
    assert_eq!(stack.receipt(&id(16)).await.attempts.len(), 1, "that is known at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_damaged_among_63_good_ones_is_parked_and_processed_once_it_is_mended() {
    let damage = |raw: &Raw| {
        // In PostgreSQL's columns of numbers, nothing but a number can stand, or nothing.
        let odd = raw.either("'what is this'", "NULL");
        let free = raw.either("", "ALTER TABLE bodies ALTER COLUMN dictionary DROP NOT NULL;");
        format!("{free} UPDATE bodies SET dictionary = {odd} WHERE number = 17")
    };
    let stack = poison_stands_alone(damage, "processing failed 6 times").await;
    let receipt = stack.receipt(&id(16)).await;
    let classes: Vec<_> = receipt.attempts.iter().filter_map(|attempt| attempt.class).collect();
    assert_eq!(classes.len(), receipt.attempts.len());
    let (permanent, poison) = (FailureClass::Permanent, FailureClass::Poison);
    let of = |class| classes.iter().filter(|one| **one == class).count();
    // Cut up after three attempts, parked after six, the deciding attempt added to each.
    assert_eq!((of(permanent), of(poison)), (9, 2), "{classes:?}");
    let permanent = receipt.attempts.iter().filter(|attempt| attempt.class == Some(permanent));
    assert!(permanent.clone().all(|attempt| attempt.reason.as_deref() == Some("row_damaged")));
    let [parked] = listed(&stack, JobState::Parked).await[..] else { panic!("one job is parked") };

    let again = orders(&stack).retry(GroupNumber(parked)).await.unwrap();
    assert_eq!(job(&stack, again).await.job.parent, Some(parked));
    assert_eq!(job(&stack, GroupNumber(parked)).await.children, [again.0]);
    assert_eq!(job(&stack, GroupNumber(parked)).await.job.state, JobState::Done);
    assert_eq!(stack.receipt(&id(16)).await.state, State::Accepted);
    for _ in 0..6 {
        let error = stack.process.process(again, "test").await.unwrap_err();
        assert_eq!(error.failure.reason(), "row_damaged", "it has as many attempts as any");
    }
    assert_eq!(stack.process.process(again, "test").await.unwrap(), Attempted::Parked);

    stack.raw().await.run("UPDATE bodies SET dictionary = 1 WHERE number = 17").await;
    assert_eq!(orders(&stack).retry_all().await.unwrap(), RetriedView { reports: 1, jobs: 1 });
    stack.work_off().await;
    let mended = stack.receipt(&id(16)).await;
    assert_eq!((mended.state, mended.reason), (State::Processed, None));
    assert_eq!(mended.attempts[..receipt.attempts.len()], receipt.attempts, "what was tried before is still told");
    assert_eq!(mended.attempts.len(), receipt.attempts.len() + 7 + 1);
    let mut jobs: Vec<i64> = mended.attempts.iter().map(|attempt| attempt.job).collect();
    jobs.dedup();
    assert_eq!(jobs.len(), 4, "{jobs:?}");
    assert!(jobs.is_sorted());
    assert_eq!(counted(&stack).await, 64);
}

#[tokio::test]
async fn a_job_stands_where_the_list_says() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 1).await;
    let raw = stack.raw().await;
    raw.refuse("extracts", "new.number = 3").await;
    for number in 0..5 {
        accept(&stack, number..number + 1).await;
    }
    let groups = stack.open_groups().await;
    for group in &groups[..2] {
        stack.process.process(*group, "test").await.unwrap();
    }
    while stack.process.process(groups[2], "test").await.is_err() {}
    let mut tx = stack.store().begin().await.unwrap();
    tx.begin_attempt(groups[3], "test", stack.process.clock.now()).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(listed(&stack, JobState::Done).await, [groups[0].0, groups[1].0]);
    assert_eq!(listed(&stack, JobState::Parked).await, [groups[2].0]);
    assert_eq!(listed(&stack, JobState::Running).await, [groups[3].0]);
    assert_eq!(listed(&stack, JobState::Waiting).await, [groups[4].0]);
    let numbers = async |before, limit| {
        let jobs = stack.readers.jobs(None, before, limit).await.unwrap();
        jobs.into_iter().map(|job| job.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 2).await, [groups[4].0, groups[3].0]);
    assert_eq!(numbers(Some(groups[3].0), 9).await, [groups[2].0, groups[1].0, groups[0].0]);

    let parked = job(&stack, groups[2]).await;
    assert_eq!((parked.job.size, parked.job.parked, parked.job.tries), (1, 1, 7));
    assert_eq!((parked.attempts.len(), parked.reports.len()), (7, 1));
    assert_eq!((parked.reports[0].id.as_str(), parked.reports[0].state), (id(2).as_str(), State::Parked));
    assert_eq!(stack.receipt(&id(2)).await.job, Some(groups[2].0));
    assert!(stack.readers.job(GroupNumber(999)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_order_is_carried_out_where_it_fits_and_refused_elsewhere() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let orders = orders(&stack);
    accept(&stack, 0..2).await;
    let groups = stack.open_groups().await;
    for group in &groups {
        assert_eq!(orders.park(*group, "it does harm").await.unwrap() as i64, job(&stack, *group).await.job.size);
    }
    for number in 0..2 {
        let receipt = stack.receipt(&id(number)).await;
        assert_eq!(receipt.state, State::Parked);
        assert_eq!(receipt.reason.as_deref(), Some("parked by an operator: it does harm"));
    }
    // The job is still queued, and finds nothing to do.
    assert!(!stack.store().group_open(groups[0]).await.unwrap());
    stack.work_off().await;
    assert_eq!(counted(&stack).await, 0);

    let unfit = |error: JobError| matches!(error, JobError::Unfit(_));
    assert!(unfit(orders.park(groups[0], "again").await.unwrap_err()));
    let again = orders.retry_report(id(0).parse().unwrap()).await.unwrap();
    assert_eq!(stack.receipt(&id(0)).await.state, State::Accepted);
    assert_eq!(orders.retry(again).await.unwrap(), again, "one that waits may be hurried");
    stack.work_off().await;
    assert_eq!(stack.receipt(&id(0)).await.state, State::Processed);
    assert_eq!(counted(&stack).await, 1);
    assert!(unfit(orders.retry(again).await.unwrap_err()));
    assert!(unfit(orders.retry_report(id(0).parse().unwrap()).await.unwrap_err()));
    assert!(matches!(orders.retry(GroupNumber(999)).await, Err(JobError::NoJob(999))));
    assert!(matches!(orders.park(GroupNumber(999), "x").await, Err(JobError::NoJob(999))));
    assert!(matches!(orders.retry_report(id(999).parse().unwrap()).await, Err(JobError::NoReport(_))));
    assert_eq!(orders.retry_all().await.unwrap(), RetriedView { reports: 1, jobs: 1 });
    assert_eq!(orders.retry_all().await.unwrap(), RetriedView::default());
    stack.work_off().await;
    assert_eq!(counted(&stack).await, 2);
}

/// An operator parks a job while a worker has read it and not counted it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_parked_while_it_runs_is_not_counted() {
    let stack = Stack::new().await;
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    let mut tx = stack.store().begin().await.unwrap();
    tx.begin_attempt(group, "test", stack.process.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(orders(&stack).park(group, "stop it").await.unwrap(), 1);
    let receipt = stack.receipt(&id(0)).await;
    assert_eq!((receipt.state, receipt.attempts[0].reason.as_deref()), (State::Parked, Some("parked")));
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);
    assert_eq!(stack.receipt(&id(0)).await.state, State::Parked);
    assert_eq!(counted(&stack).await, 0);
}
