//! How long to wait before asking again: longer each time, never beyond a limit, and as long as the server says.

use std::time::{Duration, Instant};

use rand::Rng;

/// First wait. Each next one is about twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait the client chooses by itself.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits between the tries of one request.
#[derive(Clone, Debug)]
pub struct Patience {
    until: Instant,
    next: Duration,
}

impl Patience {
    /// Tries go on for at most this long from now.
    pub fn lasting(limit: Duration) -> Patience {
        Patience { until: Instant::now() + limit, next: FIRST }
    }

    /// Waits before the next try. `false` when the time is up, or when the server asks for more than is left.
    pub async fn wait(&mut self, asked: Option<Duration>) -> bool {
        // Clients that were turned away together should not come back together.
        let chosen = self.next.mul_f64(rand::rng().random_range(0.75..1.25));
        let delay = asked.map_or(chosen, |asked| asked.max(FIRST));
        if Instant::now() + delay > self.until {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(delay).await;
        true
    }

    /// Begins again with short waits, after a success.
    pub fn renew(&mut self) {
        self.next = FIRST;
    }
}
