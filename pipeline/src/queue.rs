//! The queue of jobs: apalis in the database's own file, so that a job and its reports are committed together.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::{CancellationToken, PollSemaphore};
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

use crate::store::{GroupNumber, Store};

/// Name of the one queue.
pub const QUEUE: &str = "process-group";

/// An order to process the reports of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    pub group: i64,
}

impl ProcessGroup {
    pub fn new(group: GroupNumber) -> Self {
        ProcessGroup { group: group.0 }
    }
}

/// How many jobs may run at a time; changeable while they run. 0 holds: jobs are queued and none is begun.
#[derive(Clone, Debug)]
pub struct Gate {
    permits: Arc<Semaphore>,
    size: Arc<watch::Sender<usize>>,
}

/// More workers than this have never been of use; a larger number asked for is cut to it.
pub const MOST_WORKERS: usize = 64;

impl Gate {
    pub fn new(workers: usize) -> Self {
        let workers = workers.min(MOST_WORKERS);
        Gate { permits: Arc::new(Semaphore::new(workers)), size: Arc::new(watch::Sender::new(workers)) }
    }

    pub fn workers(&self) -> usize {
        *self.size.borrow()
    }

    /// Lets so many jobs run at a time from now on. Running jobs finish.
    pub fn resize(&self, workers: usize) {
        let workers = workers.min(MOST_WORKERS);
        self.size.send_modify(|size| {
            match workers.checked_sub(*size) {
                Some(more) => self.permits.add_permits(more),
                None => self.take_permits(*size - workers),
            }
            *size = workers;
        });
    }

    fn take_permits(&self, fewer: usize) {
        let permits = Arc::clone(&self.permits);
        // Permits in use are forgotten as they come back.
        let taken = permits.forget_permits(fewer);
        let rest = u32::try_from(fewer - taken).expect("at most MOST_WORKERS");
        if rest > 0 {
            tokio::spawn(async move {
                if let Ok(permits) = permits.acquire_many_owned(rest).await {
                    permits.forget();
                }
            });
        }
    }

    /// Waits while the gate holds: a job may have been let through before. False: `stopping` came first.
    async fn opened(&self, stopping: &CancellationToken) -> bool {
        let mut size = self.size.subscribe();
        tokio::select! {
            _ = size.wait_for(|size| *size > 0) => true,
            () = stopping.cancelled() => false,
        }
    }
}

/// Runs `work` for each queued job until `stop` resolves; jobs running then are waited for.
///
/// A job is done when `work` returns: it has put what became of it into the store. One that has been fetched but not
/// begun when `stop` comes may end without having begun; its group stays open.
///
/// `wake` cuts the wait for the next poll short: whoever queues a job in this process rings it.
pub async fn run<W, F>(
    store: &Store,
    worker: &str,
    gate: &Gate,
    wake: Arc<Notify>,
    work: W,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WorkerError>
where
    W: Fn(GroupNumber) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let config =
        Config::default().queue(QUEUE).batch_size(32).heartbeat_interval(Duration::from_secs(5)).lock_tasks(false);
    let stopping = Stopping::default();
    let (opening, closing) = (gate.clone(), stopping.clone());
    let backend = SqliteStorage::<ProcessGroup>::new(store.sqlite()).with_config(config).poll_with_stream(pulses(wake));
    WorkerBuilder::new(worker)
        .backend(backend)
        .layer(GateLayer { gate: gate.clone(), stopping: stopping.asked.clone() })
        .build(move |job: ProcessGroup| {
            let (gate, stopping, work) = (opening.clone(), closing.clone(), work.clone());
            // A task of its own, so that jobs run on all cores.
            stopping.jobs.clone().spawn(async move {
                if !stopping.ended.is_cancelled() && gate.opened(&stopping.asked).await {
                    work(GroupNumber(job.group)).await;
                }
            })
        })
        .run_until(async move {
            stop.await;
            stopping.drain().await;
            Ok::<(), WorkerError>(())
        })
        .await
}

/// How a run comes to its end: no more jobs are let through, those that run end, and only then apalis is told.
///
/// Told while jobs run, apalis waits for them and lets lie what it has begun itself: a fetch or a heartbeat in the
/// middle of its transaction, with the one connection that writes and that the jobs need to end.
#[derive(Clone, Default)]
struct Stopping {
    asked: CancellationToken,
    jobs: TaskTracker,
    ended: CancellationToken,
}

impl Stopping {
    async fn drain(&self) {
        self.asked.cancel();
        self.jobs.close();
        self.jobs.wait().await;
        self.ended.cancel();
    }
}

/// When to look for jobs: at each ring, once more shortly after it, and now and then in any case.
///
/// A ring may come while a fetch that began before the job's commit is still under way; that fetch finds nothing, so
/// the ring alone is not enough. Another process may have queued a job, so the wait is bounded.
fn pulses(wake: Arc<Notify>) -> Pulses {
    let stream = futures::stream::unfold((wake, false), |(wake, echo)| async move {
        let wait = if echo { Duration::from_millis(20) } else { Duration::from_millis(500) };
        let rung = tokio::time::timeout(wait, wake.notified()).await.is_ok();
        Some(((), (wake, rung)))
    });
    Pulses(Box::pin(stream))
}

/// A stream that asks to be polled again after each item, so that the next wait is begun at once: apalis polls it
/// only once for each of its own polls.
struct Pulses(futures::stream::BoxStream<'static, ()>);

impl futures::Stream for Pulses {
    type Item = ();

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        let item = self.0.as_mut().poll_next(context);
        if item.is_ready() {
            context.waker().wake_by_ref();
        }
        item
    }
}

/// Lets a job be fetched only when the gate has room for it, and none once a stop was asked for.
#[derive(Clone)]
struct GateLayer {
    gate: Gate,
    stopping: CancellationToken,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let permits = PollSemaphore::new(Arc::clone(&self.gate.permits));
        Gated { inner, permits, permit: None, stopping: self.stopping.clone() }
    }
}

struct Gated<S> {
    inner: S,
    permits: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
    stopping: CancellationToken,
}

impl<S, R> Service<R> for Gated<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Kept until the next job: a service that becomes unready again would leave apalis in the middle of a fetch,
        // with the one connection that writes.
        if self.permit.is_none() {
            if self.stopping.is_cancelled() {
                // For good: apalis is woken by the jobs that end, and by its own stop.
                return Poll::Pending;
            }
            // The semaphore is never closed, so `None` does not come.
            self.permit = std::task::ready!(self.permits.poll_acquire(context));
        }
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let permit = self.permit.take();
        let running = self.inner.call(request);
        Box::pin(async move {
            let answer = running.await;
            drop(permit);
            answer
        })
    }
}
