//! `assay job`: the work behind the reports, listed, shown, tried again, parked, and waited for.

use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use clap::{Args, Subcommand};
use reqwest::Method;
use schemas::views::jobs::{JobDetailView, JobState, JobView, RetriedView};
use schemas::views::{Freshness, Page};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::client::Client;
use crate::config::units::duration;

use super::exit::Class;
use super::reading::{Asked, print};
use super::tables::{Facts, Ink, Table};
use super::{Remote, Said, printing, shown};

const HELP: &str = "\
A job is a group of reports that are processed together. Each attempt at it is
kept: when, by which worker, and how it failed. A transient failure (a busy
database, a full disk) is tried again by itself, later each time. A permanent
one speaks against the reports: after three the job is cut up, and a report
that fails alone six times is parked until an operator tries it again.

Examples:
  assay job ls --state parked
  assay job show 4711
  assay job retry 4711
  assay job retry --all
  assay job park 4711 --reason 'made by a broken smoker'
  assay job drain --timeout 5m && systemctl stop assay";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Job {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// List jobs, newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Only those in this state: waiting, running, done or parked
        #[arg(long, value_name = "STATE", value_parser = ["waiting", "running", "done", "parked"])]
        state: Option<String>,
        /// Jobs on a page
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Cursor of the page to show, as the page before it tells
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show a job, each attempt at it, and its reports
    Show {
        /// The job's number
        number: i64,
        #[command(flatten)]
        asked: Asked,
    },
    /// Try parked reports again, or a job that waits for its next attempt at once; needs the scope admin
    Retry {
        /// The job's number
        #[arg(required_unless_present_any = ["all", "report"])]
        number: Option<i64>,
        /// Every report that is parked
        #[arg(long, conflicts_with_all = ["number", "report"])]
        all: bool,
        /// Only the report with this id
        #[arg(long, value_name = "ID", conflicts_with = "number")]
        report: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Park the reports of a job that have no outcome yet; needs the scope admin
    Park {
        /// The job's number
        number: i64,
        /// Why, for the senders of its reports to read
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Wait until no report waits or is being processed
    ///
    /// Reports that come in meanwhile are waited for, too: stop sending them first, or say --timeout. Parked ones are
    /// not waited for. Exit code 0 when nothing is left, 7 when time is up before.
    Drain {
        /// Give up after so long, such as 5m; without this, never
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
        /// The server to ask [default: client.server, http://127.0.0.1:8080]
        #[arg(long, value_name = "URL", help_heading = "Settings")]
        server: Option<String>,
        /// Print one JSON object at the end
        #[arg(long)]
        json: bool,
    },
}

pub async fn job(Job { order }: Job, said: Said) -> anyhow::Result<Class> {
    match order {
        Order::Ls { state, limit, after, asked } => {
            let limit = limit.map(|limit| limit.to_string());
            let query = [("state", state), ("limit", limit), ("after", after)];
            let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>();
            asked.show(said, &["v4", "jobs"], &query, list).await?;
        }
        Order::Show { number, asked } => {
            asked.show(said, &["v4", "jobs", &number.to_string()], &[], show).await?;
        }
        Order::Retry { all: true, asked, .. } => asked.order(said, &["v4", "jobs", "retry"], None, retried).await?,
        Order::Retry { report: Some(id), asked, .. } => {
            asked.order(said, &["v4", "reports", &id, "retry"], None, shown::receipt).await?;
        }
        Order::Retry { number, asked, .. } => {
            let number = number.expect("clap demands a number where there is nothing else").to_string();
            asked.order(said, &["v4", "jobs", &number, "retry"], None, show).await?;
        }
        Order::Park { number, reason, asked } => {
            let body = json!({"reason": reason});
            asked.order(said, &["v4", "jobs", &number.to_string(), "park"], Some(&body), show).await?;
        }
        Order::Drain { timeout, server, json } => {
            let client = Remote { server, token: None, token_file: None, timeout: None }.client(said)?;
            return drain(&client, timeout, json).await;
        }
    }
    Ok(Class::Done)
}

impl Asked {
    /// Gives an order, and prints the answer as it came or for people.
    async fn order<T: DeserializeOwned>(
        self,
        said: Said,
        path: &[&str],
        body: Option<&Value>,
        show: impl FnOnce(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let client = self.remote.client(said)?;
        let request = client.request(Method::POST, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = client.send(request, client.timeout()).await?;
        print(&answer, self.shape, show)
    }
}

fn list(page: Page<JobView>) -> anyhow::Result<()> {
    let names = ["job", "state", "reports", "parked", "attempts", "last failure", "opened", "tried again"];
    let mut table = Table::new(&names);
    for job in page.items {
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let cells = [
            job.size.to_string(),
            job.parked.to_string(),
            job.tries.to_string(),
            job.reason.unwrap_or_default(),
            time(job.created_at),
            job.retry_at.map(time).unwrap_or_default(),
        ];
        let first = [(job.number.to_string(), Ink::Plain), (job.state.as_str().to_owned(), ink(job.state))];
        table.inked(first.into_iter().chain(cells.map(|text| (text, Ink::Plain))));
    }
    table.print()?;
    if let Some(next) = page.next {
        printing::note(&format!("more: --after {next}"));
    }
    Ok(())
}

fn show(view: JobDetailView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    let job = view.job;
    facts.add("job", job.number.to_string());
    facts.inked("state", job.state.as_str().to_owned(), ink(job.state));
    facts.add("reports", job.size.to_string());
    facts.add("parked", (job.parked > 0).then(|| job.parked.to_string()));
    facts.add("opened", job.created_at.to_rfc3339());
    facts.add("settled", job.settled_at.map(|at| at.to_rfc3339()));
    facts.add("tried again", job.retry_at.map(|at| at.to_rfc3339()));
    facts.add("came out of", job.parent.map(|parent| format!("job {parent}")));
    let children: Vec<String> = view.children.iter().map(i64::to_string).collect();
    facts.add("went on in", (!children.is_empty()).then(|| children.join(" ")));
    facts.print()?;
    shown::attempts(view.attempts)?;
    let mut table = Table::new(&["report", "state", "reason"]);
    for one in view.reports {
        table.row([one.id, one.state.as_str().to_owned(), one.reason.unwrap_or_default()]);
    }
    table.print_unless_empty()
}

fn retried(view: RetriedView) -> anyhow::Result<()> {
    printing::line(&format!("{} reports are tried again, in {} jobs", view.reports, view.jobs))
}

fn ink(state: JobState) -> Ink {
    match state {
        JobState::Done => Ink::Good,
        JobState::Parked => Ink::Bad,
        JobState::Running => Ink::Odd,
        JobState::Waiting => Ink::Plain,
    }
}

/// How often a drain asks how much is left.
const LOOK: Duration = Duration::from_millis(500);

async fn drain(client: &Client, timeout: Option<Duration>, json: bool) -> anyhow::Result<Class> {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let freshness: Freshness = client.get(&["v4", "status"], &[]).await?.view()?;
        let waiting = freshness.waiting;
        let over = timeout.is_some_and(|limit| begun.elapsed() >= limit);
        if waiting > 0 && !over {
            if !json && told != Some(waiting) {
                printing::note(&format!("{waiting} reports wait or are being processed"));
                told = Some(waiting);
            }
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let drained = waiting == 0;
        let seconds = begun.elapsed().as_secs_f64();
        match (json, drained) {
            (true, _) => {
                printing::line(&json!({"drained": drained, "waiting": waiting, "seconds": seconds}).to_string())?
            }
            (false, true) => printing::line("nothing waits")?,
            (false, false) => printing::note(&format!("{waiting} reports are still not done after {seconds:.0} s")),
        }
        return Ok(if drained { Class::Done } else { Class::TimedOut });
    }
}
