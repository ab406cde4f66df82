//! Whole-file artefacts: the list of all releases, written when things are quiet, read as it lies on the disk.
//!
//! An artefact is rewritten when no release has changed for a while, or at the latest some time after the first change
//! that is not in it: a server that is never quiet is not starved. It is written beside its place, synced, renamed and
//! the directory synced, so that a reader finds a whole file or none. Its name holds the change number up to which it
//! is complete; what is due is worked out from that and the database alone, so a restart forgets nothing.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::accept::chain;
use crate::process::Process;
use crate::store::{ReleaseFilter, Store, StoreError};
use crate::worker::wait;

/// When artefacts are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Once no release has changed for so long.
    pub quiet: Duration,
    /// At the latest so long after the first change that is not in it.
    pub latest: Duration,
}

/// Where the artefacts lie, and how old they may be. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Artefacts {
    directory: PathBuf,
    pace: Pace,
}

/// Keeps the artefacts in step with the releases.
pub struct Publish {
    process: Process,
    artefacts: Artefacts,
    /// Up to this change there was nothing to publish, and so no file tells.
    empty: i64,
}

/// A published file.
#[derive(Debug)]
pub struct Artefact {
    pub file: std::fs::File,
    /// Bytes.
    pub size: u64,
    /// It holds every change up to this number.
    pub head: i64,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Nothing has changed, or it is not time yet.
    NotDue,
    /// So many releases were written.
    Written { releases: u64 },
}

/// Why an artefact was not written; it is tried again, and the one before it stays.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the releases to publish could not be read")]
    Store(#[from] StoreError),
    #[error("the artefact could not be written")]
    File(#[from] io::Error),
}

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(500);

/// Releases read at a time.
const PIECE: i64 = 5_000;

/// How much older than allowed an artefact may be found: looking and writing take time.
const SLACK: TimeDelta = TimeDelta::seconds(30);

/// Before and after the change number in a name.
const NAME: (&str, &str) = ("releases-", ".json");

/// How the names of files begin that are being written.
const UNFINISHED: &str = ".unfinished-";

impl Publish {
    pub fn new(process: Process, artefacts: Artefacts) -> Self {
        Publish { process, artefacts, empty: 0 }
    }

    /// Publishes until told to stop. A disk that fails delays the artefacts and nothing else.
    pub async fn run(mut self, stop: CancellationToken) {
        if let Err(error) = self.artefacts.clear_unfinished() {
            tracing::warn!(error = %chain(&error), "a file that was never finished could not be removed");
        }
        while !stop.is_cancelled() {
            match self.step().await {
                Ok(Published::NotDue) => {}
                Ok(Published::Written { releases }) => tracing::debug!(releases, "the list of releases is published"),
                Err(error) => tracing::warn!(error = %chain(&error), "publishing failed; trying again"),
            }
            wait(&stop, LOOK).await;
        }
    }

    /// Rewrites the artefact if that is due.
    pub async fn step(&mut self) -> Result<Published, PublishError> {
        let newest = self.artefacts.newest()?;
        let complete = newest.as_ref().map_or(self.empty, |(head, _)| *head);
        let store = &self.process.store;
        let due = match store.release_changes(complete).await? {
            // The artefact is of a database that is no more.
            None => complete > store.head().await?,
            Some((oldest, last)) => complete == 0 || self.artefacts.pace.due(self.process.clock.now(), oldest, last),
        };
        match due {
            true => self.write().await,
            false => Ok(Published::NotDue),
        }
    }

    async fn write(&mut self) -> Result<Published, PublishError> {
        let (sender, receiver) = mpsc::channel(2);
        let directory = self.artefacts.directory.clone();
        // Dropping the sender before its end was sent tells the writer to leave no file.
        let writer = tokio::task::spawn_blocking(move || write(&directory, receiver));
        let sent = send_releases(&self.process.store, sender).await;
        writer.await.expect("writing does not panic")?;
        let (head, releases) = sent?;
        self.empty = if releases == 0 { head } else { 0 };
        Ok(Published::Written { releases })
    }
}

impl Pace {
    /// Whether changes, the oldest and the last of them made at these moments, have waited long enough.
    pub fn due(&self, now: DateTime<Utc>, oldest: DateTime<Utc>, last: DateTime<Utc>) -> bool {
        let waited = |since: DateTime<Utc>, bound: Duration| (now - since).to_std().is_ok_and(|waited| waited >= bound);
        waited(last, self.quiet) || waited(oldest, self.latest)
    }
}

impl Artefacts {
    pub fn new(directory: PathBuf, pace: Pace) -> Self {
        Artefacts { directory, pace }
    }

    /// The list of all releases. `None`: there is none, or it is older than it may be.
    pub async fn releases(&self, store: &Store, now: DateTime<Utc>) -> Result<Option<Artefact>, PublishError> {
        let Some((head, path)) = self.newest()? else { return Ok(None) };
        let allowed = TimeDelta::from_std(self.pace.latest).unwrap_or(TimeDelta::MAX).checked_add(&SLACK);
        let waiting = store.release_changes(head).await?;
        let stale = waiting.is_some_and(|(oldest, _)| allowed.is_some_and(|allowed| now - oldest > allowed));
        if stale || (waiting.is_none() && head > store.head().await?) {
            return Ok(None);
        }
        match std::fs::File::open(path) {
            Ok(file) => Ok(Some(Artefact { size: file.metadata()?.len(), file, head })),
            // A newer one has just taken its place; the next reader finds it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Throws the artefacts away, as all that is derived can be.
    pub fn clear(&self) -> io::Result<()> {
        for (_, path) in published(&self.directory)? {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Removes what a process that was killed while writing has left.
    fn clear_unfinished(&self) -> io::Result<()> {
        for path in entries(&self.directory)? {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(UNFINISHED)) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn newest(&self) -> io::Result<Option<(i64, PathBuf)>> {
        Ok(published(&self.directory)?.into_iter().max())
    }
}

/// What the writer gets.
enum Piece {
    Rows(Vec<u8>),
    /// All rows were sent, and these are complete up to a change number.
    End {
        head: i64,
        releases: u64,
    },
}

/// Sends every release, as they are at one moment. Gives the newest change number of that moment, and how many.
async fn send_releases(store: &Store, sender: mpsc::Sender<Piece>) -> Result<(i64, u64), StoreError> {
    let mut snapshot = store.snapshot().await?;
    let head = snapshot.head().await?;
    let filter = ReleaseFilter::default();
    let (mut after, mut releases) = (0, 0);
    loop {
        let rows = snapshot.contract_releases(&filter, after, PIECE).await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        let mut text = Vec::with_capacity(rows.len() * 120);
        for (_, row) in &rows {
            text.push(if releases == 0 { b'[' } else { b',' });
            serde_json::to_writer(&mut text, row).expect("texts and numbers");
            releases += 1;
        }
        // A writer that failed tells why itself.
        if sender.send(Piece::Rows(text)).await.is_err() {
            return Ok((head, releases));
        }
    }
    drop(sender.send(Piece::End { head, releases }).await);
    Ok((head, releases))
}

/// Writes what comes into a file, and puts it in the place of those before it once all has come.
fn write(directory: &Path, mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    let mut end = None;
    let mut writer = BufWriter::with_capacity(256 * 1024, file.as_file_mut());
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Rows(rows) => writer.write_all(&rows)?,
            Piece::End { head, releases } => end = Some((head, releases)),
        }
    }
    // Without an end, reading failed midway: the file vanishes with its handle.
    let Some((head, releases)) = end else { return Ok(()) };
    writer.write_all(b"]")?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    let older = published(directory)?;
    let path = directory.join(format!("{}{head:020}{}", NAME.0, NAME.1));
    if releases > 0 {
        file.persist(&path).map_err(|error| error.error)?;
    }
    for (_, old) in older.into_iter().filter(|(_, old)| releases == 0 || *old != path) {
        std::fs::remove_file(old)?;
    }
    std::fs::File::open(directory)?.sync_all()
}

/// The artefacts that are there, each with its change number.
fn published(directory: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let numbered = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let head = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.parse().ok()?;
        Some((head, path))
    };
    Ok(entries(directory)?.into_iter().filter_map(numbered).collect())
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}
