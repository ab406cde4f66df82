//! Bodies that have to keep coming.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How fast a body has to come.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time that any body gets.
    pub grace: Duration,
    /// Above 0. Every so many bytes that have come buy another second.
    pub bytes_a_second: u64,
    /// Time that no body goes beyond.
    pub longest: Duration,
}

impl Pace {
    /// Time from its beginning for a body of which so much has come.
    fn allows(&self, bytes: u64) -> Duration {
        let earned = Duration::from_secs_f64(bytes as f64 / self.bytes_a_second as f64);
        (self.grace + earned).min(self.longest)
    }
}

/// The body did not come at its pace, or not to an end.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
pub struct TooSlow;

/// A request's body that fails with [`TooSlow`] when it falls behind. The time runs from when it is first asked for.
pub struct Paced {
    body: Incoming,
    pace: Pace,
    began: Option<Instant>,
    bytes: u64,
    /// Set once the body keeps its reader waiting.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub fn new(body: Incoming, pace: Pace) -> Self {
        Paced { body, pace, began: None, bytes: 0, deadline: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let began = *this.began.get_or_insert_with(Instant::now);
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            // A body that never ends may always have another frame at hand.
            if frame.is_some() && began.elapsed() > this.pace.longest {
                return Poll::Ready(Some(Err(TooSlow.into())));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let end = began + this.pace.allows(this.bytes);
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if deadline.deadline() != end {
            deadline.as_mut().reset(end);
        }
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    #[test]
    fn bytes_buy_time_up_to_a_bound() {
        let seconds = Duration::from_secs;
        let pace = Pace { grace: seconds(60), bytes_a_second: 1000, longest: seconds(600) };
        assert_eq!(pace.allows(0), seconds(60));
        assert_eq!(pace.allows(500), seconds(60) + Duration::from_millis(500));
        assert_eq!(pace.allows(100_000), seconds(160));
        assert_eq!(pace.allows(u64::MAX), seconds(600));
    }
}
