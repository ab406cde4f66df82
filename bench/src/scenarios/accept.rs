//! `accept`: durable intake with the workers held, so that intake alone is measured.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::Submissions;
use crate::floor;
use crate::generator::Generator;
use crate::intake::Probe;
use crate::load::{Outcome, Pace, Plan, drive};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::server::Server;
use crate::testbed::{Assay, Deployed, Testbed};

/// Numbers of the reports sent to warm up, out of the way of the others.
const WARM_UP: u64 = 1 << 40;
/// Rows in one commit of the SQLite floors.
const GROUPS: [usize; 2] = [64, 256];
/// Different bodies the SQLite floors insert in turn.
const BODIES: u64 = 2_000;

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let mut measurement = Measurement::new("accept", "reports/s", options, None);
    let testbed = Testbed::open(options).await?;
    let generator = Arc::new(Generator::new(options.seed, options.size));
    let assay = testbed.start(&["workers=0"]).await?;

    let before = testbed.cpu_times(&assay).await?;
    let top = load(&assay.addresses(), options, &generator, Pace::Closed).await?;
    let used = testbed.cpu_times(&assay).await?.since(&before);
    measurement.rate = top.rate();
    let half_rate = Pace::Open { rate: top.rate() / 2.0 };
    let half = load_from(&assay.addresses(), options, &generator, half_rate, top.latencies.count()).await?;
    measurement.latencies(&half.latencies);
    measurement.figure("half_rate", half.rate());
    measurement.figure("top_p50_ms", top.latencies.percentile(50.0));
    measurement.figure("top_p99_ms", top.latencies.percentile(99.0));
    measurement.figure("not_accepted", top.bad() + half.bad());
    measure_storage(&mut measurement, &assay).await?;
    assay.stop()?;
    let bytes = testbed.database_bytes().await? as f64;
    measurement.bytes_per_report = measurement.figures["accepted"].as_f64().map(|count| bytes / count);

    let handler = Server::floor(&["drop"], &testbed.scratch().join("floor.log"))?;
    let bare = load(&[handler.address], options, &generator, Pace::Closed).await?;
    measurement.floor("bare axum handler that drops the body", bare.rate());
    handler.stop()?;
    match testbed.deployed() {
        None => measure_sqlite(&mut measurement, testbed.scratch(), &generator, options.duration() / 3).await?,
        Some(deployed) => {
            used.show(&mut measurement, "");
            measure_pgbench(&mut measurement, deployed, testbed.scratch(), &generator, options).await?;
            deployed.tidy().await?;
        }
    }

    let ratio = measurement.floors[0].ratio;
    measurement.at_least("ratio to the bare handler", 0.5, ratio);
    measurement.at_most("p99 ms at half the top rate", 50.0, measurement.p99_ms);
    measurement.at_most("reports not accepted", 0.0, Some((top.bad() + half.bad()) as f64));
    Ok(measurement)
}

async fn load(
    addresses: &[SocketAddr],
    options: &Options,
    generator: &Arc<Generator>,
    pace: Pace,
) -> anyhow::Result<Outcome> {
    let requests = Arc::new(Submissions { generator: generator.clone() });
    let connections = usize::from(options.connections);
    let warm_up = Plan { addresses: addresses.to_vec(), connections, duration: Duration::from_secs(1), pace };
    drive(warm_up, WARM_UP, requests).await?;
    load_from(addresses, options, generator, pace, 0).await
}

async fn load_from(
    addresses: &[SocketAddr],
    options: &Options,
    generator: &Arc<Generator>,
    pace: Pace,
    first: usize,
) -> anyhow::Result<Outcome> {
    let requests = Arc::new(Submissions { generator: generator.clone() });
    let connections = usize::from(options.connections);
    let plan = Plan { addresses: addresses.to_vec(), connections, duration: options.duration(), pace };
    drive(plan, first as u64, requests).await
}

async fn measure_storage(measurement: &mut Measurement, assay: &Assay) -> anyhow::Result<()> {
    measurement.rss_mb = assay.peak_memory();
    let mut probe = Probe::open(assay.address()).await?;
    measurement.figure("accepted", probe.waiting().await?);
    // Of one node where there are several: a share needs no more.
    let raw = probe.metric("assay_raw_bytes_total").await?;
    let stored = probe.metric("assay_body_bytes_total").await?;
    if let (Some(raw), Some(stored)) = (raw, stored) {
        measurement.figure("stored_share_of_raw_body", stored / raw);
        measurement.at_most("stored bytes of raw", 0.2, Some(stored / raw));
    }
    Ok(())
}

async fn measure_sqlite(
    measurement: &mut Measurement,
    directory: &Path,
    generator: &Generator,
    duration: Duration,
) -> anyhow::Result<()> {
    let bodies: Vec<Vec<u8>> = (0..BODIES).map(|number| generator.report(number)).collect();
    for group in GROUPS {
        let rate = floor::insert_rate(directory, &bodies, group, duration).await?;
        measurement.floor(format!("bare SQLite, {group} bodies a commit"), rate);
    }
    let packed: Vec<Vec<u8>> = bodies.iter().map(|body| zstd::bulk::compress(body, 1)).collect::<Result<_, _>>()?;
    let group = GROUPS[1];
    let rate = floor::insert_rate(directory, &packed, group, duration).await?;
    measurement.floor(format!("bare SQLite, {group} packed bodies a commit"), rate);
    Ok(())
}

/// PostgreSQL with the same bytes: what assay stores, packed, and what was sent, raw.
async fn measure_pgbench(
    measurement: &mut Measurement,
    deployed: &Deployed,
    directory: &Path,
    generator: &Generator,
    options: &Options,
) -> anyhow::Result<()> {
    let mut database = deployed.connect().await?;
    let some = format!("SELECT body FROM bodies ORDER BY number LIMIT {}", floor::postgres::SCRIPTS);
    let packed: Vec<Vec<u8>> = sqlx::query_scalar(sqlx::AssertSqlSafe(some)).fetch_all(&mut database).await?;
    let raw = (0..floor::postgres::SCRIPTS as u64).map(|number| generator.report(number)).collect();
    let clients = options.connections;
    for (bodies, kind) in [(packed, "packed"), (raw, "raw")] {
        let inserting = (deployed.database(), &mut database);
        let rate = floor::postgres::insert_rate(inserting, directory, &bodies, clients, options.duration() / 2).await;
        match rate.context("the floor of single rows could not be measured")? {
            Some(rate) => measurement.floor(format!("pgbench, a {kind} body a commit, {clients} clients"), rate),
            None => measurement.figure("pgbench", "not installed"),
        }
    }
    // Without pgbench, the target is missed.
    let packed = measurement.floors.iter().find(|floor| floor.name.contains("a packed body"));
    let ratio = packed.map_or(0.0, |floor| floor.ratio);
    measurement.at_least("ratio to pgbench, packed bodies", 0.5, ratio);
    Ok(())
}
