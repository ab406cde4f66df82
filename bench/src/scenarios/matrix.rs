//! `matrix`: the matrix of a release with very many reports, cold: a report is added before each reading, so that no
//! answer made before can be given again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::path;
use crate::generator::{Generator, Release};
use crate::histogram::Latencies;
use crate::intake::{self, Probe, patience};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::testbed::Testbed;

const REPORTS: u64 = 100_000;
/// Median bytes of a report: as short as they get, for only their fields matter here.
const SIZE: usize = 700;
const READINGS: u64 = 100;

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("matrix", "cold matrices/s", options, Some(count));
    let testbed = Testbed::open(options).await?;
    let generator = Arc::new(Generator::pinned(options.seed, SIZE));
    let loading = testbed.start(&["index=none"]).await?;
    intake::load(&loading.addresses(), &generator, count).await?;
    Probe::open(loading.address()).await?.until_processed(patience(count)).await?;
    loading.stop()?;

    let Release { name, version, .. } = generator.release(0);
    let matrix = path(&["v4", "matrix", &name, &version]) + "?axes=language_version,os";
    let assay = testbed.start(&["index=none"]).await?;
    let mut probe = Probe::open(assay.address()).await?;
    let began = Instant::now();
    let gzip = "accept-encoding: gzip\r\n";
    let packed = probe.get(&matrix, gzip).await?;
    measurement.figure("first_after_start_ms", began.elapsed().as_secs_f64() * 1e3);
    anyhow::ensure!(packed.header("content-encoding") == Some("gzip"), "the matrix was not compressed");
    let packed_bytes = packed.body.len();

    let mut latencies = Latencies::default();
    let mut stale = 0;
    for reading in 0..READINGS {
        probe.post(&generator.report(count + reading), "prefer: wait=10\r\n").await?;
        probe.until_processed(Duration::from_secs(10)).await?;
        let began = Instant::now();
        let answer = probe.get(&matrix, gzip).await?;
        latencies.add(began.elapsed());
        anyhow::ensure!(answer.status == 200, "the matrix was answered {}", answer.status);
        stale += u64::from(total(&mut probe, &matrix).await? != count + reading + 1);
    }
    measurement.rate = 1e3 / latencies.percentile(50.0).unwrap_or(f64::INFINITY);
    measurement.latencies(&latencies);
    measurement.figure("compressed_bytes", packed_bytes);
    measurement.figure("plain_bytes", probe.get(&matrix, "").await?.body.len());
    measurement.figure("cells", cells(&mut probe, &matrix).await?);
    measurement.figure("stale_answers", stale);
    measurement.rss_mb = assay.peak_memory();
    assay.stop()?;
    measurement.bytes_per_report = Some(testbed.database_bytes().await? as f64 / (count + READINGS) as f64);
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }
    measurement.at_most("cold p99 ms", 50.0, measurement.p99_ms);
    measurement.at_most("compressed bytes", 50_000.0, Some(packed_bytes as f64));
    measurement.at_most("stale answers", 0.0, Some(stale as f64));
    Ok(measurement)
}

/// All reports counted in the matrix.
async fn total(probe: &mut Probe, matrix: &str) -> anyhow::Result<u64> {
    let view = probe.json(matrix).await?;
    let cells = view["cells"].as_array().into_iter().flatten();
    let grades = ["pass", "fail", "na", "unknown"];
    Ok(cells.map(|cell| grades.iter().filter_map(|grade| cell[*grade].as_u64()).sum::<u64>()).sum())
}

async fn cells(probe: &mut Probe, matrix: &str) -> anyhow::Result<usize> {
    Ok(probe.json(matrix).await?["cells"].as_array().map_or(0, Vec::len))
}
