//! Views as people read them: facts above, a table below.

use schemas::grade::Counts;
use schemas::retention::DroppedView;
use schemas::views::{
    AttemptView, AuthorView, CellView, DistributionView, MatrixView, ReceiptView, ReleaseView, ReportView, SummaryView,
    TesterView,
};
use schemas::withdrawal::WithdrawnView;
use serde_json::Value;

use super::lists::{result_row, results_table, summaries_table, summary_row};
use super::tables::{self, Facts, Ink, Table};

pub fn report(view: ReportView) -> anyhow::Result<()> {
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
    facts.add("withdrawn", view.withdrawn.as_ref().map(withdrawn));
    facts.add("dropped", view.dropped.as_ref().map(dropped));
    facts.print()?;
    let missing = view.details.map(|details| details.prerequisites).unwrap_or_default();
    let mut table = Table::new(&["prerequisite", "phase", "need", "have"]);
    for one in missing.into_iter().filter(|one| one.satisfied == Some(false)) {
        table.row([one.name, one.phase, one.need, one.have.unwrap_or_else(|| "missing".to_owned())]);
    }
    table.print_unless_empty()
}

pub fn receipt(view: ReceiptView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("report", view.id);
    facts.add("state", view.state.as_str().to_owned());
    facts.add("reason", view.reason);
    facts.add("job", view.job.map(|job| job.to_string()));
    facts.add("received", view.received_at.to_rfc3339());
    facts.add("digest", view.digest);
    facts.add("revision", view.revision.to_string());
    facts.add("withdrawn", view.withdrawn.as_ref().map(withdrawn));
    facts.add("dropped", view.dropped.as_ref().map(dropped));
    facts.add("ahead of it", view.ahead.map(|ahead| ahead.to_string()));
    for refusal in view.refused {
        facts.add("refused", format!("{} of {}: {}", refusal.digest, refusal.received_at.to_rfc3339(), refusal.reason));
    }
    facts.print()?;
    attempts(view.attempts)
}

pub fn attempts(attempts: Vec<AttemptView>) -> anyhow::Result<()> {
    let mut table = Table::new(&["job", "attempt", "worker", "started", "outcome", "reason", "said"]);
    for one in attempts {
        let class = one.class.map(|class| class.as_str().to_owned());
        let outcome = class.or(one.outcome).unwrap_or_else(|| "under way".to_owned());
        let (reason, text) = (one.reason.unwrap_or_default(), one.text.unwrap_or_default());
        let (job, attempt, started) = (one.job.to_string(), one.attempt.to_string(), one.started_at.to_rfc3339());
        table.row([job, attempt, one.worker, started, outcome, reason, text]);
    }
    table.print_unless_empty()
}

/// That the bytes of a report are kept no longer, in a line.
fn dropped(view: &DroppedView) -> String {
    format!("at {}, with all bytes of reports received in {}", view.at.to_rfc3339(), view.month)
}

/// That a report was taken back, in a line.
pub fn withdrawn(view: &WithdrawnView) -> String {
    let WithdrawnView { kind, reason, by, at, body } = view;
    format!("{kind} by the {by} at {}, bytes {body}: {reason}", at.to_rfc3339())
}

pub fn release(view: ReleaseView) -> anyhow::Result<()> {
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

pub fn distribution(view: DistributionView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("distribution", view.distribution);
    facts.add("author", view.author);
    facts.add("reports", tables::brief(view.counts));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    summaries(view.releases)
}

pub fn author(view: AuthorView) -> anyhow::Result<()> {
    let mut facts = Facts::default();
    facts.add("author", view.author);
    facts.add("newest releases", tables::brief(view.counts));
    facts.add("fresh at", view.freshness.fresh_at.to_rfc3339());
    facts.print()?;
    summaries(view.distributions)
}

pub fn tester(view: TesterView) -> anyhow::Result<()> {
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

fn summaries(summaries: Vec<SummaryView>) -> anyhow::Result<()> {
    let mut table = summaries_table();
    summaries.iter().for_each(|summary| table.inked(summary_row(summary)));
    table.print_unless_empty()
}

/// Two axes become a grid; one or three become rows.
pub fn matrix(view: MatrixView) -> anyhow::Result<()> {
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
pub fn status(view: Value) -> anyhow::Result<()> {
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
