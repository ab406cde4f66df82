//! `search`: a mix of searches over an index of real-size reports.

use std::sync::Arc;

use super::encoded;
use crate::generator::{Generator, Release};
use crate::http::get;
use crate::intake::{self, Probe, patience};
use crate::load::{Pace, Plan, Requests, drive};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::testbed::Testbed;

const REPORTS: u64 = 20_000;
/// Searches that do not depend on what was generated: words, phrases, fields, ranges, alternatives, exclusions.
const QUERIES: [&str; 12] = [
    "uninitialized",
    "grade:fail",
    "grade:fail os:linux",
    "\"Failed test\" grade:fail",
    "\"OS unsupported\"",
    "timeout grade:fail -os:netbsd",
    "perl:5.18 os:freebsd",
    "perl:>=5.24 grade:unknown",
    "arch:armv7l callback",
    "overload OR recursion",
    "(grade:fail OR grade:unknown) perl:5.8..5.12",
    "undeclared",
];
/// Of each hundred searches, so many ask for one distribution.
const DISTRIBUTION_PERCENT: u64 = 30;

/// The mix: number `n` is always the same search.
struct Mix {
    fixed: Vec<Vec<u8>>,
    distributions: Vec<Vec<u8>>,
}

impl Requests for Mix {
    fn write(&self, number: u64, request: &mut Vec<u8>) {
        let list = if number % 100 < DISTRIBUTION_PERCENT { &self.distributions } else { &self.fixed };
        request.extend_from_slice(&list[number as usize % list.len()]);
    }
}

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("search", "searches/s", options, Some(count));
    let testbed = Testbed::open(options).await?;
    let generator = Arc::new(Generator::new(options.seed, options.size));
    let assay = testbed.start(&[]).await?;
    intake::load(&assay.addresses(), &generator, count).await?;
    let mut probe = Probe::open(assay.address()).await?;
    probe.until_processed(patience(count)).await?;
    probe.until_indexed(patience(count)).await?;

    for query in QUERIES {
        let view = probe.json(&path(query)).await?;
        measurement.figure(format!("hits of {query}"), view["total"].clone());
    }
    let distributions = (0..200).map(|number| {
        let Release { name, .. } = generator.release(number * count / 200);
        get(&path(&format!("distribution:{name}")), "")
    });
    let fixed = QUERIES.iter().map(|query| get(&path(query), "")).collect();
    let mix = Arc::new(Mix { fixed, distributions: distributions.collect() });
    let connections = usize::from(options.connections).min(8);
    let plan = Plan { addresses: assay.addresses(), connections, duration: options.duration(), pace: Pace::Closed };
    let outcome = drive(plan, 0, mix).await?;
    anyhow::ensure!(
        outcome.bad() == 0,
        "searches were answered {:?}, {} connections broke",
        outcome.statuses,
        outcome.broken
    );

    measurement.rate = outcome.rate();
    measurement.latencies(&outcome.latencies);
    measurement.figure("connections_used", connections);
    measurement.rss_mb = assay.peak_memory();
    assay.stop()?;
    measurement.figure("index_bytes_a_report", testbed.index_bytes().await? as f64 / count as f64);
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }
    Ok(measurement)
}

fn path(query: &str) -> String {
    format!("/v4/search?q={}&limit=20", encoded(query))
}
