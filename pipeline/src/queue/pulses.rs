//! When to look for jobs.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;

/// When to look for jobs: at each ring, once more shortly after it, and now and then in any case.
///
/// A ring may come while a fetch that began before the job's commit is still under way; that fetch finds nothing, so
/// the ring alone is not enough. Another process may have queued a job, so the wait is bounded.
pub(super) fn pulses(wake: Arc<Notify>) -> Pulses {
    let stream = futures::stream::unfold((wake, false), |(wake, echo)| async move {
        let wait = if echo { Duration::from_millis(20) } else { Duration::from_millis(500) };
        let rung = tokio::time::timeout(wait, wake.notified()).await.is_ok();
        Some(((), (wake, rung)))
    });
    Pulses(Box::pin(stream))
}

/// A stream that asks to be polled again after each item, so that the next wait is begun at once: apalis polls it
/// only once for each of its own polls.
pub(super) struct Pulses(futures::stream::BoxStream<'static, ()>);

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
