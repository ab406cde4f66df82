//! `assay import metabase`: the facts the predecessor keeps, as their testers sent them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use pipeline::import::facts::{self, Profiles, Unfit};
use pipeline::import::{Historic, Import, Tally};
use pipeline::store::{Predecessor, Profile};

use super::meter::Meter;
use super::site::Site;
use super::source;
use crate::cli::exit::Class;
use crate::cli::{Local, Said, Shape};

const HELP: &str = "\
SOURCE is a file that holds one fact, a directory of such files, or
mysql://USER:PASSWORD@HOST:PORT/DATABASE, whose table `metabase` is read by
ascending guid (its column `report`). A fact is JSON, compressed by zlib or not.
Sereal, in which the column `fact` is packed, is refused by name.

A fact is stored under its own guid, with its creator as the tester and its time
of creation as the time of receipt. A row of cpanstats under that guid gives way
to it, and keeps its number. What was submitted to this server is left.

Testers' names are in other facts: from MySQL they are read out of the table
`metabase_user`, otherwise from the CSV of --testers. Testers nobody names are
called Unknown until they register.

Examples:
  assay import metabase facts/ --testers metabase_user.csv
  assay import metabase mysql://reader@127.0.0.1:3306/metabase";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Facts {
    /// Files, directories, or mysql:// URLs
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
    /// CSV with the columns resource, fullname and email
    #[arg(long, value_name = "FILE")]
    testers: Option<PathBuf>,
    /// Begin at the first fact, whatever an earlier run has read
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    shape: Shape,
}

/// Facts in one transaction; they may be long.
const BATCH: usize = 100;

pub async fn import(order: Facts, said: Said) -> anyhow::Result<Class> {
    let testers = match &order.testers {
        Some(path) => named(path).with_context(|| format!("{} could not be read", path.display()))?,
        None => Profiles::default(),
    };
    let site = Site::open(order.local, said).await?;
    let mut tally = Tally::default();
    for name in &order.sources {
        let done = match source::is_database(name) {
            true => database(&site, name, testers.clone(), order.restart)
                .await
                .context("the database is not imported whole")?,
            false => files(&site, Path::new(name), &testers, order.restart)
                .await
                .with_context(|| format!("{name} is not imported whole"))?,
        };
        tally.add(done);
    }
    site.close(&tally, order.shape.json).await
}

/// A line of the table of testers.
#[derive(serde::Deserialize)]
struct Line {
    resource: String,
    fullname: String,
    #[serde(default)]
    email: Option<String>,
}

fn named(path: &Path) -> anyhow::Result<Profiles> {
    let mut reader = csv::Reader::from_path(path)?;
    let lines: Vec<Line> = reader.deserialize().collect::<Result<_, _>>()?;
    Ok(facts::profiles(lines.into_iter().map(|Line { resource, fullname, email }| Profile {
        resource,
        name: fullname,
        email,
    })))
}

async fn database(site: &Site, url: &str, mut testers: Profiles, restart: bool) -> anyhow::Result<Tally> {
    let import = site.import(source::name_of_address("metabase", url));
    let predecessor = Predecessor::connect(url).await.context("the database could not be connected to")?;
    testers.extend(facts::profiles(predecessor.profiles().await.context("testers could not be read")?));
    let kept = if restart { None } else { import.place().await? };
    let mut after = kept.unwrap_or_default();
    let mut meter = Meter::begin("metabase", "facts", None);
    let mut tally = Tally::default();
    let limit = u32::try_from(BATCH).expect("a batch is small");
    loop {
        let rows = predecessor.facts(&after, limit).await.context("facts could not be read")?;
        let Some(last) = rows.last() else { break };
        after = last.guid.clone();
        let stored: Vec<Vec<u8>> = rows.iter().filter_map(|row| row.report.clone()).collect();
        for _ in stored.len()..rows.len() {
            tally.skip("the column report is empty");
        }
        tally.add(batch(&import, stored, &testers, &after).await?);
        meter.advance(rows.len() as u64, 0);
    }
    // Guids come in no order of time: done, it begins anew next time.
    import.keep("").await?;
    meter.finish();
    predecessor.close().await;
    Ok(tally)
}

async fn files(site: &Site, path: &Path, testers: &Profiles, restart: bool) -> anyhow::Result<Tally> {
    let import = site.import(source::name("metabase", path));
    // In the order of their names, so that the last name done is a place.
    let mut found = BTreeSet::new();
    collect(path, &mut found)?;
    let done = if restart { String::new() } else { import.place().await?.unwrap_or_default() };
    let left: Vec<&PathBuf> = found.iter().filter(|file| file.to_string_lossy().as_ref() > done.as_str()).collect();
    let mut meter = Meter::begin(&path.display().to_string(), "facts", Some(left.len() as u64));
    let (mut tally, mut position) = (Tally::default(), 0);
    for some in left.chunks(BATCH) {
        let mut stored = Vec::with_capacity(some.len());
        for file in some {
            stored.push(std::fs::read(file).with_context(|| format!("{} could not be read", file.display()))?);
        }
        let place = some.last().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        tally.add(batch(&import, stored, testers, &place).await?);
        position += some.len() as u64;
        meter.advance(some.len() as u64, position);
    }
    import.keep("").await?;
    meter.finish();
    Ok(tally)
}

fn collect(path: &Path, found: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("{} could not be read", path.display());
    if !path.metadata().with_context(unreadable)?.is_dir() {
        found.insert(path.to_owned());
        return Ok(());
    }
    for entry in path.read_dir().with_context(unreadable)? {
        collect(&entry.with_context(unreadable)?.path(), found)?;
    }
    Ok(())
}

/// Stores the reports among facts; the others are counted by reason.
async fn batch(import: &Import, stored: Vec<Vec<u8>>, testers: &Profiles, place: &str) -> anyhow::Result<Tally> {
    let now = import.process.clock.now();
    let mut tally = Tally::default();
    let mut reports: Vec<Historic> = Vec::with_capacity(stored.len());
    for bytes in &stored {
        match facts::historic(bytes, testers, now) {
            Ok(report) => reports.push(report),
            Err(Unfit::Refused(refused)) => tally.skip(format!("the fact is no report: {}", shortened(&refused.0))),
            Err(unfit) => tally.skip(unfit.to_string()),
        }
    }
    tally.add(import.store(reports, place).await?);
    Ok(tally)
}

/// Refusals quote what they refuse; without the quotations, equal ones are counted together.
fn shortened(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join("…")
}
