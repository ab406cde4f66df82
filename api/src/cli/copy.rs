//! `assay copy`: a whole database is moved to another, and both are compared.

use std::time::Instant;

use anyhow::Context;
use clap::Args;
use pipeline::clock::Clock;
use pipeline::copy::{self, Compared, CopyError, Record};
use serde_json::json;

use super::exit::{Class, Usage};
use super::progress::Progress;
use super::tables::{Ink, Table};
use super::{Said, Shape, printing, serving};
use crate::config::{self, Database};
use crate::installation::Ends;

/// Both sides are there, and differ.
const DIFFERENT: Class = Class::Other;

const HELP: &str = "\
Reports with their bytes, ids, numbers and times, testers, tokens, counts and
change numbers stay as they are: receipts and links go on, and a mirror that
follows the change feed goes on from its cursor on the new database. Then all
rows of both sides are compared, by their number and a digest of each table.

Both databases have to be quiet and of this version: stop every assay on them
first. A target that is missing or empty is made ready; one that holds anything
else is left alone. The source is not changed. A copy that was cut short, by
Ctrl-C or worse, goes on where it was when the same command is given again; a
finished one is only told of.

Not copied: jobs, which workers queue again by themselves, and the search index,
which the first worker on the new database fills; to keep an index in a directory,
move the directory. PostgreSQL cannot hold NUL characters: in its texts U+FFFD
stands for each, and how many texts that is about is told.

Other users of this machine can see passwords in URLs: leave them to PGPASSWORD
or ~/.pgpass.

Exit codes: 0 both sides are equal; 1 they differ, or something went wrong;
2 the target holds something else; 8 a database is of another version; 9 an
assay works on one.

Examples:
  assay copy --from sqlite:///var/lib/assay/assay.db --to postgres://assay@db/assay
  assay copy --from postgres://assay@db/assay --to sqlite:///backup/assay.db
  assay copy --verify --from sqlite:///var/lib/assay/assay.db --to postgres://assay@db/assay";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Copy {
    /// The database to copy: sqlite://PATH or postgres://USER@HOST/NAME
    #[arg(long, value_name = "URL")]
    from: Database,
    /// The database to fill, which must be empty or hold an unfinished copy of the same source
    #[arg(long, value_name = "URL")]
    to: Database,
    /// Copy nothing, and only compare both
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    shape: Shape,
}

/// What was done before the comparison.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    copied: u64,
    resumed: bool,
}

pub async fn copy(Copy { from, to, verify, shape }: Copy, said: Said) -> anyhow::Result<Class> {
    serving::begin_logging(&config::load(&said.sources([]))?.log)?;
    if from == to {
        return Err(Usage(format!("source and target are the same database, {from}")).into());
    }
    let ends = Ends::open(&from, &to).await?;
    let begun = Instant::now();
    let told = match verify {
        true => Ok((Done::default(), Some(compare(&ends).await?))),
        false => moved(&ends, &from).await,
    };
    ends.close().await;
    let (done, compared) = told.map_err(|error| match error {
        error @ (CopyError::Occupied(_) | CopyError::OtherSource(_)) => Usage(format!("{to}: {error}")).into(),
        error => anyhow::Error::new(error).context(format!("{from} was not copied whole")),
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    match shape.json {
        true => show_json(&from, &to, done, compared.as_deref(), seconds),
        false => show(done, compared.as_deref(), seconds),
    }
}

/// Copies what is missing, and compares. Without a comparison, a finished copy was there.
async fn moved(ends: &Ends, from: &Database) -> Result<(Done, Option<Vec<Compared>>), CopyError> {
    let mut copy = copy::Copy::begin(&ends.source, &ends.target, &from.to_string(), Clock::System).await?;
    let (before, total) = (copy.record().rows, copy.total());
    if let Record { verified_at: Some(at), .. } = copy.record() {
        printing::note(&format!("copied and compared already at {}; --verify compares again", at.format("%F %T")));
        return Ok((Done { copied: 0, resumed: true }, None));
    }
    if before > 0 {
        printing::note(&format!("going on after {before} of {total} rows"));
    }
    let mut bar = Progress::begin("copying", total.saturating_sub(before));
    let run = copy.run(|at| bar.advance(at.rows - before, at.total.saturating_sub(before))).await;
    bar.finish();
    run?;
    let compared = compare(ends).await?;
    if compared.iter().all(Compared::equal) {
        copy.confirm().await?;
    }
    Ok((Done { copied: copy.record().rows - before, resumed: before > 0 }, Some(compared)))
}

async fn compare(ends: &Ends) -> Result<Vec<Compared>, CopyError> {
    let mut bar = Progress::begin("comparing", 0);
    let compared = copy::compare(&ends.source, &ends.target, |at| bar.advance(at.rows, at.total)).await;
    bar.finish();
    Ok(compared?)
}

fn show(done: Done, compared: Option<&[Compared]>, seconds: f64) -> anyhow::Result<Class> {
    let Some(compared) = compared else { return Ok(Class::Done) };
    let mut table = Table::new(&["table", "source", "target", "digest"]);
    for one in compared {
        let (digest, ink) = match one.equal() {
            true => (one.source.digest(), Ink::Good),
            false => ("differs".to_owned(), Ink::Bad),
        };
        let rows = |rows: u64| (rows.to_string(), Ink::Plain);
        table.inked([(one.table.to_owned(), ink), rows(one.source.rows), rows(one.target.rows), (digest, ink)]);
    }
    table.print()?;
    let rate = done.copied as f64 / seconds.max(0.001);
    printing::note(&format!("{} rows copied in {seconds:.1} s, {rate:.0}/s with comparing", done.copied));
    match nul_texts(compared) {
        0 => {}
        texts => printing::note(&format!("{texts} texts have NUL characters; PostgreSQL holds U+FFFD instead")),
    }
    Ok(class(compared))
}

fn show_json(
    from: &Database,
    to: &Database,
    done: Done,
    compared: Option<&[Compared]>,
    seconds: f64,
) -> anyhow::Result<Class> {
    let tables = compared.map(|compared| {
        let one = |one: &Compared| {
            json!({
                "table": one.table, "equal": one.equal(),
                "source": {"rows": one.source.rows, "digest": one.source.digest()},
                "target": {"rows": one.target.rows, "digest": one.target.digest()},
            })
        };
        compared.iter().map(one).collect::<Vec<_>>()
    });
    let told = json!({
        "from": from.to_string(), "to": to.to_string(), "copied": done.copied, "resumed": done.resumed,
        "equal": compared.map(|compared| compared.iter().all(Compared::equal)), "tables": tables,
        "nul_texts": compared.map(nul_texts), "seconds": seconds,
    });
    printing::json(&serde_json::to_vec(&told).context("the result could not be written as JSON")?)?;
    Ok(compared.map_or(Class::Done, class))
}

fn nul_texts(compared: &[Compared]) -> u64 {
    compared.iter().map(|one| one.nul_texts).sum()
}

fn class(compared: &[Compared]) -> Class {
    match compared.iter().all(Compared::equal) {
        true => Class::Done,
        false => DIFFERENT,
    }
}
