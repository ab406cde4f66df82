//! `visible`: at a fixed rate, how long from the 202 until a report is counted, and until a search finds it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::write_submission;
use crate::generator::Generator;
use crate::histogram::Latencies;
use crate::intake::Probe;
use crate::load::{Pace, Plan, Requests, drive};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::testbed::Testbed;

/// Reports followed in a second, about.
const FOLLOWED: f64 = 20.0;
/// After so long a report counts as never seen.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// A report that was answered 202, and when.
type Accepted = (String, Instant);

/// Sends reports, and passes some on to be followed.
struct Sampled {
    generator: Generator,
    every: u64,
    followed: mpsc::UnboundedSender<Accepted>,
}

impl Requests for Sampled {
    fn write(&self, number: u64, request: &mut Vec<u8>) {
        write_submission(&self.generator, number, request);
    }

    fn answered(&self, number: u64, status: u16) {
        if number.is_multiple_of(self.every) && status == 202 {
            // Nobody listens any more only when the run has failed already.
            self.followed.send((self.generator.id(number).to_string(), Instant::now())).ok();
        }
    }
}

/// What the followed reports showed.
#[derive(Default)]
struct Seen {
    counted: Latencies,
    found: Latencies,
    missing: u64,
}

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let mut measurement = Measurement::new("visible", "reports/s", options, None);
    let testbed = Testbed::open(options).await?;
    let assay = testbed.start(&[]).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let every = (options.rate / FOLLOWED).max(1.0) as u64;
    let generator = Generator::new(options.seed, options.size);
    let requests = Arc::new(Sampled { generator, every, followed: sender });
    let follower = tokio::spawn(follow(assay.address(), receiver));
    let plan = Plan {
        addresses: assay.addresses(),
        connections: usize::from(options.connections),
        duration: options.duration(),
        pace: Pace::Open { rate: options.rate },
    };
    let sent = drive(plan, 0, requests).await?;
    let seen = follower.await.context("the follower ended early")??;
    measurement.rate = sent.rate();
    measurement.rss_mb = assay.peak_memory();
    assay.stop()?;
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }

    measurement.latencies(&seen.counted);
    measurement.figure("accept_p50_ms", sent.latencies.percentile(50.0));
    measurement.figure("accept_p99_ms", sent.latencies.percentile(99.0));
    measurement.figure("not_accepted", sent.bad());
    measurement.figure("followed", seen.counted.count());
    measurement.figure("searchable_p50_ms", seen.found.percentile(50.0));
    measurement.figure("searchable_p99_ms", seen.found.percentile(99.0));
    measurement.figure("never_seen", seen.missing);
    measurement.at_most("accepted to counted, p99 ms", 1_000.0, measurement.p99_ms);
    measurement.at_most("accepted to searchable, max ms", 5_000.0, seen.found.percentile(100.0));
    measurement.at_most("reports never seen or refused", 0.0, Some((seen.missing + sent.bad()) as f64));
    Ok(measurement)
}

async fn follow(address: SocketAddr, mut accepted: mpsc::UnboundedReceiver<Accepted>) -> anyhow::Result<Seen> {
    let mut followed = JoinSet::new();
    while let Some(report) = accepted.recv().await {
        followed.spawn(watch(address, report));
    }
    let mut seen = Seen::default();
    while let Some(watched) = followed.join_next().await {
        let (counted, found) = watched.context("a watcher ended early")??;
        counted.into_iter().for_each(|time| seen.counted.add(time));
        found.into_iter().for_each(|time| seen.found.add(time));
        seen.missing += u64::from(counted.is_none() || found.is_none());
    }
    Ok(seen)
}

/// Asks until the report is processed, then until a search finds it. Counts and matrix cells change in the transaction
/// that sets the state, so the state tells when they are readable.
async fn watch(address: SocketAddr, (id, since): Accepted) -> anyhow::Result<(Option<Duration>, Option<Duration>)> {
    let mut probe = Probe::open(address).await?;
    let receipt = format!("/v4/reports/{id}/receipt");
    let mut counted = None;
    while counted.is_none() && since.elapsed() < GIVEN_UP {
        match probe.json(&receipt).await?["state"].as_str() {
            Some("processed") => counted = Some(since.elapsed()),
            Some("rejected" | "parked") => anyhow::bail!("report {id} was not processed"),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    let search = format!("/v4/search?q=id:{id}&limit=1");
    let mut found = None;
    while found.is_none() && since.elapsed() < GIVEN_UP {
        match probe.json(&search).await?["total"].as_i64() {
            Some(1..) => found = Some(since.elapsed()),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    Ok((counted, found))
}
