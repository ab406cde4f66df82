//! `assay import uploads`: what was released, by whom and when.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::Context;
use chrono::DateTime;
use clap::Args;
use pipeline::uploads::{self, Stored};
use reqwest::Url;
use schemas::uploads::{Kind, Upload, metacpan, package, released_at};
use serde_json::json;

use super::meter::Meter;
use super::site::Site;
use super::source::{self, Source};
use crate::cli::exit::Class;
use crate::cli::patience::Patience;
use crate::cli::{Local, Said, Shape, printing};
use crate::upstream::{Place, Upstream};

const HELP: &str = "\
SOURCE is what its content says it is, compressed by gzip or zstd or not:
  MetaCPAN's release search   a file of its JSON, or its URL, which is read page by page
  02packages.details.txt.gz   what is on CPAN now; it tells no times
  CSV                         a line of names, then author, filename, released, type,
                              and dist and version where they are known
An upload is authoritative over what reports tell of author and archive of their
release. Of two archives of one name and version the one released first counts;
the others are told. What is missing in a source is not taken for deleted: a
deletion is told by MetaCPAN's status `backpan`, or a CSV's type.

It writes to the data directory itself; a server may run meanwhile. Importing
twice changes nothing, and a URL is gone on with where an import was stopped.

Examples:
  assay import uploads 02packages.details.txt.gz
  assay import uploads https://fastapi.metacpan.org/v1/release/_search";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Uploads {
    /// Files, and URLs of release searches
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
    /// Read a URL from its first release on, whatever an earlier run has read
    #[arg(long)]
    restart: bool,
    /// How long to go on asking while a server is away or busy
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = crate::config::units::duration)]
    retry_for: std::time::Duration,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    shape: Shape,
}

/// Uploads stored at a time.
const BATCH: usize = 1000;

pub async fn import(order: Uploads, said: Said) -> anyhow::Result<Class> {
    let site = Site::open(order.local, said).await?;
    let mut all = Stored::default();
    for name in &order.sources {
        let told = || format!("{name} is not imported whole");
        let stored = match Url::parse(name) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                pages(&site, url, order.restart, order.retry_for).await.with_context(told)?
            }
            _ => file(&site, Path::new(name)).await.with_context(told)?,
        };
        all.add(stored);
    }
    site.process.store.close().await;
    for collision in uploads::told(&all.collisions) {
        printing::note(&collision);
    }
    let counts = json!({
        "new": all.new.len(), "changed": all.changed.len(), "unchanged": all.same,
        "collisions": all.collisions.len(), "releases": all.releases,
    });
    match order.shape.json {
        true => printing::json(counts.to_string().as_bytes())?,
        false => printing::line(&format!(
            "{} new, {} changed, {} unchanged, {} of a name another archive has; {} releases follow them",
            all.new.len(),
            all.changed.len(),
            all.same,
            all.collisions.len(),
            all.releases
        ))?,
    }
    Ok(Class::Done)
}

async fn pages(site: &Site, url: Url, restart: bool, retry_for: std::time::Duration) -> anyhow::Result<Stored> {
    let import = site.import(source::name_of_address("uploads", url.as_str()));
    let kept = if restart { None } else { import.place().await? };
    let begin = kept.and_then(|at| released_at(&at)).unwrap_or(DateTime::UNIX_EPOCH);
    let upstream = Upstream::new(url.clone())?;
    let mut meter = Meter::begin(url.host_str().unwrap_or("upstream"), "uploads", None);
    let mut all = Stored::default();
    let mut place = Some(Place::at(begin));
    while let Some(here) = place {
        let mut patience = Patience::lasting(retry_for);
        let (page, next) = loop {
            match upstream.page(&here).await {
                Ok(page) => break page,
                Err(error) if error.transient() && patience.wait(None).await => {}
                Err(error) => return Err(error.into()),
            }
        };
        meter.advance(page.uploads.len() as u64, 0);
        all.add(uploads::store(&site.process, page.uploads).await?);
        // Done, it begins anew next time: only so are deletions of old releases seen.
        import.keep(&next.as_ref().map(|next| next.at.to_rfc3339()).unwrap_or_default()).await?;
        place = next;
    }
    meter.finish();
    Ok(all)
}

async fn file(site: &Site, path: &Path) -> anyhow::Result<Stored> {
    let mut source = Source::open(path)?;
    let position = source.position();
    let mut meter = Meter::begin(&path.display().to_string(), "uploads", Some(source.length));
    let mut all = Stored::default();
    let first = source.reader.fill_buf().context("the file could not be read")?.trim_ascii_start().to_vec();
    if first.starts_with(b"{") || first.starts_with(b"[") {
        let mut bytes = Vec::new();
        source.reader.read_to_end(&mut bytes).context("the file could not be read")?;
        let page = metacpan(&bytes).context("the file is not the answer of a release search")?;
        for batch in page.uploads.chunks(BATCH) {
            all.add(uploads::store(&site.process, batch.to_vec()).await?);
            meter.advance(batch.len() as u64, position.bytes());
        }
        meter.finish();
        return Ok(all);
    }
    let found: Box<dyn Iterator<Item = anyhow::Result<Upload>> + Send> = match first.starts_with(b"File:") {
        true => Box::new(packages(source.reader)),
        false => Box::new(table(source.reader)?),
    };
    let mut batch = Vec::with_capacity(BATCH);
    for upload in found {
        batch.push(upload?);
        if batch.len() == BATCH {
            meter.advance(BATCH as u64, position.bytes());
            all.add(uploads::store(&site.process, std::mem::take(&mut batch)).await?);
        }
    }
    meter.advance(batch.len() as u64, position.bytes());
    all.add(uploads::store(&site.process, batch).await?);
    meter.finish();
    Ok(all)
}

/// The archives of an index, each once: a distribution has a line for each of its modules.
fn packages(reader: Box<dyn BufRead + Send>) -> impl Iterator<Item = anyhow::Result<Upload>> + Send {
    let mut last: Option<Upload> = None;
    reader.split(b'\n').filter_map(move |line| match line {
        Err(error) => Some(Err(anyhow::Error::new(error).context("the index could not be read"))),
        Ok(line) => {
            let upload = package(&String::from_utf8_lossy(&line))?;
            (last.as_ref() != Some(&upload)).then(|| {
                last = Some(upload.clone());
                Ok(upload)
            })
        }
    })
}

/// A line of the table; empty texts stand for columns it lacks.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Line {
    #[serde(alias = "distribution")]
    dist: String,
    version: String,
    author: String,
    #[serde(alias = "archive")]
    filename: String,
    #[serde(alias = "released_at", alias = "date")]
    released: String,
    #[serde(alias = "kind", alias = "status")]
    r#type: String,
}

fn table(reader: Box<dyn BufRead + Send>) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Upload>> + Send> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let names = reader.headers().context("the file could not be read")?;
    if !names.iter().any(|name| name == "author") || !names.iter().any(|name| matches!(name, "filename" | "archive")) {
        anyhow::bail!("it is neither JSON nor 02packages, and a CSV needs a first line with author and filename");
    }
    Ok(reader.into_deserialize().filter_map(|line: csv::Result<Line>| match line {
        Err(error) => Some(Err(anyhow::Error::new(error).context("a line of the CSV could not be read"))),
        Ok(line) => named(line).map(Ok),
    }))
}

/// The table's own names win over those read out of the archive's. Lines without an archive are provisional: nobody
/// uploaded them (contract §3.2).
fn named(line: Line) -> Option<Upload> {
    let kind = Kind::read(&line.r#type);
    let read = Upload::of_archive(&line.author, &line.filename, released_at(&line.released), kind);
    if line.dist.is_empty() {
        return read;
    }
    let version = if line.version.is_empty() { "0".to_owned() } else { line.version };
    let sound = |text: &str| !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    (sound(&line.dist) && sound(&version) && sound(&line.author) && sound(&line.filename)).then(|| Upload {
        distribution: line.dist,
        version,
        author: line.author,
        filename: line.filename,
        released_at: released_at(&line.released),
        kind,
    })
}
