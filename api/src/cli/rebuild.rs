//! `assay rebuild`: stored reports are read again, or what that would change is shown.

use std::cell::RefCell;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;
use pipeline::rebuild::{self, Group, Order, Shadow};
use pipeline::store::Selection;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::exit::{Class, Usage};
use super::progress::Progress;
use super::{Local, Said, Shape, printing, serving};
use crate::config::Settings;
use crate::installation::{self, Beginning, Indexing, Rebuilt};

const HELP: &str = "\
Every stored report is read again by this version's extractor; only rows that
come out otherwise are replaced, with their counts, and readers of the change
feed see exactly those. Run it after an upgrade whose notes say so, or when
`assay fsck` asks for it.

It works beside a running server, in small batches, and the server brings the
index up to date. What was cut short, by Ctrl-C or worse, goes on where it was
when the same command is given again. With --clear everything derived is thrown
away first, so no server may run, and mirrors of the feed have to begin anew.

Reports whose bytes are gone (`assay retention`) cannot be read again: their rows
stay as they are, counted, also with --clear, and how many is told.

With --index no report is read again: only the document index is made anew. In
a search engine it is filled beside the one that searches see, while servers
run, and takes its place when it is complete. One in a directory is emptied and
filled, so no server may run on it.

--distribution selects by what the rows say now: reports that cannot be read
belong to none.

Examples:
  assay rebuild --shadow                 what would change, changing nothing
  assay rebuild
  assay rebuild --index
  assay rebuild --distribution Mojolicious --release 9.35
  assay rebuild --since 2026-11-01 --until 2026-11-08 --json";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Rebuild {
    #[command(flatten)]
    local: Local,
    /// Only reports on this distribution
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Only reports on this version of the distribution
    #[arg(long, value_name = "VERSION", requires = "distribution")]
    release: Option<String>,
    /// Only reports received at this time or later (RFC 3339, or a date, in UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<DateTime<Utc>>,
    /// Only reports received before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// Throw away first what is derived: rows, counts, the index
    #[arg(long, conflicts_with_all = ["distribution", "since", "until", "shadow"])]
    clear: bool,
    /// Make only the document index anew, from the rows as they are
    #[arg(long, conflicts_with_all = ["distribution", "since", "until", "clear", "shadow", "resume", "restart"])]
    index: bool,
    /// Change nothing, and show what would change, by field, with examples
    #[arg(long, conflicts_with_all = ["resume", "restart"])]
    shadow: bool,
    /// Fail unless there is a rebuild of the same selection to go on with
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Begin with the first report, even where an earlier run was cut short
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    shape: Shape,
}

pub async fn rebuild(asked: Rebuild, said: Said) -> anyhow::Result<Class> {
    let Rebuild { local, distribution, release, since, until, clear, index, shadow, resume, restart, shape } = asked;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Usage(format!("nothing is received from {since} on and before {until}")).into());
    }
    let settings = local.settings(said)?;
    serving::begin_logging(&settings.log)?;
    let selection = Selection { distribution, version: release, since, until };
    let stop = interrupt();
    if index {
        return super::reindex::reindex(&settings, &stop, shape).await;
    }
    if shadow {
        return show_shadow(&seen(&settings, &selection, &stop).await?, shape);
    }
    let order = Order { selection, clear, restart };
    let bar = RefCell::new(Bar::default());
    let begun = |beginning: Beginning<'_>| bar.borrow_mut().begin(&beginning);
    let told = |progress: rebuild::Progress| bar.borrow_mut().advance(progress.reports);
    let done = installation::rebuild(&settings, &order, resume, &stop, begun, told).await?;
    let bar = bar.into_inner();
    let (resumed, seconds) = (bar.resumed, bar.seconds());
    bar.finish();
    show(&done, resumed, seconds, shape)
}

/// What would change, with a bar while it is read.
async fn seen(settings: &Settings, selection: &Selection, stop: &CancellationToken) -> anyhow::Result<Shadow> {
    let bar = RefCell::new(None);
    let begun = |total| drop(bar.borrow_mut().replace((Progress::begin("reading", total), total)));
    let told = |progress: rebuild::Progress| {
        if let Some((bar, total)) = bar.borrow_mut().as_mut() {
            bar.advance(progress.reports, *total);
        }
    };
    let shadow = installation::shadow(settings, selection, stop, begun, told).await;
    if let Some((bar, _)) = bar.into_inner() {
        bar.finish();
    }
    shadow
}

/// A moment: RFC 3339, or a date, which begins at midnight UTC.
fn moment(said: &str) -> Result<DateTime<Utc>, String> {
    let day = || said.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let moment = DateTime::parse_from_rfc3339(said).map(|at| at.to_utc()).or_else(|_| day());
    moment.map_err(|_| "expected a time such as 2026-11-21T08:00:00Z, or a date such as 2026-11-21".to_owned())
}

/// Cancelled by the first Ctrl-C, so that the batch under way is written; the second ends the process.
pub(super) fn interrupt() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        // Where signals cannot be listened for, Ctrl-C ends the process, which loses no more than the batch.
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.cancel();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    });
    stop
}

/// The bar of a rebuild, which does not count what earlier runs have done.
#[derive(Default)]
struct Bar {
    progress: Option<Progress>,
    begun: Option<std::time::Instant>,
    resumed: bool,
    before: u64,
    total: u64,
}

impl Bar {
    fn begin(&mut self, beginning: &Beginning<'_>) {
        let rebuild = beginning.rebuild;
        self.before = rebuild.reports.unsigned_abs();
        self.total = beginning.left;
        self.resumed = beginning.resumed;
        self.begun = Some(std::time::Instant::now());
        if beginning.resumed {
            printing::note(&format!(
                "going on with rebuild {} of {}: {} reports are read, {} are left",
                rebuild.number,
                rebuild.started_at.format("%Y-%m-%d %H:%M"),
                self.before,
                self.total
            ));
        }
        self.progress = Some(Progress::begin("reading", self.total));
    }

    fn advance(&mut self, reports: u64) {
        if let Some(progress) = &mut self.progress {
            progress.advance(reports.saturating_sub(self.before), self.total);
        }
    }

    fn seconds(&self) -> f64 {
        self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    fn finish(self) {
        if let Some(progress) = self.progress {
            progress.finish();
        }
    }
}

fn show(Rebuilt { rebuild, index }: &Rebuilt, resumed: bool, seconds: f64, shape: Shape) -> anyhow::Result<Class> {
    let complete = rebuild.ended_at.is_some();
    let class = if complete { Class::Done } else { Class::Other };
    let index = match index {
        Indexing::Done => "done",
        Indexing::Server => "server",
        Indexing::Later => "later",
        Indexing::Off => "off",
    };
    if shape.json {
        let told = json!({
            "number": rebuild.number, "extractor": rebuild.extractor, "selection": rebuild.selection,
            "reports": rebuild.reports, "skipped": rebuild.skipped, "changes": rebuild.changes, "complete": complete, "resumed": resumed,
            "cleared": rebuild.cleared, "index": index, "seconds": seconds,
        });
        printing::json(told.to_string().as_bytes())?;
        return Ok(class);
    }
    printing::line(&format!("{} reports read again, {} changes", rebuild.reports, rebuild.changes))?;
    if rebuild.skipped > 0 {
        printing::line(&format!("{} reports left as they are: their bytes are gone", rebuild.skipped))?;
    }
    match (complete, index) {
        (false, _) => printing::note("stopped; the same command goes on here"),
        (true, "server") => printing::note("the running server brings its index up to date"),
        (true, _) => {}
    }
    Ok(class)
}

fn show_shadow(shadow: &Shadow, shape: Shape) -> anyhow::Result<Class> {
    let class = if shadow.complete { Class::Done } else { Class::Other };
    if shape.json {
        printing::json(&serde_json::to_vec(shadow).context("the difference could not be written as JSON")?)?;
        return Ok(class);
    }
    let Shadow { extractor, reports, same, different, .. } = shadow;
    printing::line(&format!("extractor {extractor}: {reports} reports read, {same} the same, {different} different"))?;
    if shadow.skipped > 0 {
        printing::line(&format!("{} reports would stay as they are: their bytes are gone", shadow.skipped))?;
    }
    group("reports that would get a row", &shadow.appearing)?;
    group("rows that would be removed", &shadow.going)?;
    for (name, field) in &shadow.fields {
        printing::line(&format!("{name}: {} rows", field.reports))?;
        for example in &field.examples {
            let ids = example.group.ids.join(" ");
            let (old, new) = (plain(&example.old), plain(&example.new));
            printing::line(&format!("  {old} → {new}  in {}: {ids}", example.group.reports))?;
        }
    }
    if !shadow.complete {
        printing::note("stopped before the last report");
    }
    Ok(class)
}

fn group(name: &str, group: &Group) -> anyhow::Result<()> {
    match group.reports {
        0 => Ok(()),
        count => printing::line(&format!("{name}: {count}, such as {}", group.ids.join(" "))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => printing::one_line(text),
        value => printing::one_line(&value.to_string()),
    }
}
