//! The spool of the doors: what a node accepts while the database is away, durable on its own disk.
//!
//! A submission that the database cannot take now is kept in `spool.db` and answered as accepted. When the database
//! answers again, [`drain`] hands everything over in the order of arrival, through the same [`crate::accept`] as ever;
//! a submission leaves the spool only once it is in the database. Handing over twice does no harm: `accept` knows id and
//! digest. Credentials that could not be looked up are kept as a [`Claim`] and checked then.
//!
//! Group commit, as in `accept`: what arrives together is synced to the disk together.

mod claim;
pub mod drain;
mod file;
mod measures;
mod receipts;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use tokio::sync::{mpsc, oneshot, watch};

pub use claim::Claim;
pub use file::Refusal;

use file::{Content, Kept, NewEntry, SpoolFile};
use measures::SpoolMeasures;

use crate::bodies;
use crate::clock::Clock;
use crate::measures::Measures;
use crate::store::{Door, StoreError};

/// How much a spool takes, and how long it waits and remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Packed bytes of bodies.
    pub bytes: u64,
    /// Submissions.
    pub reports: u64,
    /// Time that the database has for one question of a door, before the answer is that it is away.
    pub patience: Duration,
    /// Time for which refusals are told, and for which a submission waits for its profile to be registered.
    pub remember: Duration,
}

/// What a door hands in to be kept.
#[derive(Clone, Debug)]
pub struct Spooling {
    pub id: ReportId,
    pub door: Door,
    pub claim: Claim,
    pub digest: Digest,
    pub bytes: bytes::Bytes,
}

/// A submission is kept, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spooled {
    pub received_at: DateTime<Utc>,
    /// The same was sent before by the same sender, at that time.
    pub again: bool,
}

/// Why a submission was not kept, or the spool cannot be worked with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool is full: it holds {reports} reports with {bytes} bytes")]
    Full { reports: u64, bytes: u64 },
    #[error("the spool's file cannot be made or opened")]
    File(#[source] Arc<io::Error>),
    #[error("the spool could not be brought to this version's schema")]
    Migrate(#[source] Arc<sqlx::migrate::MigrateError>),
    #[error("the spool did not do as told")]
    Database(#[source] Arc<sqlx::Error>),
    #[error("the spool is closed: this process is stopping")]
    Closed,
}

impl From<sqlx::Error> for SpoolError {
    fn from(error: sqlx::Error) -> Self {
        SpoolError::Database(Arc::new(error))
    }
}

/// What is in a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The database does not answer: everything new goes into the spool.
    pub away: bool,
    pub reports: u64,
    /// Packed bytes of bodies.
    pub bytes: u64,
    /// Nothing more finds room.
    pub full: bool,
}

/// The spool of one process. Cheap to clone; all clones are one spool.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    sender: mpsc::Sender<Pending>,
}

#[derive(Debug)]
struct Shared {
    file: SpoolFile,
    clock: Clock,
    bounds: Bounds,
    held: Mutex<Held>,
    away: watch::Sender<bool>,
    measures: SpoolMeasures,
}

/// What is in the file or on its way there.
#[derive(Debug, Default)]
struct Held {
    reports: u64,
    bytes: u64,
    /// How many submissions there are of each id.
    ids: HashMap<ReportId, u32>,
}

/// A submission on its way into the file, and where its answer goes.
struct Pending {
    entry: NewEntry,
    answer: oneshot::Sender<Result<Spooled, SpoolError>>,
}

/// Most submissions in one transaction.
const GROUP: usize = 256;

/// Submissions that may wait for the next transaction before senders are held up.
const WAITING: usize = 1024;

impl Spool {
    /// Opens the spool's file, making it when it is missing, and starts its committer. Until [`Spool::answered`] is
    /// called, the database counts as away. One process at a time: who opens a spool holds its directory.
    pub async fn open(path: &Path, bounds: Bounds, clock: Clock, measures: &Measures) -> Result<Spool, SpoolError> {
        let file = SpoolFile::open(path).await?;
        let content = file.content().await?;
        if !content.ids.is_empty() {
            tracing::info!(reports = content.ids.len(), "the spool holds reports from before");
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            file,
            clock,
            bounds,
            held: Mutex::new(Held::of(content)),
            away: watch::Sender::new(true),
            measures: SpoolMeasures::new(&measures.registry),
        });
        tokio::spawn(commit_groups(Arc::clone(&shared), receiver));
        Ok(Spool { shared, sender })
    }

    /// Keeps a submission durably.
    pub async fn keep(&self, spooling: Spooling) -> Result<Spooled, SpoolError> {
        self.hand_in(spooling).await?.await.map_err(|_| SpoolError::Closed)?
    }

    /// Keeps many in their order; the answers are in it, too. After an error some may be kept: sent again, they are the
    /// same.
    pub async fn keep_all(&self, submissions: Vec<Spooling>) -> Result<Vec<Spooled>, SpoolError> {
        let mut answers = Vec::with_capacity(submissions.len());
        for spooling in submissions {
            answers.push(self.hand_in(spooling).await?);
        }
        let mut kept = Vec::with_capacity(answers.len());
        for answer in answers {
            kept.push(answer.await.map_err(|_| SpoolError::Closed)??);
        }
        Ok(kept)
    }

    async fn hand_in(
        &self,
        Spooling { id, door, claim, digest, bytes }: Spooling,
    ) -> Result<oneshot::Receiver<Result<Spooled, SpoolError>>, SpoolError> {
        let body = bodies::pack_aside(bytes).await;
        let received_at = self.shared.clock.now();
        let entry = NewEntry { id, door, digest, received_at, claim, body };
        let weight = entry.body.bytes.len() as u64;
        self.shared.reserve(id, weight)?;
        let (answer, answered) = oneshot::channel();
        if self.sender.send(Pending { entry, answer }).await.is_err() {
            self.shared.release(id, weight);
            return Err(SpoolError::Closed);
        }
        Ok(answered)
    }

    /// Whether a submission with this id is kept, so that another one has to go behind it.
    pub fn holds(&self, id: ReportId) -> bool {
        self.shared.held().ids.contains_key(&id)
    }

    /// Whether the database is away, as far as is known here.
    pub fn away(&self) -> bool {
        *self.shared.away.borrow()
    }

    /// Waits until the database is away, or until it answers.
    pub async fn until(&self, gone: bool) {
        // An error would mean that the spool is gone, which it is not.
        drop(self.shared.away.subscribe().wait_for(|away| *away == gone).await);
    }

    /// Time that the database has for one question of a door.
    pub fn patience(&self) -> Duration {
        self.shared.bounds.patience
    }

    /// The database did not answer as it should: until it does, everything goes into the spool.
    pub fn note_failure(&self, error: &StoreError) {
        self.went_away(&crate::accept::chain(error));
    }

    /// The database took too long.
    pub fn note_silence(&self) {
        self.went_away("it did not answer in time");
    }

    fn went_away(&self, error: &str) {
        let newly = self.shared.away.send_if_modified(|away| !std::mem::replace(away, true));
        if newly {
            self.shared.measures.away.set(1);
            tracing::warn!(error, "the database is away; reports are taken into the spool");
        }
    }

    /// The database answers: reports go straight into it again, but for those whose id is still in the spool.
    pub fn answered(&self) {
        let newly = self.shared.away.send_if_modified(|away| std::mem::replace(away, false));
        self.shared.measures.away.set(0);
        if newly {
            let reports = self.level().reports;
            tracing::info!(reports, "the database answers; the spool is handed over to it");
        }
    }

    pub fn level(&self) -> Level {
        let held = self.shared.held();
        Level { away: self.away(), reports: held.reports, bytes: held.bytes, full: self.shared.full(&held, 1) }
    }

    /// Counts how things stand, for the metrics.
    pub async fn show(&self) {
        let level = self.level();
        self.shared.measures.reports.set(i64::try_from(level.reports).unwrap_or(i64::MAX));
        self.shared.measures.bytes.set(i64::try_from(level.bytes).unwrap_or(i64::MAX));
        let oldest = if level.reports > 0 { self.shared.file.oldest().await.ok().flatten() } else { None };
        let age = oldest.map_or(0, |oldest| (self.shared.clock.now() - oldest).num_seconds().max(0));
        self.shared.measures.age.set(age);
    }

    /// Waits for what is being written and closes the file. What is in it stays.
    pub async fn close(&self) {
        self.shared.file.close().await;
    }
}

/// What a spool's file holds, while another process may work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    pub reports: usize,
    pub oldest: Option<DateTime<Utc>>,
    /// Refusals that are still told.
    pub refusals: i64,
}

/// Looks into a spool's file without changing it.
pub async fn glance(path: &Path) -> Result<Glance, SpoolError> {
    let file = SpoolFile::look(path).await?;
    let content = file.content().await?;
    file.close().await;
    Ok(Glance { reports: content.ids.len(), oldest: content.oldest, refusals: content.refusals })
}

impl Held {
    fn of(content: Content) -> Held {
        let mut held = Held { bytes: u64::try_from(content.bytes).unwrap_or(0), ..Held::default() };
        for id in content.ids {
            held.reports += 1;
            *held.ids.entry(id).or_default() += 1;
        }
        held
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder of the spool's counts panics")
    }

    fn full(&self, held: &Held, weight: u64) -> bool {
        held.reports >= self.bounds.reports || held.bytes.saturating_add(weight) > self.bounds.bytes
    }

    /// Finds room for a submission, and notes its id before it is in the file.
    fn reserve(&self, id: ReportId, weight: u64) -> Result<(), SpoolError> {
        let mut held = self.held();
        if self.full(&held, weight) {
            self.measures.count("full", 1);
            return Err(SpoolError::Full { reports: held.reports, bytes: held.bytes });
        }
        held.reports += 1;
        held.bytes += weight;
        *held.ids.entry(id).or_default() += 1;
        Ok(())
    }

    /// A submission is not in the file, or no longer.
    fn release(&self, id: ReportId, weight: u64) {
        let mut held = self.held();
        held.reports = held.reports.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(weight);
        if let Some(count) = held.ids.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                held.ids.remove(&id);
            }
        }
    }
}

async fn commit_groups(shared: Arc<Shared>, mut receiver: mpsc::Receiver<Pending>) {
    let mut arrived = Vec::with_capacity(GROUP);
    while receiver.recv_many(&mut arrived, GROUP).await > 0 {
        commit_and_answer(&shared, std::mem::take(&mut arrived)).await;
    }
}

async fn commit_and_answer(shared: &Shared, group: Vec<Pending>) {
    let (entries, answers): (Vec<NewEntry>, Vec<_>) =
        group.into_iter().map(|pending| (pending.entry, pending.answer)).unzip();
    let kept = shared.file.insert(&entries).await;
    if let Err(error) = &kept {
        let error = crate::accept::chain(error);
        tracing::error!(error, reports = entries.len(), "reports could not be spooled");
    }
    for (index, (entry, answer)) in entries.into_iter().zip(answers).enumerate() {
        let kept = kept.as_ref().map(|kept| kept[index]).map_err(SpoolError::clone);
        let answered = kept.map(|kept| match kept {
            Kept::New => Spooled { received_at: entry.received_at, again: false },
            Kept::Again { received_at } => Spooled { received_at, again: true },
        });
        match &answered {
            Ok(Spooled { again: false, .. }) => shared.measures.count("kept", 1),
            _ => shared.release(entry.id, entry.body.bytes.len() as u64),
        }
        // A sender who has gone away gets no answer; the report is kept all the same.
        drop(answer.send(answered));
    }
}
