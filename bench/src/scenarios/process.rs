//! `process`: how fast a backlog is worked off, without the index and with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::generator::Generator;
use crate::intake::{self, Probe, patience};
use crate::measurement::Measurement;
use crate::options::{Options, Profile};
use crate::server::{Server, database_bytes, sizes};

mod deployed;

const REPORTS: u64 = 20_000;
/// Time between two looks at a backlog.
const LOOK: Duration = Duration::from_millis(20);

/// One way of working the backlog off.
struct Worked {
    rates: Rates,
    waiting_rss_mb: Option<f64>,
    rss_mb: Option<f64>,
    stored_share: Option<f64>,
    database_bytes: u64,
    index_bytes: u64,
}

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    if options.profile != Profile::Embedded {
        return deployed::measure(options).await;
    }
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("process", "reports/s", options, Some(count));
    let without = work_off(options, count, &["index=none"], false).await?;
    let with = work_off(options, count, &[], true).await?;
    measurement.rate = without.rates.counted;
    measurement.rss_mb = with.rss_mb.zip(without.rss_mb).map(|(with, without)| with.max(without));
    measurement.bytes_per_report = Some(without.database_bytes as f64 / count as f64);
    measurement.figure("rate_with_index", with.rates.indexed);
    measurement.figure("rate_of_counts_with_index", with.rates.counted);
    measurement.figure("rss_mb_while_all_wait", with.waiting_rss_mb);
    measurement.figure("rss_mb_without_index", without.rss_mb);
    measurement.figure("rss_mb_with_index", with.rss_mb);
    measurement.figure("stored_share_of_raw_body", without.stored_share);
    measurement.figure("index_bytes_a_report", with.index_bytes as f64 / count as f64);
    measurement.at_least("reports/s without the index", 7_000.0, without.rates.counted);
    measurement.at_least("reports/s with the index", 3_000.0, with.rates.indexed);
    measurement.at_most("memory in MB", 300.0, measurement.rss_mb);
    measurement.at_most("stored bytes of raw", 0.2, without.stored_share);
    Ok(measurement)
}

async fn work_off(options: &Options, count: u64, settings: &[&str], indexed: bool) -> anyhow::Result<Worked> {
    let scratch = options.scratch()?;
    let data = scratch.path().join("data");
    let generator = Arc::new(Generator::new(options.seed, options.size));

    let held = Server::assay(options, &data, &[settings, &["workers=0"]].concat())?;
    intake::load(&[held.address], &generator, count).await?;
    let mut probe = Probe::open(held.address).await?;
    let raw = probe.metric("assay_raw_bytes_total").await?;
    let stored = probe.metric("assay_body_bytes_total").await?;
    let waiting_rss_mb = held.peak_memory();
    held.stop()?;

    let server = Server::assay(options, &data, settings)?;
    let mut probe = Probe::open(server.address).await?;
    let rates = rates(count, async || {
        let waiting = probe.waiting().await?;
        Ok(Left { waiting, behind: indexed && (waiting > 0 || probe.index_lag().await? > 0) })
    });
    let rates = rates.await?;
    let rss_mb = server.peak_memory();
    server.stop()?;
    let index = sizes(&data).into_iter().filter(|(name, _)| name.contains("index"));
    Ok(Worked {
        rates,
        waiting_rss_mb,
        rss_mb,
        stored_share: raw.zip(stored).map(|(raw, stored)| stored / raw),
        database_bytes: database_bytes(&data),
        index_bytes: index.map(|(_, size)| size).sum(),
    })
}

/// What is still to be done of a backlog.
struct Left {
    waiting: u64,
    /// Whether the index, where there is one, lacks something of what is counted.
    behind: bool,
}

/// Reports a second.
struct Rates {
    /// Until all were counted.
    counted: f64,
    /// Until the index had them too, where there is one.
    indexed: f64,
}

/// Looks at a backlog until it is worked off. Counts from the first look on, so that starting up is left out of the time
/// and of the count.
async fn rates(count: u64, mut look: impl AsyncFnMut() -> anyhow::Result<Left>) -> anyhow::Result<Rates> {
    let began = Instant::now();
    let waiting = look().await?.waiting;
    anyhow::ensure!(
        waiting * 2 > count,
        "only {waiting} of {count} reports waited still at the first look; take more reports"
    );
    let mut counted = None;
    let deadline = began + patience(count);
    loop {
        let left = look().await?;
        let rate = waiting as f64 / began.elapsed().as_secs_f64();
        if left.waiting == 0 {
            let counted = *counted.get_or_insert(rate);
            if !left.behind {
                return Ok(Rates { counted, indexed: rate });
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "the backlog was not worked off in time");
        tokio::time::sleep(LOOK).await;
    }
}
