//! `read`: one release and one matrix, warm, beside a bare handler that gives the same bytes and headers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::path;
use crate::floor::Recorded;
use crate::generator::{Generator, Release};
use crate::http::{Answer, get};
use crate::intake::{self, Probe, patience};
use crate::load::{Outcome, Pace, Plan, Same, drive};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::server::Server;
use crate::testbed::Testbed;

const REPORTS: u64 = 5_000;
/// Median bytes of a report; what is read does not depend on it.
const SIZE: usize = 2_000;
/// Assay and the floor take turns, so that a change of the machine's mood hits both.
const TURNS: u32 = 3;
/// Headers the server software sets itself.
const OWN_HEADERS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("read", "answers/s", options, Some(count));
    let testbed = Testbed::open(options).await?;
    let assay = testbed.start(&[]).await?;
    let generator = Arc::new(Generator::pinned(options.seed, SIZE));
    intake::load(&assay.addresses(), &generator, count).await?;
    let mut probe = Probe::open(assay.address()).await?;
    probe.until_processed(patience(count)).await?;

    let Release { name, version, .. } = generator.release(0);
    let release = path(&["v4", "releases", &name, &version]);
    let matrix = path(&["v4", "matrix", &name, &version]);
    let mut reading = Reading { options, addresses: &assay.addresses(), scratch: testbed.scratch() };

    let (own, floor) = reading.beside_floor(&mut probe, &release, "").await?;
    measurement.rate = own.rate();
    measurement.latencies(&own.latencies);
    measurement.floor("bare handler, the release's bytes", floor.rate());
    measurement.at_least("release: ratio to the bare handler", 0.8, own.rate() / floor.rate());

    let (own, floor) = reading.beside_floor(&mut probe, &matrix, "").await?;
    measurement.figure("matrix_rate", own.rate());
    measurement.figure("matrix_p99_ms", own.latencies.percentile(99.0));
    measurement.figure("matrix_floor_rate", floor.rate());
    measurement.at_least("matrix: ratio to the bare handler", 0.8, own.rate() / floor.rate());

    let tag = probe.get(&release, "").await?.header("etag").context("the release has no ETag")?.to_owned();
    let (own, floor) = reading.beside_floor(&mut probe, &release, &format!("if-none-match: {tag}\r\n")).await?;
    measurement.figure("not_modified_rate", own.rate());
    measurement.figure("not_modified_floor_rate", floor.rate());
    measurement.figure(
        "not_modified_share",
        f64::from(own.statuses.get(&304).map_or(0, |count| *count as u32)) / own.good as f64,
    );
    measurement.rss_mb = assay.peak_memory();
    assay.stop()?;
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }
    Ok(measurement)
}

/// What one path is read with.
struct Reading<'a> {
    options: &'a Options,
    addresses: &'a [SocketAddr],
    scratch: &'a Path,
}

impl Reading<'_> {
    async fn beside_floor(&mut self, probe: &mut Probe, path: &str, extra: &str) -> anyhow::Result<(Outcome, Outcome)> {
        let answer = probe.get(path, extra).await?;
        anyhow::ensure!(matches!(answer.status, 200 | 304), "{path} was answered {}", answer.status);
        let file = self.scratch.join("answer.json");
        std::fs::write(&file, serde_json::to_vec(&record(answer))?).context("could not record the answer")?;
        let file = file.to_str().context("the temporary directory's name is not UTF-8")?;
        let handler = Server::floor(&["serve", file], &self.scratch.join("floor.log"))?;
        let requests = Arc::new(Same(get(path, extra)));
        let (mut own, mut bare) = (Outcome::default(), Outcome::default());
        for _ in 0..TURNS {
            own.add(self.load(self.addresses, &requests).await?);
            bare.add(self.load(&[handler.address], &requests).await?);
        }
        handler.stop()?;
        anyhow::ensure!(own.bad() == 0, "{path} was answered {:?}, {} connections broke", own.statuses, own.broken);
        Ok((own, bare))
    }

    async fn load(&self, addresses: &[SocketAddr], requests: &Arc<Same>) -> anyhow::Result<Outcome> {
        let connections = usize::from(self.options.connections);
        let addresses = addresses.to_vec();
        let plan = Plan { addresses, connections, duration: Duration::from_millis(300), pace: Pace::Closed };
        drive(plan.clone(), 0, requests.clone()).await?;
        drive(Plan { duration: self.options.duration() / TURNS, ..plan }, 0, requests.clone()).await
    }
}

fn record(answer: &Answer) -> Recorded {
    let headers = answer.headers().filter(|(name, _)| !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    Recorded {
        status: answer.status,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: answer.body.clone(),
    }
}
