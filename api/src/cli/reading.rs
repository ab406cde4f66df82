//! Commands that show one thing: a report, a receipt, a release, a distribution, an author, a tester, a matrix.

use clap::Args;
use schemas::grade::Counts;
use schemas::views::{
    AuthorView, CellView, DistributionView, MatrixView, ReceiptView, ReleaseView, ReportView, SummaryView, TesterView,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Answer, Client};

use super::exit::Usage;
use super::lists::{result_row, results_table, summary_row};
use super::tables::{self, Facts, Ink, Table};
use super::{Remote, Said, Shape, printing};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  assay report 0b45cd74-d944-4999-9c3d-c81021ca3d34
  assay report 0b45cd74-d944-4999-9c3d-c81021ca3d34 --text | less")]
pub struct Report {
    /// The report's id
    id: String,
    /// Print the text that people read
    #[arg(long, conflicts_with_all = ["raw", "json"])]
    text: bool,
    /// Print the bytes as they were submitted
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "States: spooled, accepted, processing, then processed, rejected or parked.")]
pub struct Receipt {
    /// The report's id
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  assay release Mojolicious 9.31")]
pub struct Release {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    /// Version; without it, the newest
    version: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Distribution {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Author {
    /// CPAN author id
    author: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Tester {
    /// The tester's public id
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "P pass, F fail, N na, U unknown.

Examples:
  assay matrix Mojolicious 9.31
  assay matrix Mojolicious --axes version,os
  assay matrix Mojolicious --axes version,language_version,architecture --json")]
pub struct Matrix {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    /// Version; without it, all versions together
    version: Option<String>,
    /// One to three of version, language_version, os, architecture
    #[arg(long, value_name = "AXES", value_delimiter = ',', default_values = ["language_version", "os"],
          value_parser = ["version", "language_version", "os", "architecture"])]
    axes: Vec<String>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    asked: Asked,
}

/// Whom to ask and how to print the answer.
#[derive(Args, Debug)]
pub struct Asked {
    #[command(flatten)]
    pub shape: Shape,
    #[command(flatten)]
    pub remote: Remote,
}

pub async fn report(Report { id, text, raw, asked }: Report, said: Said) -> anyhow::Result<()> {
    match (text, raw) {
        (true, _) => {
            let client = asked.remote.client(said)?;
            let answer = client.get(&["v4", "reports", &id, "text"], &[]).await?;
            printing::print(printing::harmless(&String::from_utf8_lossy(&answer.body)).as_bytes())
        }
        (_, true) => {
            let client = asked.remote.client(said)?;
            let mut chunks = client.stream(&["v4", "reports", &id, "raw"], &[], "*/*").await?;
            while let Some(chunk) = chunks.next().await? {
                printing::print(&chunk)?;
            }
            Ok(())
        }
        _ => asked.show(said, &["v4", "reports", &id], &[], show_report).await,
    }
}

pub async fn receipt(Receipt { id, asked }: Receipt, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "reports", &id, "receipt"], &[], show_receipt).await
}

pub async fn release(Release { distribution, version, asked }: Release, said: Said) -> anyhow::Result<()> {
    let distribution = distribution_name(&distribution);
    let Asked { shape, remote } = asked;
    let client = remote.client(said)?;
    let version = match version {
        Some(version) => version,
        None => newest(&client, &distribution).await?,
    };
    let answer = client.get(&["v4", "releases", &distribution, &version], &[]).await?;
    print(&answer, shape, show_release)
}

pub async fn distribution(Distribution { distribution, asked }: Distribution, said: Said) -> anyhow::Result<()> {
    let name = distribution_name(&distribution);
    asked.show(said, &["v4", "distributions", &name], &[], show_distribution).await
}

pub async fn author(Author { author, asked }: Author, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "authors", &author], &[], show_author).await
}

pub async fn tester(Tester { id, asked }: Tester, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "testers", &id], &[], show_tester).await
}

pub async fn matrix(Matrix { distribution, version, axes, asked }: Matrix, said: Said) -> anyhow::Result<()> {
    if axes.len() > 3 {
        return Err(Usage("a matrix has one to three axes".to_owned()).into());
    }
    let name = distribution_name(&distribution);
    let mut path = vec!["v4", "matrix", &name];
    path.extend(version.as_deref());
    asked.show(said, &path, &[("axes", axes.join(","))], show_matrix).await
}

pub async fn status(Status { asked }: Status, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "status"], &[], show_status).await
}

impl Asked {
    /// Asks, and prints the answer as it came or for people.
    async fn show<T: DeserializeOwned>(
        self,
        said: Said,
        path: &[&str],
        query: &[(&str, String)],
        show: impl FnOnce(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self.remote.client(said)?.get(path, query).await?;
        print(&answer, self.shape, show)
    }
}

fn print<T: DeserializeOwned>(
    answer: &Answer,
    shape: Shape,
    show: impl FnOnce(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Read in either case: a proxy's page with status 200 is no answer, and is not passed on as JSON.
    let view = answer.view()?;
    match shape.json {
        true => printing::json(&answer.body),
        false => show(view),
    }
}

async fn newest(client: &Client, distribution: &str) -> anyhow::Result<String> {
    let answer = client.get(&["v4", "distributions", distribution], &[]).await?;
    let view: DistributionView = answer.view()?;
    let newest = view.releases.into_iter().next();
    Ok(newest.ok_or_else(|| Usage(format!("{distribution} has no release with reports")))?.version)
}

/// People say the module's name as often.
fn distribution_name(said: &str) -> String {
    said.replace("::", "-")
}

fn show_report(view: ReportView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("report", view.id);
    facts.add("state", view.state.as_str().to_owned());
    if let Some(result) = view.result {
        facts.add("release", format!("{} {}", result.distribution, result.version));
        facts.add("author", result.author);
        facts.inked("grade", result.grade.to_string(), Ink::of(result.grade));
        if let Some(reason) = result.reason {
            let code = serde_json::to_value(reason.code)?;
            let detail = reason.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            facts.add("reason", format!("{}{detail}", code.as_str().unwrap_or_default()));
        }
        facts.add("language", format!("{} {}", result.language, result.language_version));
        facts.add("system", format!("{} {} ({})", result.osname, result.os_version, result.architecture));
        facts.add("tester", format!("{} ({})", result.tester, result.tester_id));
        facts.add("made", result.created_at.to_rfc3339());
    }
    if let Some(details) = &view.details {
        facts.add("client", details.user_agent.clone());
        facts.add("failing", (!details.failing_files.is_empty()).then(|| details.failing_files.join(" ")));
    }
    facts.add("received", format!("{} by door {}", view.received_at.to_rfc3339(), view.door));
    facts.add("bytes", format!("{}, SHA-256 {}", view.size, view.digest));
    facts.add("revision", (view.revision > 1).then(|| view.revision.to_string()));
    facts.print()?;
    let missing = view.details.map(|details| details.prerequisites).unwrap_or_default();
    let mut table = Table::new(&["prerequisite", "phase", "need", "have"]);
    for one in missing.into_iter().filter(|one| one.satisfied == Some(false)) {
        table.row([one.name, one.phase, one.need, one.have.unwrap_or_else(|| "missing".to_owned())]);
    }
    table.print_unless_empty()
}

fn show_receipt(view: ReceiptView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("report", view.id);
    facts.add("state", view.state.as_str().to_owned());
    facts.add("reason", view.reason);
    facts.add("received", view.received_at.to_rfc3339());
    facts.add("digest", view.digest);
    facts.add("revision", view.revision.to_string());
    facts.print()?;
    let mut table = Table::new(&["attempt", "worker", "started", "outcome", "said"]);
    for one in view.attempts {
        let outcome = one.outcome.unwrap_or_else(|| "under way".to_owned());
        let started = one.started_at.to_rfc3339();
        table.row([one.attempt.to_string(), one.worker, started, outcome, one.text.unwrap_or_default()]);
    }
    table.print_unless_empty()
}

fn show_release(view: ReleaseView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("release", format!("{} {}", view.summary.distribution, view.summary.version));
    facts.add("author", view.summary.author);
    facts.add("maturity", view.summary.maturity);
    facts.add("released", view.released_at.map(|at| at.to_rfc3339()));
    facts.add("testers", view.testers.to_string());
    facts.add("newest report", view.last_report_at.map(|at| at.to_rfc3339()));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    let mut table = Table::new(&["language is", "pass", "fail", "na", "unknown"]);
    for one in view.partitions {
        let patched = if one.patched { ", patched" } else { "" };
        let name = format!("{}{patched}", one.language_maturity);
        table.inked([(name, Ink::Plain)].into_iter().chain(tables::counts(one.counts)));
    }
    let all = ("all".to_owned(), Ink::Plain);
    table.inked([all].into_iter().chain(tables::counts(view.summary.counts)));
    table.print()
}

fn show_distribution(view: DistributionView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("distribution", view.distribution);
    facts.add("author", view.author);
    facts.add("reports", tables::brief(view.counts));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    show_summaries(view.releases)
}

fn show_author(view: AuthorView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("author", view.author);
    facts.add("newest releases", tables::brief(view.counts));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    show_summaries(view.distributions)
}

fn show_tester(view: TesterView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("tester", format!("{} ({})", view.name, view.id));
    facts.add("reports", tables::brief(view.counts));
    facts.add("first", view.first_report_at.map(|at| at.to_rfc3339()));
    facts.add("newest", view.last_report_at.map(|at| at.to_rfc3339()));
    facts.print()?;
    let mut table = results_table();
    view.recent.iter().for_each(|result| table.inked(result_row(result)));
    table.print_unless_empty()
}

fn show_summaries(summaries: Vec<SummaryView>) -> anyhow::Result<()> {
    let mut table = super::lists::summaries_table();
    summaries.iter().for_each(|summary| table.inked(summary_row(summary)));
    table.print_unless_empty()
}

/// Two axes become a grid; one or three become rows.
fn show_matrix(view: MatrixView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("matrix", format!("{} {}", view.distribution, view.version.as_deref().unwrap_or("(all versions)")));
    facts.add("reports", tables::brief(view.totals));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    match view.axes.as_slice() {
        [down, across] => grid(&view.cells, down, across).print_unless_empty(),
        _ => rows(&view).print_unless_empty(),
    }
}

fn grid(cells: &[CellView], down: &str, across: &str) -> Table {
    let columns = values(cells, across);
    let header = std::iter::once(format!("{down} \\ {across}")).chain(columns.iter().map(|name| name.to_string()));
    let mut table = Table::with_header(header);
    for name in values(cells, down) {
        let of = |column: &&str| {
            let here = cells.iter().filter(|cell| axis(cell, down) == name && axis(cell, across) == *column);
            let counts = here.fold(Counts::default(), |sum, cell| sum + cell.counts);
            (tables::brief(counts), Ink::of_counts(counts))
        };
        let row = columns.iter().map(of);
        table.inked(std::iter::once((name.to_owned(), Ink::Plain)).chain(row));
    }
    table
}

fn rows(view: &MatrixView) -> Table {
    let grades = ["pass", "fail", "na", "unknown"].map(str::to_owned);
    let mut table = Table::with_header(view.axes.iter().cloned().chain(grades));
    for cell in &view.cells {
        let names = view.axes.iter().map(|name| (axis(cell, name).to_owned(), Ink::Plain));
        table.inked(names.chain(tables::counts(cell.counts)));
    }
    table
}

/// The different values of an axis, in the server's order.
fn values<'a>(cells: &'a [CellView], name: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for value in cells.iter().map(|cell| axis(cell, name)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn axis<'a>(cell: &'a CellView, name: &str) -> &'a str {
    let value = match name {
        "version" => &cell.version,
        "language_version" => &cell.language_version,
        "os" => &cell.os,
        _ => &cell.architecture,
    };
    value.as_deref().unwrap_or_default()
}

/// Whatever a server of this or a later version tells of itself.
fn show_status(view: Value) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    flatten("", &view, &mut facts);
    facts.print()
}

fn flatten(name: &str, value: &Value, facts: &mut Facts) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dotted = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&dotted, value, facts);
            }
        }
        Value::String(text) => facts.add(name, text.clone()),
        Value::Null => {}
        other => facts.add(name, other.to_string()),
    }
}
