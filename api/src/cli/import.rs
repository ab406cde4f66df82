//! `assay import`: a great many reports from files of lines, several batches under way, resumable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::config::Server;
use crate::config::units::duration;

use self::bookmark::Bookmark;
use self::lines::{Batch, Lines};
use self::progress::Progress;
use self::rejects::Rejects;
use self::sending::{Fate, Sending};
use super::exit::{Class, Usage};
use super::{Remote, Said, printing};

mod bookmark;
mod cpanstats;
mod facts;
mod lines;
mod meter;
mod progress;
mod rejects;
mod remote;
mod sending;
mod site;
mod source;
mod uploads;

const HELP: &str = "\
A FILE has one v3 report on each line; it may be compressed by gzip or zstd; `-`
is stdin. A report without an id is given one made of its content, so importing
a file twice counts it once.

An import that was stopped goes on where it was: the place is kept for each file
and server, with a digest of what lies before it, in $XDG_STATE_HOME/assay/import.
Lines that the server refuses are written to FILE.rejected.ndjson, each with its
number and the reason.

Examples:
  assay import reports.ndjson.zst
  assay import a.gz b.gz --jobs 8 --server https://assay.example.org
  zcat reports.ndjson.gz | assay import - --rejected refused.ndjson
  assay import cpanstats --help      another server's history, on the data directory

Exit code 0 when all lines are there, 4 when some were refused; else the code of
what stopped it, and the same command resumes it.";

#[derive(Args, Debug)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Import {
    #[command(subcommand)]
    history: Option<History>,
    /// Files of lines; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Begin at the first line, whatever an earlier run has sent
    #[arg(long)]
    restart: bool,
    /// Batches under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Most reports in one batch
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// How long to go on trying one batch while the server is away or busy
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    retry_for: Duration,
    /// Where refused lines go [default: FILE.rejected.ndjson; import.rejected.ndjson for stdin]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What is brought over from other servers, on the data directory itself.
#[derive(Debug, Subcommand)]
enum History {
    /// What was released: MetaCPAN's search, 02packages, CSV
    Uploads(uploads::Uploads),
    /// Rows of the predecessor's table of reports: a dump, or MySQL
    Cpanstats(cpanstats::Cpanstats),
    /// Facts the predecessor keeps: files, or MySQL
    Metabase(facts::Facts),
    /// Reports of another server, asked for one by one
    V3(remote::Remote),
}

/// How many lines ended how. A line counts once, under the outcome the server gave it last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub accepted: u64,
    pub duplicate: u64,
    pub corrected: u64,
    pub rejected: u64,
}

pub async fn import(import: Import, said: Said) -> anyhow::Result<Class> {
    match import.history {
        Some(History::Uploads(order)) => return uploads::import(order, said).await,
        Some(History::Cpanstats(order)) => return cpanstats::import(order, said).await,
        Some(History::Metabase(order)) => return facts::import(order, said).await,
        Some(History::V3(order)) => return remote::import(order, said).await,
        None => {}
    }
    let inputs: Vec<_> = import.files.iter().filter(|path| path.as_os_str() == "-").collect();
    if inputs.len() > 1 {
        return Err(Usage("stdin can be read only once".to_owned()).into());
    }
    if import.rejected.is_some() && import.files.len() > 1 {
        return Err(Usage("--rejected takes the refused lines of one FILE".to_owned()).into());
    }
    let server = import.remote.server(said)?;
    let sending = Sending { client: Client::new(&server)?, retry_for: import.retry_for };
    let run = Run {
        server,
        sending,
        jobs: import.jobs.into(),
        batch: import.batch.into(),
        restart: import.restart,
        rejected: import.rejected,
    };
    let mut tallies = BTreeMap::new();
    for path in &import.files {
        let tally = run.file(path).await.with_context(|| format!("{} is not imported whole", path.display()))?;
        if !import.json {
            printing::line(&format!("{}: {}", path.display(), tally.told()))?;
        }
        tallies.insert(path.display().to_string(), tally);
    }
    if import.json {
        let total = tallies.values().fold(Tally::default(), |total, tally| total.plus(tally));
        printing::json(json!({"total": total, "files": tallies}).to_string().as_bytes())?;
    }
    match tallies.values().all(|tally| tally.rejected == 0) {
        true => Ok(Class::Done),
        false => Ok(Class::Rejected),
    }
}

/// What is the same for each file.
struct Run {
    server: Server,
    sending: Sending,
    jobs: usize,
    batch: usize,
    restart: bool,
    rejected: Option<PathBuf>,
}

impl Run {
    async fn file(&self, path: &Path) -> anyhow::Result<Tally> {
        let mut bookmark = Bookmark::open(&self.server, path, self.restart)?;
        let mut lines = Lines::open(path, self.batch)?;
        if !lines.skip_to(&bookmark.place)? {
            printing::note(&format!("{} is not the file it was; beginning at its first line", path.display()));
            bookmark.forget()?;
            lines = Lines::open(path, self.batch)?;
        }
        let mut rejects = Rejects::open(self.rejects_path(path), bookmark.place.rejects_length)?;
        let mut progress = Progress::begin(path, &lines, &bookmark.place);
        let mut batches = self.batches(lines);
        while let Some((batch, fates)) = batches.try_next().await? {
            count(&mut bookmark.place.tally, &batch, &fates);
            bookmark.place.rejects_length = rejects.write(&batch, &fates)?;
            bookmark.place.lines = batch.end.lines;
            bookmark.place.digest = batch.end.digest;
            bookmark.keep()?;
            progress.advance(&bookmark.place, batch.end.position);
        }
        progress.finish(&bookmark.place);
        let tally = bookmark.place.tally.clone();
        if tally.rejected > 0 {
            printing::note(&format!("refused lines are in {}", rejects.path().display()));
        }
        bookmark.forget()?;
        Ok(tally)
    }

    /// Batches with their answers, in the order of the file. Reading goes on in a thread of its own while several
    /// batches are under way.
    fn batches(&self, lines: Lines) -> impl stream::TryStream<Ok = (Batch, Vec<Fate>), Error = anyhow::Error> + Unpin {
        let (send, receive) = tokio::sync::mpsc::channel(self.jobs);
        tokio::task::spawn_blocking(move || {
            for batch in lines {
                if send.blocking_send(batch).is_err() {
                    // The receiver is gone: the import has failed.
                    return;
                }
            }
        });
        let read = stream::unfold(receive, |mut receive| async { receive.recv().await.map(|batch| (batch, receive)) });
        let sending = self.sending.clone();
        let sent = read.map(move |batch| {
            let sending = sending.clone();
            async move {
                let batch = batch?;
                let fates = sending.send(&batch.lines).await?;
                anyhow::Ok((batch, fates))
            }
        });
        Box::pin(sent.buffered(self.jobs))
    }

    fn rejects_path(&self, path: &Path) -> PathBuf {
        match &self.rejected {
            Some(path) => path.clone(),
            None if path.as_os_str() == "-" => PathBuf::from("import.rejected.ndjson"),
            None => {
                let mut name = path.as_os_str().to_owned();
                name.push(".rejected.ndjson");
                PathBuf::from(name)
            }
        }
    }
}

fn count(tally: &mut Tally, batch: &Batch, fates: &[Fate]) {
    tally.rejected += batch.unfit.len() as u64;
    for fate in fates {
        match fate {
            Fate::Accepted => tally.accepted += 1,
            Fate::Duplicate => tally.duplicate += 1,
            Fate::Corrected => tally.corrected += 1,
            Fate::Refused(_) => tally.rejected += 1,
        }
    }
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.corrected + self.rejected
    }

    fn plus(self, other: &Tally) -> Tally {
        Tally {
            accepted: self.accepted + other.accepted,
            duplicate: self.duplicate + other.duplicate,
            corrected: self.corrected + other.corrected,
            rejected: self.rejected + other.rejected,
        }
    }

    fn told(&self) -> String {
        format!(
            "{} accepted, {} duplicates, {} corrected, {} rejected",
            self.accepted, self.duplicate, self.corrected, self.rejected
        )
    }
}
