//! The load: many connections, either each as fast as it gets answers, or together at a fixed rate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::histogram::Latencies;
use crate::http::Connection;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// So many requests a second, whatever the answers do. Latency counts from the moment a request was due, so that a
    /// server that stalls is not spared the requests it kept from being sent.
    Open { rate: f64 },
}

/// What load to put on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where requests go; the connections take turns.
    pub addresses: Vec<SocketAddr>,
    pub connections: usize,
    pub duration: Duration,
    pub pace: Pace,
}

/// Writes request number `n` into the buffer, and is told of its answer.
pub trait Requests: Send + Sync + 'static {
    fn write(&self, number: u64, request: &mut Vec<u8>);

    /// Request `number` was answered.
    fn answered(&self, number: u64, status: u16) {
        let _ = (number, status);
    }
}

/// The same request every time.
pub struct Same(pub Vec<u8>);

impl Requests for Same {
    fn write(&self, _: u64, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.0);
    }
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers with a status from 200 to 299, or 304.
    pub good: u64,
    pub statuses: BTreeMap<u16, u64>,
    /// Requests whose connection broke.
    pub broken: u64,
    pub latencies: Latencies,
    pub elapsed: Duration,
}

impl Outcome {
    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }

    /// Takes another run in, as if it had come after this one.
    pub fn add(&mut self, other: Outcome) {
        self.good += other.good;
        self.broken += other.broken;
        self.latencies.merge(other.latencies);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.elapsed += other.elapsed;
    }

    /// Requests that got no good answer.
    pub fn bad(&self) -> u64 {
        self.statuses.values().sum::<u64>() - self.good + self.broken
    }
}

/// Puts the load on, numbering requests from `first`, and returns when all answers are in.
pub async fn drive(plan: Plan, first: u64, requests: Arc<impl Requests>) -> anyhow::Result<Outcome> {
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut connections = JoinSet::new();
    anyhow::ensure!(!plan.addresses.is_empty(), "there is nobody to put a load on");
    for address in plan.addresses.iter().cycle().take(plan.connections) {
        connections.spawn(run(plan.clone(), *address, first, began, next.clone(), requests.clone()));
    }
    let mut outcome = Outcome::default();
    while let Some(one) = connections.join_next().await {
        let one = one.context("a connection's task ended early")??;
        outcome.add(one);
    }
    outcome.elapsed = began.elapsed();
    Ok(outcome)
}

async fn run(
    plan: Plan,
    address: SocketAddr,
    first: u64,
    began: Instant,
    next: Arc<AtomicU64>,
    requests: Arc<impl Requests>,
) -> anyhow::Result<Outcome> {
    let mut connection = Connection::open(address).await.context("could not connect")?;
    let mut outcome = Outcome::default();
    let mut request = Vec::new();
    while let Some((number, due)) = take_turn(&plan, began, &next).await {
        request.clear();
        requests.write(first + number, &mut request);
        let sent_at = due.unwrap_or_else(Instant::now);
        match connection.send(&request).await {
            Ok(answer) => {
                let status = answer.status;
                outcome.latencies.add(sent_at.elapsed());
                *outcome.statuses.entry(status).or_default() += 1;
                if (200..300).contains(&status) || status == 304 {
                    outcome.good += 1;
                }
                requests.answered(first + number, status);
            }
            Err(error) => {
                outcome.broken += 1;
                if outcome.broken > 100 {
                    return Err(error).context("the connection broke a hundred times");
                }
                connection = Connection::open(address).await.context("could not connect again")?;
            }
        }
    }
    Ok(outcome)
}

/// The next request's number, and when it is due; waits until then. `None` when the run is over.
async fn take_turn(plan: &Plan, began: Instant, next: &AtomicU64) -> Option<(u64, Option<Instant>)> {
    match plan.pace {
        Pace::Closed if began.elapsed() >= plan.duration => None,
        Pace::Closed => Some((next.fetch_add(1, Ordering::Relaxed), None)),
        Pace::Open { rate } => {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let offset = Duration::from_secs_f64(number as f64 / rate);
            if offset >= plan.duration {
                return None;
            }
            let due = began + offset;
            tokio::time::sleep_until(due.into()).await;
            Some((number, Some(due)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::get;

    /// Answers every request after `pause`, each connection on its own.
    async fn slow_server(pause: Duration) -> SocketAddr {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        tokio::time::sleep(pause).await;
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn plan(address: SocketAddr, connections: usize, pace: Pace) -> Plan {
        Plan { addresses: vec![address], connections, duration: Duration::from_millis(500), pace }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_fixed_rate_is_kept_whatever_the_answers_do() {
        let address = slow_server(Duration::from_millis(1)).await;
        let requests = Arc::new(Same(get("/", "")));
        let outcome = drive(plan(address, 8, Pace::Open { rate: 200.0 }), 0, requests).await.unwrap();
        assert_eq!((outcome.good, outcome.bad()), (100, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_for_a_stalled_server_counts_as_latency() {
        let address = slow_server(Duration::from_millis(100)).await;
        let requests = Arc::new(Same(get("/", "")));
        // One connection gets ten answers a second; at fifty requests a second the last was due two seconds earlier.
        let outcome = drive(plan(address, 1, Pace::Open { rate: 50.0 }), 0, requests).await.unwrap();
        assert_eq!(outcome.good, 25);
        assert!(outcome.latencies.percentile(100.0).unwrap() > 1_500.0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_closed_loop_sends_the_next_when_it_has_the_answer() {
        let address = slow_server(Duration::from_millis(50)).await;
        let outcome = drive(plan(address, 2, Pace::Closed), 0, Arc::new(Same(get("/", "")))).await.unwrap();
        assert!((10..=22).contains(&outcome.good), "{}", outcome.good);
        assert!(outcome.latencies.percentile(50.0).unwrap() >= 50.0);
    }
}
