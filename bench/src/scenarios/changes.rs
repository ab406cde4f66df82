//! `changes`: the whole change feed read from its beginning, beside the `sqlite3` shell writing the same rows.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use serde::Deserialize;

use super::encoded;
use crate::floor;
use crate::generator::Generator;
use crate::histogram::Latencies;
use crate::http::Answer;
use crate::intake::{self, Probe, patience};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::server::{Server, database_bytes};

const REPORTS: u64 = 100_000;
/// Median bytes of a report: as short as they get, for the feed carries rows and not texts.
const SIZE: usize = 700;
/// Changes asked for in one page; no more than a server's default settings give.
const PAGE: u32 = 1_000;
/// The feed and the shell are read so often, in turn; the fastest reading of each counts.
const TURNS: u32 = 3;

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let mut measurement = Measurement::new("changes", "rows/s", options, Some(count));
    let scratch = options.scratch()?;
    let data = scratch.path().join("data");
    let generator = Arc::new(Generator::new(options.seed, SIZE));
    let server = Server::assay(options, &data, &["index=none"])?;
    intake::load(server.address, &generator, count).await?;
    let mut probe = Probe::open(server.address).await?;
    probe.until_processed(patience(count)).await?;

    let mut best = Feed::default();
    let mut shell: Option<f64> = None;
    for _ in 0..TURNS {
        let feed = read_feed(&mut probe).await?;
        if feed.rate() > best.rate() {
            best = feed;
        }
        let seconds = floor::shell_seconds(&data.join("assay.db"))?;
        shell = seconds.map(|seconds| count as f64 / seconds).into_iter().chain(shell).reduce(f64::max);
    }
    anyhow::ensure!(best.results == count, "the feed has {} results of {count} reports", best.results);
    measurement.rate = best.rate();
    measurement.latencies(&best.pages);
    measurement.figure("rows", best.rows);
    measurement.figure("results", best.results);
    measurement.figure("feed_mb_a_second", best.bytes as f64 / 1e6 / best.seconds);
    measurement.rss_mb = server.peak_memory();
    server.stop()?;
    measurement.bytes_per_report = Some(database_bytes(&data) as f64 / count as f64);
    match shell {
        Some(rate) => measurement.floor("sqlite3 shell writing the rows as JSON", rate),
        None => measurement.figure("sqlite3_shell", "not installed"),
    }
    if let Some(ratio) = measurement.floors.first().map(|floor| floor.ratio) {
        measurement.at_least("ratio to the sqlite3 shell", 0.5, ratio);
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
    let mut after: Option<String> = None;
    let began = Instant::now();
    loop {
        let cursor = after.as_deref().map_or(String::new(), |after| format!("&after={}", encoded(after)));
        let asked = Instant::now();
        let answer = probe.get(&format!("/v4/changes?limit={PAGE}{cursor}"), "accept: application/x-ndjson\r\n").await?;
        feed.pages.add(asked.elapsed());
        anyhow::ensure!(answer.status == 200, "the feed was answered {}", answer.status);
        let page = Page::read(answer)?;
        feed.rows += page.rows;
        feed.results += page.results;
        feed.bytes += answer.body.len() as u64;
        if page.rows == 0 || page.next.is_none() || page.next == after {
            feed.seconds = began.elapsed().as_secs_f64();
            return Ok(feed);
        }
        after = page.next;
    }
}

/// What a page of the feed holds. A page of lines tells its cursor in its last line or in a `Link` header.
struct Page {
    rows: u64,
    results: u64,
    next: Option<String>,
}

/// A last line that is no change.
#[derive(Deserialize)]
struct Last {
    next: String,
}

impl Page {
    fn read(answer: &Answer) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(&answer.body).context("the feed is not UTF-8")?;
        let mut lines: Vec<&str> = text.lines().collect();
        let mut next = answer.header("link").and_then(linked);
        if let Some(last) = lines.last().and_then(|line| serde_json::from_str::<Last>(line).ok()) {
            lines.pop();
            next = Some(last.next);
        }
        let results = lines.iter().filter(|line| line.contains("\"kind\":\"result\"")).count() as u64;
        Ok(Page { rows: lines.len() as u64, results, next })
    }
}

/// The cursor in `</v4/changes?after=CURSOR&…>; rel="next"`.
fn linked(link: &str) -> Option<String> {
    let target = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let after = target.split_once("after=")?.1;
    Some(after.split(['&', '>']).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_link() {
        let link = "</v4/changes?limit=9&after=c17&wait=0>; rel=\"next\", </v4/changes>; rel=\"first\"";
        assert_eq!(linked(link).as_deref(), Some("c17"));
        assert_eq!(linked("</v4/changes?after=c1>; rel=\"prev\""), None);
    }
}
