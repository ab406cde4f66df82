//! Jobs in a real Redis get done, by workers that come and go, while Redis comes and goes itself.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pipeline::queue::{self, Backend, Gate, OutsideQueue, ProcessGroup};
use pipeline::store::GroupNumber;
use redis::AsyncCommands;
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::outside::RedisServer;
use crate::queue::{PATIENCE, eventually};

const NOW: Duration = Duration::ZERO;

fn jobs(groups: Range<i64>, pause: Duration) -> Vec<(ProcessGroup, Duration)> {
    groups.map(|group| (ProcessGroup::new(GroupNumber(group)), pause)).collect()
}

/// How often each group's job ran.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<HashMap<i64, usize>>>);

impl Done {
    fn note(&self, group: GroupNumber) {
        *self.0.lock().unwrap().entry(group.0).or_default() += 1;
    }

    fn groups(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn runs(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

/// A worker that takes jobs from Redis, and begins again when that fails, as a worker's process does.
struct Taking {
    stop: CancellationToken,
    /// How often it has begun.
    begun: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Taking {
    fn start<F>(
        queue: &OutsideQueue,
        name: &str,
        gate: &Gate,
        work: impl Fn(GroupNumber) -> F + Clone + Send + Sync + 'static,
    ) -> Taking
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, begun) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let (queue, name, gate) = (queue.clone(), name.to_owned(), gate.clone());
        let (stopping, count) = (stop.clone(), Arc::clone(&begun));
        let running = tokio::spawn(async move {
            while !stopping.is_cancelled() {
                let name = format!("{name}.{}", count.fetch_add(1, Ordering::SeqCst));
                let wake = Arc::new(Notify::new());
                let backend = Backend::Redis(Box::new(queue.clone()));
                let stop = stopping.clone().cancelled_owned();
                if queue::run(backend, &name, &gate, wake, work.clone(), stop).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        });
        Taking { stop, begun, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("the worker ends in time").unwrap();
    }
}

fn noting(done: &Done) -> impl Fn(GroupNumber) -> std::future::Ready<()> + Clone + Send + Sync + 'static {
    let done = done.clone();
    move |group| {
        done.note(group);
        std::future::ready(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_jobs_and_each_job_runs_once() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let done = Done::default();
    // The first job of each worker waits for that of the other, so that neither can do all.
    let both = Arc::new(Barrier::new(2));
    let taking = ["one", "two"].map(|name| {
        let (done, both, first) = (done.clone(), Arc::clone(&both), Arc::new(AtomicUsize::new(0)));
        Taking::start(&queue, name, &Gate::new(1), move |group| {
            let (done, both, first) = (done.clone(), Arc::clone(&both), Arc::clone(&first));
            async move {
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    both.wait().await;
                }
                done.note(group);
            }
        })
    });
    queue.push(&jobs(0..1_200, NOW)).await.unwrap();
    eventually("1,200 jobs done", async || done.groups() == 1_200).await;
    eventually("none carried", async || queue.carried().await.unwrap().is_empty()).await;
    for worker in taking {
        assert_eq!(worker.begun.load(Ordering::SeqCst), 1, "the queue had failed");
        worker.stop().await;
    }
    assert_eq!((done.groups(), done.runs()), (1_200, 1_200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_for_later_waits_for_its_time() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let pause = Duration::from_millis(1_500);
    let pushed_at = Instant::now();
    queue.push(&[jobs(1..2, NOW), jobs(2..3, pause)].concat()).await.unwrap();
    assert_eq!(queue.carried().await.unwrap(), [1, 2].into());
    assert_eq!(queue.depth().await.unwrap(), 2);
    let times: Arc<Mutex<Vec<(i64, Duration)>>> = Arc::default();
    let noting = Arc::clone(&times);
    let worker = Taking::start(&queue, "one", &Gate::new(1), move |group| {
        noting.lock().unwrap().push((group.0, pushed_at.elapsed()));
        std::future::ready(())
    });
    eventually("both jobs done", async || times.lock().unwrap().len() == 2).await;
    let times = times.lock().unwrap().clone();
    assert_eq!(times.iter().map(|(group, _)| *group).collect::<Vec<_>>(), [1, 2]);
    assert!(times[1].1 >= pause, "begun after {:?}", times[1].1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_of_none_holds_and_a_worker_that_is_held_can_be_stopped() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let (done, gate) = (Done::default(), Gate::new(0));
    let worker = Taking::start(&queue, "one", &gate, noting(&done));
    queue.push(&jobs(0..50, NOW)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((done.runs(), queue.carried().await.unwrap().len()), (0, 50));
    gate.resize(2);
    eventually("50 jobs done", async || done.groups() == 50).await;
    gate.resize(0);
    queue.push(&jobs(50..60, NOW)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(done.groups(), 50);
    worker.stop().await;
    // The jobs it had let through before the gate was closed have ended without having begun; the others are back.
    let carried = queue.carried().await.unwrap();
    let ended: Vec<i64> = (50..60).filter(|group| !carried.contains(group)).collect();
    assert!(ended.len() <= 2, "{ended:?}");
    for group in ended {
        queue.push(&jobs(group..group + 1, NOW)).await.unwrap();
    }
    let worker = Taking::start(&queue, "two", &Gate::new(1), noting(&done));
    eventually("60 jobs done", async || done.groups() == 60).await;
    worker.stop().await;
}

/// As `eventually`, for what takes a worker's absence.
async fn patiently<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(90);
    while !condition().await {
        assert!(Instant::now() < end, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_emptied_says_so_and_what_is_pushed_again_runs() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let (done, gate) = (Done::default(), Gate::new(0));
    let worker = Taking::start(&queue, "one", &gate, noting(&done));
    queue.push(&[jobs(0..40, NOW), jobs(40..50, Duration::from_secs(600))].concat()).await.unwrap();
    assert_eq!(queue.carried().await.unwrap(), (0..50).collect());
    server.flush().await;
    assert_eq!(queue.carried().await.unwrap(), [].into());
    assert_eq!(queue.depth().await.unwrap(), 0);
    gate.resize(2);
    queue.push(&jobs(0..50, NOW)).await.unwrap();
    // The worker is forgotten with the jobs, and has to begin anew.
    eventually("50 jobs done", async || done.groups() == 50).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_killed_is_used_again_when_it_is_back() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let done = Done::default();
    let worker = Taking::start(&queue, "one", &Gate::new(2), noting(&done));
    queue.push(&jobs(0..20, NOW)).await.unwrap();
    eventually("20 jobs done", async || done.groups() == 20).await;

    server.kill();
    assert!(queue.push(&jobs(20..21, NOW)).await.is_err());
    let asked = Instant::now();
    for _ in 0..1_000 {
        assert!(queue.push(&jobs(20..21, NOW)).await.is_err());
    }
    assert!(asked.elapsed() < Duration::from_secs(3), "an absent Redis is waited for: {:?}", asked.elapsed());
    assert!(!queue.alive().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let begun = worker.begun.load(Ordering::SeqCst);
    assert!((2..12).contains(&begun), "begun {begun} times");

    server.revive().await;
    eventually("the queue answering", async || queue.alive().await).await;
    let back = Instant::now();
    queue.push(&jobs(20..40, NOW)).await.unwrap();
    eventually("40 jobs done", async || done.groups() == 40).await;
    assert!(back.elapsed() < Duration::from_secs(15), "took up work after {:?}", back.elapsed());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_says_nothing_holds_nobody_up() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    let done = Done::default();
    let worker = Taking::start(&queue, "one", &Gate::new(2), noting(&done));
    queue.push(&jobs(0..20, NOW)).await.unwrap();
    eventually("20 jobs done", async || done.groups() == 20).await;
    server.pause();
    let asked = Instant::now();
    for _ in 0..100 {
        assert!(queue.push(&jobs(20..21, NOW)).await.is_err());
    }
    assert!(asked.elapsed() < PATIENCE, "a Redis that says nothing is waited for: {:?}", asked.elapsed());
    worker.stop().await;
    server.resume();
    let worker = Taking::start(&queue, "two", &Gate::new(2), noting(&done));
    eventually("the queue answering", async || queue.alive().await).await;
    queue.push(&jobs(20..40, NOW)).await.unwrap();
    eventually("40 jobs done", async || done.groups() == 40).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_no_fault() {
    let Some(server) = RedisServer::start().await else { return };
    server.kill();
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    assert!(!queue.alive().await);
    let error = queue.push(&jobs(0..1, NOW)).await.unwrap_err();
    assert_eq!(error.to_string(), "the queue in Redis did not do as told");
    assert!(queue.carried().await.is_err() && queue.depth().await.is_err() && queue.forget_done().await.is_err());
    server.revive().await;
    eventually("the queue answering", async || queue.alive().await).await;
    queue.push(&jobs(0..1, NOW)).await.unwrap();
    assert_eq!(queue.carried().await.unwrap(), [0].into());
    assert!(OutsideQueue::connect("mysql://127.0.0.1").await.is_err());
}

#[test]
fn jobs_of_a_worker_that_vanished_are_taken_by_another() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = runtime();
    let Some(server) = first.block_on(async {
        let server = RedisServer::start().await?;
        let queue = OutsideQueue::connect(&server.url()).await.unwrap();
        queue.push(&jobs(0..50, NOW)).await.unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&taken);
        let _vanishing = Taking::start(&queue, "one", &Gate::new(2), move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        });
        eventually("two jobs taken", async || taken.load(Ordering::SeqCst) == 2).await;
        assert_eq!(queue.carried().await.unwrap().len(), 50, "what a live worker has in hand is carried");
        assert!(queue.depth().await.unwrap() <= 18, "a batch is in the worker's hands");
        Some(server)
    }) else {
        return;
    };
    first.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(async {
        let queue = OutsideQueue::connect(&server.url()).await.unwrap();
        patiently("the dead worker's jobs not carried", async || queue.carried().await.unwrap().len() <= 18).await;
        let done = Done::default();
        let worker = Taking::start(&queue, "two", &Gate::new(2), noting(&done));
        patiently("50 jobs done", async || done.groups() == 50).await;
        worker.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tens_of_thousands_of_jobs_that_come_due_together_are_run_and_leave_nothing_behind() {
    let Some(server) = RedisServer::start().await else { return };
    let queue = OutsideQueue::connect(&server.url()).await.unwrap();
    queue.push(&[jobs(0..12_000, NOW), jobs(12_000..24_000, Duration::from_millis(1))].concat()).await.unwrap();
    assert_eq!(queue.carried().await.unwrap().len(), 24_000);
    let done = Done::default();
    let worker = Taking::start(&queue, "one", &Gate::new(8), noting(&done));
    patiently("24,000 jobs done", async || done.groups() == 24_000).await;
    assert_eq!((done.runs(), worker.begun.load(Ordering::SeqCst)), (24_000, 1));
    eventually("none carried", async || queue.carried().await.unwrap().is_empty()).await;
    queue.forget_done().await.unwrap();
    let mut left: Vec<String> = server.connection().await.keys("*").await.unwrap();
    left.retain(|key| !key.contains(":workers") && key != "core:apalis:queues:list");
    assert_eq!(left, Vec::<String>::new());
    let workers: Vec<String> = server.connection().await.keys("*:workers:metadata:*").await.unwrap();
    let lives: i64 = server.connection().await.ttl(&workers[0]).await.unwrap();
    assert!((1..=3_600).contains(&lives), "what is known of a worker is kept for {lives} s");
    worker.stop().await;
}
