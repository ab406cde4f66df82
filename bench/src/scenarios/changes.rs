//! `changes`: the whole change feed read from its beginning, beside the `sqlite3` shell writing the same rows.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use serde::Deserialize;

use crate::floor;
use crate::generator::Generator;
use crate::histogram::Latencies;
use crate::intake::{self, Probe, patience};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::testbed::Testbed;

const REPORTS: u64 = 100_000;
/// Median bytes of a report: as short as they get, for the feed carries rows and not texts.
const SIZE: usize = 700;
/// Changes asked for in one answer, so that the bench need not hold the whole feed.
const PAGE: u64 = 50_000;
/// The feed and the shell are read so often, in turn; the fastest reading of each counts.
const TURNS: u32 = 3;

/// The rows of the change feed, each as JSON.
const CHANGES: &str = "\
SELECT json_build_object('number', x.change_number, 'kind', 'result', 'key', r.id, 'removed', x.removed, \
'value', CAST(x.document AS JSON)) FROM extracts x JOIN reports r ON r.number = x.number ORDER BY x.change_number";

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("changes", "rows/s", options, Some(count));
    let testbed = Testbed::open(options).await?;
    let generator = Arc::new(Generator::new(options.seed, SIZE));
    let assay = testbed.start(&["index=none"]).await?;
    intake::load(&assay.addresses(), &generator, count).await?;
    let mut probe = Probe::open(assay.address()).await?;
    probe.until_processed(patience(count)).await?;

    let mut best = Feed::default();
    let mut shell: Option<f64> = None;
    for _ in 0..TURNS {
        let feed = read_feed(&mut probe).await?;
        if feed.rate() > best.rate() {
            best = feed;
        }
        let seconds = match testbed.deployed() {
            None => floor::shell_seconds(&testbed.data().join("assay.db"))?,
            Some(deployed) => floor::postgres::copy_out_seconds(deployed.database(), CHANGES)?,
        };
        shell = seconds.map(|seconds| count as f64 / seconds).into_iter().chain(shell).reduce(f64::max);
    }
    anyhow::ensure!(best.results == count, "the feed has {} results of {count} reports", best.results);
    measurement.rate = best.rate();
    measurement.latencies(&best.pages);
    measurement.figure("rows", best.rows);
    measurement.figure("results", best.results);
    measurement.figure("feed_mb_a_second", best.bytes as f64 / 1e6 / best.seconds);
    measurement.rss_mb = assay.peak_memory();
    assay.stop()?;
    measurement.bytes_per_report = Some(testbed.database_bytes().await? as f64 / count as f64);
    let (floor, absent, target) = match testbed.deployed() {
        None => ("sqlite3 shell writing the rows as JSON", "sqlite3_shell", "ratio to the sqlite3 shell"),
        Some(_) => ("psql, COPY of the rows as JSON", "psql", "ratio to psql"),
    };
    match shell {
        Some(rate) => measurement.floor(floor, rate),
        None => measurement.figure(absent, "not installed"),
    }
    if let Some(ratio) = measurement.floors.first().map(|floor| floor.ratio) {
        measurement.at_least(target, 0.5, ratio);
    }
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }
    Ok(measurement)
}

/// One reading of the whole feed; latencies are those of its pages.
#[derive(Default)]
struct Feed {
    rows: u64,
    results: u64,
    bytes: u64,
    seconds: f64,
    pages: Latencies,
}

impl Feed {
    fn rate(&self) -> f64 {
        if self.seconds == 0.0 { 0.0 } else { self.rows as f64 / self.seconds }
    }
}

async fn read_feed(probe: &mut Probe) -> anyhow::Result<Feed> {
    let mut feed = Feed::default();
    let mut after = 0;
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let path = format!("/v4/changes?after={after}&limit={PAGE}");
        let answer = probe.get(&path, "accept: application/x-ndjson\r\n").await?;
        feed.pages.add(asked.elapsed());
        anyhow::ensure!(answer.status == 200, "the feed was answered {}", answer.status);
        let page = Page::read(&answer.body)?;
        feed.rows += page.rows;
        feed.results += page.results;
        feed.bytes += answer.body.len() as u64;
        match page.last {
            Some(last) if page.rows == PAGE => after = last,
            _ => break,
        }
    }
    feed.seconds = began.elapsed().as_secs_f64();
    Ok(feed)
}

/// What one answer of the feed holds. The number of its last line is the cursor to go on from.
#[derive(Debug, PartialEq)]
struct Page {
    rows: u64,
    results: u64,
    last: Option<i64>,
}

#[derive(Deserialize)]
struct Numbered {
    number: i64,
}

impl Page {
    fn read(body: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(body).context("the feed is not UTF-8")?;
        let (mut rows, mut results, mut last) = (0, 0, None);
        for line in text.lines() {
            rows += 1;
            results += u64::from(line.contains("\"kind\":\"result\""));
            last = Some(line);
        }
        let last =
            last.map(serde_json::from_str::<Numbered>).transpose().context("the feed's last line is no change")?;
        Ok(Page { rows, results, last: last.map(|last| last.number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_from_the_number_of_its_last_line() {
        let page = Page::read(
            b"{\"number\":7,\"kind\":\"result\",\"value\":null}\n{\"number\":9,\"kind\":\"summary\",\"value\":{}}\n",
        );
        assert_eq!(page.unwrap(), Page { rows: 2, results: 1, last: Some(9) });
        assert_eq!(Page::read(b"").unwrap(), Page { rows: 0, results: 0, last: None });
        assert!(Page::read(b"{\"number\":7}\nhalf a li").is_err());
    }
}
