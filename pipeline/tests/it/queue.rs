//! Jobs get done: by workers that come and go, as many at a time as the gate lets through.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pipeline::accept::Acceptance;
use pipeline::process::Process;
use pipeline::queue::{self, Gate, ProcessGroup};
use pipeline::store::{GroupNumber, Store};
use pipeline::worker::Worker;
use schemas::views::State;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::recount::{AllCounts, documents};
use crate::stack::{Place, Stack, id, report};

/// Longest time anything here may take, on a machine with other work to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time in which a job that may run would have run.
const A_WHILE: Duration = Duration::from_millis(1_500);

pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < end, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A worker that runs.
pub struct Running {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Running {
    pub async fn start(stack: &Stack, name: &str, gate: &Gate) -> Running {
        Running::with(stack.process.clone(), name, gate).await
    }

    /// One that works with what a process of its own has.
    pub async fn with(process: Process, name: &str, gate: &Gate) -> Running {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let worker = Worker { process, index: None, gate: gate.clone(), name: name.to_owned() };
        worker.start(stop.clone(), &tracker).await.unwrap();
        tracker.close();
        Running { stop, tracker }
    }

    pub async fn stop(self, bound: Duration) {
        self.stop.cancel();
        tokio::time::timeout(bound, self.tracker.wait()).await.expect("the worker ends in time");
    }
}

fn body(number: usize) -> String {
    report("Foo-Bar", &format!("1.{}", number % 3), "fail", "5.36.0", "linux")
}

async fn accept(stack: &Stack, numbers: std::ops::Range<usize>) {
    let mut submissions = Vec::new();
    for number in numbers {
        submissions.push(stack.submission(&id(number), &body(number), "Ann").await);
    }
    let answers = stack.acceptor.accept_all(submissions).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Acceptance::Accepted));
}

async fn counted(stack: &Stack) -> i64 {
    stack.store().totals().await.unwrap().total()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_is_processed_by_itself() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 4).await;
    accept(&stack, 0..10).await;
    let worker = Running::start(&stack, "one", &Gate::new(2)).await;
    accept(&stack, 10..30).await;
    eventually("30 reports counted", async || counted(&stack).await == 30).await;
    // Also when there was nothing to do for a while, and soon.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let begun = std::time::Instant::now();
    accept(&stack, 30..31).await;
    eventually("the last report counted", async || counted(&stack).await == 31).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let receipt = stack.receipt(&id(30)).await;
    assert_eq!((receipt.state, receipt.attempts[0].worker.as_str()), (State::Processed, "one"));
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_of_none_holds_and_a_wider_one_resumes() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 4).await;
    let gate = Gate::new(0);
    let worker = Running::start(&stack, "one", &gate).await;
    accept(&stack, 0..10).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(counted(&stack).await, 0);
    assert_eq!(stack.receipt(&id(0)).await.state, State::Accepted);
    gate.resize(2);
    assert_eq!(gate.workers(), 2);
    eventually("10 reports counted", async || counted(&stack).await == 10).await;

    gate.resize(0);
    accept(&stack, 10..20).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(counted(&stack).await, 10, "a gate that was closed while nothing ran holds everything");
    gate.resize(1);
    eventually("20 reports counted", async || counted(&stack).await == 20).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_held_can_be_stopped_and_its_jobs_are_done_at_the_next_start() {
    for before in [0, 2] {
        let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 1).await;
        let gate = Gate::new(before);
        let worker = Running::start(&stack, "one", &gate).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        gate.resize(0);
        accept(&stack, 0..5).await;
        tokio::time::sleep(A_WHILE).await;
        worker.stop(Duration::from_secs(10)).await;
        assert_eq!(counted(&stack).await, 0);
        let worker = Running::start(&stack, "two", &Gate::new(1)).await;
        eventually("5 reports counted", async || counted(&stack).await == 5).await;
        worker.stop(PATIENCE).await;
    }
}

/// Queues jobs with nothing to do, and gives their groups.
async fn queue_jobs(store: &Store, count: usize) -> Vec<GroupNumber> {
    let mut groups = Vec::new();
    let mut tx = store.begin().await.unwrap();
    for _ in 0..count {
        let group = tx.open_group(0, "2026-11-21T08:00:00Z".parse().unwrap()).await.unwrap();
        tx.enqueue(&ProcessGroup::new(group)).await.unwrap();
        groups.push(group);
    }
    tx.commit().await.unwrap();
    groups
}

/// Counts how many jobs run, and how many did at the most.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
    done: std::sync::Mutex<Vec<i64>>,
}

impl Load {
    async fn work(self: Arc<Self>, group: GroupNumber, time: Duration) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(time).await;
        self.done.lock().unwrap().push(group.0);
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn done(&self) -> usize {
        self.done.lock().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_run_at_a_time_than_the_gate_lets_through() {
    let stack = Stack::new().await;
    let groups = queue_jobs(stack.store(), 60).await;
    let (load, gate, stop) = (Arc::new(Load::default()), Gate::new(3), CancellationToken::new());
    let running = tokio::spawn({
        let (store, gate, load, stop) = (stack.store().clone(), gate.clone(), Arc::clone(&load), stop.clone());
        async move {
            let work = move |group| Arc::clone(&load).work(group, Duration::from_millis(30));
            queue::run(store.backend(), "counting", &gate, Arc::new(Notify::new()), work, stop.cancelled_owned()).await
        }
    });
    eventually("20 jobs done", async || load.done() >= 20).await;
    assert_eq!(load.most.load(Ordering::SeqCst), 3);

    gate.resize(1);
    eventually("one job running", async || load.now.load(Ordering::SeqCst) <= 1).await;
    load.most.store(0, Ordering::SeqCst);
    let before = load.done();
    eventually("5 more jobs done", async || load.done() >= before + 5).await;
    assert_eq!(load.most.load(Ordering::SeqCst), 1);

    gate.resize(6);
    eventually("all jobs done", async || load.done() == 60).await;
    let most = load.most.load(Ordering::SeqCst);
    assert!((2..=6).contains(&most), "{most} at a time");
    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    let mut done = load.done.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, groups.iter().map(|group| group.0).collect::<Vec<_>>(), "each job ran once");
}

#[test]
fn jobs_a_vanished_worker_had_taken_are_queued_again_at_the_next_start() {
    let place = vanish(tempfile::tempdir().unwrap().into());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let stack = Stack::open(place).await;
        assert_eq!(counted(&stack).await, 0);
        assert!(stack.fetched_jobs().await > 0, "the worker left nothing behind");
        if stack.store().shared() {
            // Where it may still be there, it is waited for.
            stack.pass_lease().await;
        }
        let worker = Running::start(&stack, "two", &Gate::new(2)).await;
        eventually("20 reports counted", async || counted(&stack).await == 20).await;
        assert_eq!(stack.receipt(&id(7)).await.attempts.last().unwrap().worker, "two");
        worker.stop(PATIENCE).await;
    });
}

/// Accepts 20 reports in a runtime that goes down, as with its process, while a worker has their jobs.
fn vanish(place: Place) -> Place {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = runtime.block_on(async {
        let stack = Stack::with_groups(place, 2).await;
        accept(&stack, 0..20).await;
        let taken = Arc::new(AtomicUsize::new(0));
        let (store, seen) = (stack.store().clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            let work = move |_| {
                seen.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            };
            queue::run(store.backend(), "one", &Gate::new(2), Arc::new(Notify::new()), work, std::future::pending())
                .await
        });
        eventually("two jobs taken", async || taken.load(Ordering::SeqCst) == 2).await;
        stack.into_place()
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_jobs_are_swept_and_waiting_ones_are_not() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    accept(&stack, 0..8).await;
    let gate = Gate::new(2);
    let worker = Running::start(&stack, "one", &gate).await;
    eventually("8 reports counted", async || counted(&stack).await == 8).await;
    eventually("the jobs are marked as done", async || stack.done_jobs().await > 0 && stack.fetched_jobs().await == 0)
        .await;
    gate.resize(0);
    accept(&stack, 8..12).await;
    let waiting = async || stack.jobs().await - stack.done_jobs().await;
    let before = waiting().await;
    assert!(before > 0);
    match stack.store().outside() {
        None => assert!(stack.store().sweep_jobs().await.unwrap() > 0),
        Some(queue) => queue.forget_done().await.unwrap(),
    }
    assert_eq!((stack.done_jobs().await, waiting().await), (0, before));
    gate.resize(2);
    eventually("12 reports counted", async || counted(&stack).await == 12).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_in_time_and_leaves_nothing_half_done() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 64).await;
    let raw = stack.raw().await;
    let gate = Gate::new(1);
    // More than are processed in one transaction.
    accept(&stack, 0..3_000).await;
    let worker = Running::start(&stack, "one", &gate).await;
    eventually("some reports counted", async || counted(&stack).await > 0).await;
    worker.stop(Duration::from_secs(10)).await;

    let done = counted(&stack).await;
    assert!(done < 3_000, "nothing was left to be interrupted");
    let documents = documents(&raw).await;
    assert_eq!(documents.len() as i64, done);
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
    let endless: i64 = raw.value("SELECT count(*) FROM attempts WHERE ended_at IS NULL").await;
    assert_eq!(endless, 0, "every attempt came to its end");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(counted(&stack).await, done, "nothing goes on after the end");

    let worker = Running::start(&stack, "two", &gate).await;
    eventually("all reports counted", async || counted(&stack).await == 3_000).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_any_moment_ends_in_time() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 1).await;
    for cycle in 0..40 {
        accept(&stack, 10 * cycle..10 * cycle + 10).await;
        let worker = Running::start(&stack, &format!("worker {cycle}"), &Gate::new(1 + cycle % 4)).await;
        // Somewhere between the first fetch and the last job.
        tokio::time::sleep(Duration::from_millis(cycle as u64 * 3 % 40)).await;
        worker.stop(Duration::from_secs(5)).await;
    }
    let worker = Running::start(&stack, "last", &Gate::new(2)).await;
    eventually("all reports counted", async || counted(&stack).await == 400).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_database_that_refuses() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    accept(&stack, 0..1).await;
    raw.refuse("attempts", "TRUE").await;
    let worker = Running::start(&stack, "one", &Gate::new(1)).await;
    // Long enough that it waits for its next attempt.
    tokio::time::sleep(A_WHILE).await;
    worker.stop(Duration::from_secs(5)).await;

    raw.relent("attempts").await;
    let worker = Running::start(&stack, "two", &Gate::new(1)).await;
    eventually("the report counted", async || counted(&stack).await == 1).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_always_fails_is_parked_and_those_processed_with_it_go_through() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let raw = stack.raw().await;
    accept(&stack, 0..12).await;
    raw.refuse("extracts", "new.number = 3").await;
    let worker = Running::start(&stack, "one", &Gate::new(2)).await;
    eventually("11 reports counted", async || counted(&stack).await == 11).await;
    eventually("the other parked", async || stack.receipt(&id(2)).await.state == State::Parked).await;
    worker.stop(PATIENCE).await;
    for number in (0..12).filter(|number| *number != 2) {
        assert_eq!(stack.receipt(&id(number)).await.state, State::Processed, "of report {number}");
    }
    assert!(stack.open_groups().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_fails_is_begun_again() {
    let stack = Stack::new().await;
    let worker = Running::start(&stack, "one", &Gate::new(2)).await;
    accept(&stack, 0..1).await;
    eventually("the first report counted", async || counted(&stack).await == 1).await;
    stack.break_queue().await;
    tokio::time::sleep(A_WHILE).await;
    stack.mend_queue().await;
    accept(&stack, 1..5).await;
    eventually("5 reports counted", async || counted(&stack).await == 5).await;
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_database_wait_for_each_other() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let other = stack.other_store().await;
    other.migrate().await.unwrap();

    // The other process writes for a while; a report accepted meanwhile is late, and not refused.
    let tx = other.begin().await.unwrap();
    let begun = std::time::Instant::now();
    let release = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(tx);
    });
    accept(&stack, 0..1).await;
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    release.await.unwrap();

    // Both at the same time, accepting here and processing there, too.
    let process = Process { store: other.clone(), ..stack.process.clone() };
    let processing = tokio::spawn(async move {
        for _ in 0..200 {
            for group in process.store.open_groups(10).await.unwrap() {
                process.process(group, "other").await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    for number in 1..60 {
        accept(&stack, number..number + 1).await;
        for group in stack.open_groups().await.into_iter().take(1) {
            stack.process.process(group, "one").await.unwrap();
        }
    }
    processing.await.unwrap();
    stack.work_off().await;
    assert_eq!(counted(&stack).await, 60);
    let raw = stack.raw().await;
    let documents = documents(&raw).await;
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
}
