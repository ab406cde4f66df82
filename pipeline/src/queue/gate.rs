//! The gate: how many jobs may run at a time.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::{CancellationToken, PollSemaphore};
use tower::{Layer, Service};

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
    pub(super) async fn opened(&self, stopping: &CancellationToken) -> bool {
        let mut size = self.size.subscribe();
        tokio::select! {
            _ = size.wait_for(|size| *size > 0) => true,
            () = stopping.cancelled() => false,
        }
    }
}

/// Lets a job be fetched only when the gate has room for it, and none once a stop was asked for.
#[derive(Clone)]
pub(super) struct GateLayer {
    pub(super) gate: Gate,
    pub(super) stopping: CancellationToken,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let permits = PollSemaphore::new(Arc::clone(&self.gate.permits));
        Gated { inner, permits, permit: None, stopping: self.stopping.clone() }
    }
}

pub(super) struct Gated<S> {
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
