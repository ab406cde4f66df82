//! `assay fsck`: what is stored is checked against itself, and mended where it can be.

use clap::Args;
use pipeline::fsck::{Check, Checked, Progress as Step, Report};

use super::exit::{self, Class};
use super::progress::Progress;
use super::tables::{Ink, Table};
use super::{Local, Said, Shape, printing, serving};
use crate::installation;

/// Some faults are left.
const FAULTY: Class = Class::Other;

/// Something could not be checked.
const UNCHECKED: Class = Class::Usage;

const HELP: &str = "\
Checks, in this order:
  bodies     every body unpacks and has the digest of its receipt
  orphans    bodies and rows have reports, and reports bodies, but for those that
             were purged or that retention has dropped; of the latter, rows are there
             and no bytes are left
  rows       processed reports have the row that is read out of their bytes;
             a sample of them, or all with --deep
  summaries, matrix, testers
             counts equal a recount of the rows
  sums       the matrix of each release adds up to its summaries
  authors    each release is whose its upload says, or the first of its reports
  changes    change numbers are given once, and none is above the counter
  jobs       what waits has a job, and jobs have something that waits
  index      the document index holds the rows and nothing else

It changes nothing, and works beside a running server. With --repair, what is
derived is made anew: rows, counts, authors, change numbers, jobs and the index,
the last only while no server runs. What cannot be derived, such as a damaged body, is
named with its report.

Exit codes: 0 no fault is left, 1 faults are left, 2 something could not be
checked.

Examples:
  assay fsck
  assay fsck --deep --json > fsck.json
  assay fsck --repair --only summaries,matrix,testers";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Fsck {
    #[command(flatten)]
    local: Local,
    /// Mend what can be derived
    #[arg(long)]
    repair: bool,
    /// Read every report again, not only a sample
    #[arg(long)]
    deep: bool,
    /// Make only these checks
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Check>,
    #[command(flatten)]
    shape: Shape,
}

pub async fn fsck(Fsck { local, repair, deep, only, shape }: Fsck, said: Said) -> anyhow::Result<Class> {
    let settings = local.settings(said)?;
    serving::begin_logging(&settings.log)?;
    let mut bar: Option<(Check, Progress)> = None;
    let told = |step: Step| {
        if bar.as_ref().is_none_or(|(check, _)| *check != step.check) {
            finish(bar.take());
            bar = Some((step.check, Progress::begin(step.check.as_str(), step.total)));
        }
        if let Some((_, progress)) = &mut bar {
            progress.advance(step.done, step.total);
        }
    };
    let checked = installation::fsck(&settings, installation::Fsck { repair, deep, only }, told).await;
    finish(bar);
    match checked {
        Ok(report) => show(&report, shape),
        Err(error) => {
            // Not class 1, which says that faults were found.
            exit::tell(&error);
            Ok(UNCHECKED)
        }
    }
}

fn finish(bar: Option<(Check, Progress)>) {
    if let Some((_, progress)) = bar {
        progress.finish();
    }
}

fn show(report: &Report, shape: Shape) -> anyhow::Result<Class> {
    if shape.json {
        printing::json(&serde_json::to_vec(report)?)?;
        return Ok(class(report));
    }
    let mut table = Table::new(&["check", "looked at", "faults", "repaired", "seconds"]);
    for one in &report.checks {
        let ink = match (one.left(), &one.failure) {
            (0, None) => Ink::Good,
            _ => Ink::Bad,
        };
        let plain = |number: u64| (number.to_string(), Ink::Plain);
        let faults = if one.failure.is_some() { "not checked".to_owned() } else { one.faults.to_string() };
        let seconds = (format!("{:.1}", one.seconds), Ink::Faint);
        table.inked([(one.name.to_string(), ink), plain(one.checked), (faults, ink), plain(one.repaired), seconds]);
    }
    table.print()?;
    report.checks.iter().try_for_each(details)?;
    Ok(class(report))
}

/// Faults, notes and failures of one check.
fn details(one: &Checked) -> anyhow::Result<()> {
    for fault in &one.examples {
        printing::line(&format!("{}: {}: {}", one.name, fault.about, printing::one_line(&fault.detail)))?;
    }
    let told = one.examples.len() as u64;
    if one.faults > told && one.left() > told {
        printing::line(&format!("{}: and {} more", one.name, one.left() - told))?;
    }
    if let Some(failure) = &one.failure {
        printing::line(&format!("{}: could not be checked: {failure}", one.name))?;
    }
    one.notes.iter().for_each(|note| printing::note(&format!("{}: {note}", one.name)));
    Ok(())
}

fn class(report: &Report) -> Class {
    if report.checks.iter().any(|one| one.failure.is_some()) {
        UNCHECKED
    } else if report.clean {
        Class::Done
    } else {
        FAULTY
    }
}
