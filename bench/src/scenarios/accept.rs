//! `accept`: durable intake with the workers held, so that intake alone is measured.

use std::sync::Arc;
use std::time::Duration;

use super::Submissions;
use crate::floor;
use crate::generator::Generator;
use crate::intake::Probe;
use crate::load::{Outcome, Pace, Plan, drive};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::server::{Server, database_bytes};

/// Numbers of the reports sent to warm up, out of the way of the others.
const WARM_UP: u64 = 1 << 40;
/// Rows in one commit of the SQLite floors.
const GROUPS: [usize; 2] = [64, 256];
/// Different bodies the SQLite floors insert in turn.
const BODIES: u64 = 2_000;

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let mut measurement = Measurement::new("accept", "reports/s", options, None);
    let scratch = options.scratch()?;
    let data = scratch.path().join("data");
    let generator = Arc::new(Generator::new(options.seed, options.size));
    let server = Server::assay(options, &data, &["workers=0"])?;

    let top = load(&server, options, &generator, Pace::Closed).await?;
    measurement.rate = top.rate();
    let half =
        load_from(&server, options, &generator, Pace::Open { rate: top.rate() / 2.0 }, top.latencies.count()).await?;
    measurement.latencies(&half.latencies);
    measurement.figure("half_rate", half.rate());
    measurement.figure("top_p50_ms", top.latencies.percentile(50.0));
    measurement.figure("top_p99_ms", top.latencies.percentile(99.0));
    measurement.figure("not_accepted", top.bad() + half.bad());
    measure_storage(&mut measurement, &server).await?;
    server.stop()?;
    measurement.bytes_per_report =
        measurement.figures["accepted"].as_f64().map(|count| database_bytes(&data) as f64 / count);

    let handler = Server::floor(&["drop"], &scratch.path().join("floor.log"))?;
    let bare = load(&handler, options, &generator, Pace::Closed).await?;
    measurement.floor("bare axum handler that drops the body", bare.rate());
    handler.stop()?;
    measure_sqlite(&mut measurement, scratch.path(), &generator, options.duration() / 3).await?;

    let ratio = measurement.floors[0].ratio;
    measurement.at_least("ratio to the bare handler", 0.5, ratio);
    measurement.at_most("p99 ms at half the top rate", 50.0, measurement.p99_ms);
    measurement.at_most("reports not accepted", 0.0, Some((top.bad() + half.bad()) as f64));
    Ok(measurement)
}

async fn load(server: &Server, options: &Options, generator: &Arc<Generator>, pace: Pace) -> anyhow::Result<Outcome> {
    let requests = Arc::new(Submissions { generator: generator.clone() });
    let connections = usize::from(options.connections);
    let warm_up = Plan { address: server.address, connections, duration: Duration::from_secs(1), pace };
    drive(warm_up, WARM_UP, requests).await?;
    load_from(server, options, generator, pace, 0).await
}

async fn load_from(
    server: &Server,
    options: &Options,
    generator: &Arc<Generator>,
    pace: Pace,
    first: usize,
) -> anyhow::Result<Outcome> {
    let requests = Arc::new(Submissions { generator: generator.clone() });
    let connections = usize::from(options.connections);
    let plan = Plan { address: server.address, connections, duration: options.duration(), pace };
    drive(plan, first as u64, requests).await
}

async fn measure_storage(measurement: &mut Measurement, server: &Server) -> anyhow::Result<()> {
    measurement.rss_mb = server.peak_memory();
    let mut probe = Probe::open(server.address).await?;
    measurement.figure("accepted", probe.waiting().await?);
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
    directory: &std::path::Path,
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
