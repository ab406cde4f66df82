//! `assay import cpanstats`: the rows of the predecessor's table of reports.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use pipeline::import::rows::{self, Damaged, Form, Rows};
use pipeline::import::{Historic, Import, Tally};
use pipeline::store::Predecessor;
use schemas::cpanstats::Row;

use super::meter::Meter;
use super::site::{Site, place, rows_done};
use super::source::{self, Source};
use crate::cli::exit::Class;
use crate::cli::{Local, Said, Shape, printing};

const HELP: &str = "\
SOURCE is a dump of the table (CSV, or tab-separated as MySQL writes it, compressed
by gzip or zstd or not), or mysql://USER:PASSWORD@HOST:PORT/DATABASE, which is read
by ascending id. A dump's first line may name its columns.

A row is stored as it is, in place of a report's text. It keeps its id as the
report's number where that is free, so that readers by number go on; its fulldate
becomes the time of receipt. A report that is there in a fuller form is left. Rows
that are no reports, or damaged beyond use, are left out and counted by reason.

It writes to the data directory itself; a server may run meanwhile. Importing
twice changes nothing, and an import that was stopped goes on where it was. From
MySQL, a later run reads the rows that are new; --restart also sees regraded ones.

Examples:
  assay import cpanstats cpanstats.tsv.gz
  assay import cpanstats mysql://reader@127.0.0.1:3306/cpanstats";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Cpanstats {
    /// A dump, or a mysql:// URL
    #[arg(value_name = "SOURCE")]
    source: String,
    /// How a dump writes its rows [default: by its first line]
    #[arg(long, value_name = "FORM")]
    form: Option<Written>,
    /// Begin at the first row, whatever an earlier run has read
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    shape: Shape,
}

/// How a dump writes its rows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    Csv,
    Tsv,
}

/// Rows in one transaction.
const BATCH: usize = 1000;

pub async fn import(order: Cpanstats, said: Said) -> anyhow::Result<Class> {
    let site = Site::open(order.local, said).await?;
    let tally = match source::is_database(&order.source) {
        true => database(&site, &order.source, order.restart).await.context("the database is not imported whole")?,
        false => {
            let path = PathBuf::from(&order.source);
            let told = || format!("{} is not imported whole", path.display());
            dump(&site, &path, order.form, order.restart).await.with_context(told)?
        }
    };
    site.close(&tally, order.shape.json).await
}

async fn database(site: &Site, url: &str, restart: bool) -> anyhow::Result<Tally> {
    let import = site.import(source::name_of_address("cpanstats", url));
    let predecessor = Predecessor::connect(url).await.context("the database could not be connected to")?;
    let mut after: i64 = match restart {
        true => 0,
        false => import.place().await?.and_then(|place| place.parse().ok()).unwrap_or(0),
    };
    let mut meter = Meter::begin("cpanstats", "rows", Some(predecessor.cpanstats_left(after).await?));
    let mut tally = Tally::default();
    let (mut read, limit) = (0, u32::try_from(BATCH).expect("a batch is small"));
    loop {
        let rows = predecessor.cpanstats(after, limit).await.context("rows could not be read")?;
        let Some(last) = rows.last().and_then(|row| row.id) else { break };
        after = last;
        let count = rows.len() as u64;
        read += count;
        let batch = reports(&import, rows, &mut tally);
        tally.add(import.store(batch, &after.to_string()).await?);
        meter.advance(count, read);
    }
    meter.finish();
    predecessor.close().await;
    Ok(tally)
}

async fn dump(site: &Site, path: &Path, form: Option<Written>, restart: bool) -> anyhow::Result<Tally> {
    let import = site.import(source::name("cpanstats", path));
    let mut source = Source::open(path)?;
    let (length, position) = (Some(source.length), source.position());
    let form = match form {
        Some(Written::Csv) => Form::Csv,
        Some(Written::Tsv) => Form::Tsv,
        None => first_line(&mut source)?,
    };
    let done = if restart { 0 } else { rows_done(import.place().await?, length) };
    if done > 0 {
        printing::note(&format!("{}: going on after row {done}", path.display()));
    }
    let mut meter = Meter::begin(&path.display().to_string(), "rows", length);
    let mut tally = Tally::default();
    let mut read = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let skipping = usize::try_from(done).context("the place kept is no number of rows")?;
    for row in Rows::open(source.reader, form)?.skip(skipping) {
        read += 1;
        match row {
            Ok(row) => batch.push(row),
            Err(damaged @ Damaged::Read(_)) => return Err(damaged.into()),
            Err(damaged) => tally.skip(damaged.to_string()),
        }
        if batch.len() == BATCH {
            let reports = reports(&import, std::mem::take(&mut batch), &mut tally);
            tally.add(import.store(reports, &place(done + read, length)).await?);
            meter.advance(BATCH as u64, position.bytes());
        }
    }
    meter.advance(batch.len() as u64, position.bytes());
    let reports = reports(&import, batch, &mut tally);
    tally.add(import.store(reports, "").await?);
    meter.finish();
    Ok(tally)
}

/// Tabs in the first line speak for MySQL's own form.
fn first_line(source: &mut Source) -> anyhow::Result<Form> {
    let read = source.reader.fill_buf().context("the file could not be read")?;
    let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(if line.contains(&b'\t') { Form::Tsv } else { Form::Csv })
}

/// The reports among rows; the others are counted by reason.
fn reports(import: &Import, rows: Vec<Row>, tally: &mut Tally) -> Vec<Historic> {
    let now = import.process.clock.now();
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        match rows::historic(row, now) {
            Ok(report) => found.push(report),
            Err(unfit) => tally.skip(unfit.to_string()),
        }
    }
    found
}
