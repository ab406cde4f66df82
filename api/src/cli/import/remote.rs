//! `assay import v3`: reports of another server, asked for one by one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::NaiveDate;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::import::{Historic, Import, Tally, reports};
use pipeline::store::Door;
use reqwest::{Url, header};
use schemas::ids::ReportId;
use serde::Deserialize;

use super::meter::Meter;
use super::site::Site;
use super::source;
use crate::cli::exit::{Class, Usage};
use crate::cli::patience::Patience;
use crate::cli::{Local, Said, Shape, printing};
use crate::config::units::duration;

const HELP: &str = "\
Which reports there are is told by one of these:
  --from, --until    URL is a collector: /v1/timestamp/Y/m/d lists the reports of
                     each day, and /v1/report/ID gives them
  --dist             URL is an API: /v3/summary/DIST lists the reports of a
                     distribution, and /v3/report/ID gives them
  --ids              URL is an API, and a file lists the ids, one a line

A report is stored under its own id, with the tester it names, and its time of
creation as the time of receipt. A row of cpanstats under that id gives way to it,
and keeps its number. Reports that are there are not asked for again.

It writes to the data directory itself; a server may run meanwhile. An import that
was stopped goes on with the day it was at.

Examples:
  assay import v3 https://collector.cpantesters.org --from 2026-05-01
  assay import v3 http://api.cpantesters.org --dist Moose --dist Try-Tiny";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Remote {
    /// The server's base address
    #[arg(value_name = "URL")]
    url: Url,
    /// First day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["dist", "ids"])]
    from: Option<NaiveDate>,
    /// Last day [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    until: Option<NaiveDate>,
    /// A distribution; may be said several times
    #[arg(long, value_name = "DIST", conflicts_with = "ids")]
    dist: Vec<String>,
    /// File of ids
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// How long to go on asking for one report while the server is away or busy
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    retry_for: Duration,
    /// Begin at the first day, whatever an earlier run has read
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    shape: Shape,
}

/// Reports in one transaction.
const BATCH: usize = 100;

pub async fn import(order: Remote, said: Said) -> anyhow::Result<Class> {
    if order.from.is_none() && order.dist.is_empty() && order.ids.is_none() {
        return Err(Usage("say which reports: --from DAY, --dist DIST or --ids FILE".to_owned()).into());
    }
    let site = Site::open(order.local, said).await?;
    let other = Other {
        http: reqwest::Client::builder()
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(120))
            .build()?,
        base: order.url.as_str().trim_end_matches('/').to_owned(),
        retry_for: order.retry_for,
    };
    let run =
        Run { import: site.import(source::name_of_address("v3", order.url.as_str())), other, jobs: order.jobs.into() };
    let told = || format!("{} is not imported whole", order.url);
    let tally = match (order.from, &order.ids) {
        (Some(from), _) => run.days(from, order.until, order.restart).await,
        (None, Some(path)) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("{} could not be read", path.display()))?;
            run.listed(text.lines().map(str::to_owned).collect()).await
        }
        (None, None) => run.distributions(&order.dist).await,
    };
    site.close(&tally.with_context(told)?, order.shape.json).await
}

struct Run {
    import: Import,
    other: Other,
    jobs: usize,
}

impl Run {
    async fn days(&self, from: NaiveDate, until: Option<NaiveDate>, restart: bool) -> anyhow::Result<Tally> {
        let until = until.unwrap_or_else(|| self.import.process.clock.now().date_naive());
        let kept = if restart { None } else { self.import.place().await? };
        // The day it was at is asked for again; what is there of it costs nothing.
        let begin = kept.and_then(|day| day.parse().ok()).filter(|day| (from..=until).contains(day)).unwrap_or(from);
        if begin > from {
            printing::note(&format!("going on with {begin}"));
        }
        let mut tally = Tally::default();
        for day in begin.iter_days().take_while(|day| *day <= until) {
            let path = format!("/v1/timestamp/{}", day.format("%Y/%m/%d"));
            let ids: Vec<String> = self.other.json(&path).await?.unwrap_or_default();
            tally.add(self.reports(&day.to_string(), ids, "/v1/report", &day.to_string()).await?);
        }
        self.import.keep("").await?;
        Ok(tally)
    }

    async fn distributions(&self, names: &[String]) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for name in names {
            let rows: Option<Vec<SummaryRow>> = self.other.json(&format!("/v3/summary/{name}")).await?;
            let Some(rows) = rows else {
                tally.skip(format!("there are no reports of {name}"));
                continue;
            };
            let ids = rows.into_iter().map(|row| row.guid).collect();
            tally.add(self.reports(name, ids, "/v3/report", "").await?);
        }
        Ok(tally)
    }

    async fn listed(&self, lines: Vec<String>) -> anyhow::Result<Tally> {
        let ids = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
        self.reports("ids", ids, "/v3/report", "").await
    }

    /// Asks for those reports that are not there in full.
    async fn reports(&self, name: &str, texts: Vec<String>, path: &str, place: &str) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut meter = Meter::begin(name, "reports", Some(texts.len() as u64));
        let mut position = 0;
        for chunk in texts.chunks(BATCH) {
            let mut ids: Vec<ReportId> = Vec::with_capacity(chunk.len());
            for text in chunk {
                match text.trim().parse() {
                    Ok(id) => ids.push(id),
                    Err(_) => tally.skip("the id is not a GUID"),
                }
            }
            let doors: HashMap<ReportId, String> = self.import.process.store.doors(&ids).await?.into_iter().collect();
            let full = |id: &ReportId| doors.get(id).is_some_and(|door| door != Door::Cpanstats.as_str());
            tally.unchanged += ids.iter().filter(|id| full(id)).count() as u64;
            ids.retain(|id| !full(id));
            tally.add(self.fetch(ids, path, place).await?);
            position += chunk.len() as u64;
            meter.advance(chunk.len() as u64, position);
        }
        meter.finish();
        Ok(tally)
    }

    async fn fetch(&self, ids: Vec<ReportId>, path: &str, place: &str) -> anyhow::Result<Tally> {
        let answers: Vec<(ReportId, Option<Vec<u8>>)> = stream::iter(ids)
            .map(|id| async move { anyhow::Ok((id, self.other.get(&format!("{path}/{id}")).await?)) })
            .buffered(self.jobs)
            .try_collect()
            .await?;
        let now = self.import.process.clock.now();
        let mut tally = Tally::default();
        let mut found: Vec<Historic> = Vec::with_capacity(answers.len());
        for (id, answer) in answers {
            match answer.map(|answer| reports::historic(id, &answer, now)) {
                None => tally.skip("the server lists the report and does not have it"),
                Some(Ok(report)) => found.push(report),
                Some(Err(unfit)) => tally.skip(unfit.to_string()),
            }
        }
        tally.add(self.import.store(found, place).await?);
        Ok(tally)
    }
}

/// What is used of a row of `/v3/summary`.
#[derive(Deserialize)]
struct SummaryRow {
    guid: String,
}

/// The other server.
struct Other {
    http: reqwest::Client,
    base: String,
    retry_for: Duration,
}

impl Other {
    async fn json<T: for<'de> Deserialize<'de>>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let Some(bytes) = self.get(path).await? else { return Ok(None) };
        let read = serde_json::from_slice(&bytes);
        Ok(Some(read.with_context(|| format!("the answer of {}{path} is not the list it should be", self.base))?))
    }

    /// `None` when it is not there. A server that is away or busy is asked again, later each time.
    async fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let address = format!("{}{path}", self.base);
        let mut patience = Patience::lasting(self.retry_for);
        loop {
            let answer = match self.http.get(&address).header(header::ACCEPT, "application/json").send().await {
                Ok(answer) => answer,
                Err(_) if patience.wait(None).await => continue,
                Err(error) => return Err(error).with_context(|| format!("{address} could not be asked")),
            };
            let wait = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            match answer.status().as_u16() {
                200 => match answer.bytes().await {
                    Ok(bytes) => return Ok(Some(bytes.to_vec())),
                    Err(_) if patience.wait(None).await => {}
                    Err(error) => return Err(error).with_context(|| format!("{address} broke off its answer")),
                },
                404 => return Ok(None),
                429 | 500.. if patience.wait(wait.map(Duration::from_secs)).await => {}
                status => bail!("{address} answered {status}"),
            }
        }
    }
}
