//! `assay retention`: which old bytes are kept no longer, and dropping them.

use clap::Args;
use indicatif::HumanBytes;
use pipeline::clock::Clock;
use pipeline::retention::{Ending, Handled};
use pipeline::store::{BodyTable, DroppedMonth};
use serde_json::{Value, json};

use super::exit::Class;
use super::progress::Progress;
use super::tables::{Ink, Table};
use super::{Local, Said, Shape, printing, rebuild, serving};
use crate::config::Settings;
use crate::installation::{self, Kept};

const HELP: &str = "\
The settings retention.bodies and retention.superseded_bodies say for how many
whole months bytes are kept after the one their report was received in; 0, the
default, keeps them for ever. Workers drop what is older by themselves, a minute
after they start and every six hours. This command shows what would go, changing
nothing, and with --apply drops it now. It works beside running servers, and
what was cut short goes on at the next run.

Dropped are the bytes of reports as they were sent. What was read out of them
stays for ever: rows, counts, matrix, feed and lists. The text and the JSON as
sent are answered 410 from then on, and such a report cannot be read again by a
newer version. A month goes once all its reports have their outcome; one with
parked reports waits for them (`assay job ls --state parked`).

On PostgreSQL the space is free at once. SQLite's file keeps its size and fills
the freed pages with new reports; to make it smaller, stop the server and run
VACUUM with the sqlite3 shell.

Exit codes: 0 nothing is left that could go; 1 some of it is left for another
run, or something went wrong.

Examples:
  assay retention                               what would go
  assay retention --set retention.bodies=24     what would, with that setting
  assay retention --apply --json";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Retention {
    #[command(flatten)]
    local: Local,
    /// Drop what is kept no longer; without it nothing is changed
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    shape: Shape,
}

pub async fn retention(Retention { local, apply, shape }: Retention, said: Said) -> anyhow::Result<Class> {
    let settings = local.settings(said)?;
    serving::begin_logging(&settings.log)?;
    let (handled, kept) = match apply {
        false => (Vec::new(), installation::due(&settings).await?),
        true => {
            let stop = rebuild::interrupt();
            let mut bar = Progress::begin("dropping", 0);
            let retained = installation::retain(&settings, &stop, |gone, total| bar.advance(gone, total)).await;
            bar.finish();
            retained?
        }
    };
    let left = handled.iter().any(|one| matches!(one.ending, Ending::Busy | Ending::Stopped));
    match shape.json {
        true => printing::json(told(&settings, apply, &handled, &kept).to_string().as_bytes())?,
        false => show(&settings, apply, &handled, &kept)?,
    }
    Ok(if left { Class::Other } else { Class::Done })
}

fn told(settings: &Settings, applied: bool, handled: &[Handled], kept: &Kept) -> Value {
    let now = Clock::System.now();
    json!({
        "applied": applied, "policy": settings.retention,
        "first_kept": {
            "bodies": settings.retention.first_kept(BodyTable::Bodies, now),
            "superseded_bodies": settings.retention.first_kept(BodyTable::SupersededBodies, now),
        },
        "due": kept.due, "handled": handled, "dropped": kept.dropped,
    })
}

fn show(settings: &Settings, applied: bool, handled: &[Handled], kept: &Kept) -> anyhow::Result<()> {
    let now = Clock::System.now();
    for table in BodyTable::ALL {
        let words = match settings.retention.first_kept(table, now) {
            None => "kept for ever".to_owned(),
            Some(month) => format!("kept when received in {month} or later"),
        };
        printing::line(&format!("{}: {words}", name(table)))?;
    }
    show_handled(handled)?;
    show_due(kept)?;
    let (bodies, bytes) = sums(kept.due.iter().filter(|due| due.waiting == 0).map(|due| (due.bodies, due.bytes)));
    match (applied, bodies) {
        (false, 1..) => printing::line(&format!("{bodies} bodies, {bytes} would go; --apply drops them"))?,
        (false, _) => printing::line("nothing would go")?,
        (true, _) => {
            let (bodies, bytes) = sums(handled.iter().map(|one| (one.bodies, one.bytes)));
            printing::line(&format!("{bodies} bodies, {bytes} dropped"))?;
        }
    }
    let dropped = |one: &&DroppedMonth| one.table == BodyTable::Bodies && one.bodies > 0;
    let before: Vec<&DroppedMonth> = kept.dropped.iter().filter(dropped).collect();
    if let (Some(first), Some(last)) = (before.first(), before.last()) {
        let (bodies, bytes) = sums(before.iter().map(|one| (one.bodies, one.bytes)));
        printing::note(&format!("dropped so far: {bodies} bodies of {} to {}, {bytes}", first.month, last.month));
    }
    Ok(())
}

fn show_handled(handled: &[Handled]) -> anyhow::Result<()> {
    let mut table = Table::new(&["bytes of", "month", "bodies", "size", "ended"]);
    for one in handled.iter().filter(|one| one.bodies > 0 || one.ending != Ending::Dropped) {
        let (ended, ink) = match one.ending {
            Ending::Dropped => ("dropped", Ink::Good),
            Ending::Waiting => ("waits for reports without an outcome", Ink::Odd),
            Ending::Busy => ("in use by others, left for another run", Ink::Odd),
            Ending::Stopped => ("stopped", Ink::Odd),
        };
        let [of, month, bodies, size] = cells(one.table, &one.month, one.bodies, one.bytes);
        table.inked([of, month, bodies, size, (ended.to_owned(), ink)]);
    }
    table.print_unless_empty()
}

fn show_due(kept: &Kept) -> anyhow::Result<()> {
    let mut table = Table::new(&["bytes of", "month", "bodies", "size", "goes"]);
    for due in &kept.due {
        let (goes, ink) = match due.waiting {
            0 => ("yes".to_owned(), Ink::Plain),
            waiting => (format!("waits for {waiting} reports without an outcome"), Ink::Odd),
        };
        let [of, month, bodies, size] = cells(due.table, &due.month, due.bodies, due.bytes);
        table.inked([of, month, bodies, size, (goes, ink)]);
    }
    table.print_unless_empty()
}

fn cells(table: BodyTable, month: &impl ToString, bodies: i64, bytes: i64) -> [(String, Ink); 4] {
    let size = HumanBytes(bytes.unsigned_abs()).to_string();
    [name(table).to_owned(), month.to_string(), bodies.to_string(), size].map(|text| (text, Ink::Plain))
}

fn name(table: BodyTable) -> &'static str {
    match table {
        BodyTable::Bodies => "reports",
        BodyTable::SupersededBodies => "superseded revisions",
    }
}

/// How many bodies, and their size in words.
fn sums(counts: impl Iterator<Item = (i64, i64)>) -> (i64, String) {
    let (bodies, bytes) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (bodies, HumanBytes(bytes.unsigned_abs()).to_string())
}
