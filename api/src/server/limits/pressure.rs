//! How much waits and how full the disk is, looked at once a second so that the doors need not ask each time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{Intake, Size};
use crate::server::App;
use crate::server::problems::ApiError;

/// Seconds after which a sender who was turned away may try again.
const LATER: u32 = 10;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Most bytes kept free when the operator has not said how many.
const LARGEST_RESERVE: u64 = 512 * Size::MIB;

/// Stands for an amount that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What waits and what is free, as of a second ago.
pub struct Pressure {
    queue_limit: i64,
    /// Seconds.
    queue_age: i64,
    /// Bytes, as the operator has said.
    reserve: Option<u64>,
    directory: PathBuf,
    waiting: AtomicI64,
    /// Seconds that the oldest report has waited.
    age: AtomicI64,
    available: AtomicU64,
    reserved: AtomicU64,
}

/// Why no reports are taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Queue { waiting: i64 },
    Overdue { seconds: i64 },
    Disk,
}

impl Full {
    /// As metrics name it.
    pub fn reason(self) -> &'static str {
        match self {
            Full::Queue { .. } => "queue",
            Full::Overdue { .. } => "age",
            Full::Disk => "disk",
        }
    }

    pub fn problem(self) -> ApiError {
        match self {
            Full::Queue { waiting } => {
                let detail = format!("{waiting} reports are waiting to be processed; please send this again later");
                ApiError::busy(detail, LATER)
            }
            Full::Overdue { seconds } => {
                let detail = format!("reports have been waiting for {seconds} s; please send this again later");
                ApiError::busy(detail, LATER)
            }
            Full::Disk => ApiError::full("the disk is nearly full; no reports are taken until there is room again"),
        }
    }
}

impl Pressure {
    /// `directory` is where the database lies; it is looked at here once, and then by [`watch`].
    pub fn new(intake: &Intake, directory: PathBuf) -> Self {
        let pressure = Pressure {
            queue_limit: i64::try_from(intake.queue_limit).unwrap_or(i64::MAX),
            queue_age: i64::try_from(intake.queue_age.as_secs()).unwrap_or(i64::MAX),
            reserve: intake.disk_reserve.map(Size::bytes),
            directory,
            waiting: AtomicI64::new(0),
            age: AtomicI64::new(0),
            available: AtomicU64::new(UNKNOWN),
            reserved: AtomicU64::new(0),
        };
        pressure.note_disk(look(&pressure.directory));
        pressure
    }

    pub fn check(&self) -> Result<(), Full> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let seconds = self.age.load(Ordering::Relaxed);
        match () {
            () if self.disk_full() => Err(Full::Disk),
            () if waiting > self.queue_limit => Err(Full::Queue { waiting }),
            () if seconds > self.queue_age => Err(Full::Overdue { seconds }),
            () => Ok(()),
        }
    }

    /// Less is free than is kept in reserve.
    pub fn disk_full(&self) -> bool {
        self.available.load(Ordering::Relaxed) < self.reserved.load(Ordering::Relaxed)
    }

    /// Bytes free where the database lies. `None` where the system does not tell.
    pub fn available(&self) -> Option<u64> {
        Some(self.available.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    fn note_queue(&self, waiting: i64, seconds: i64) {
        self.waiting.store(waiting, Ordering::Relaxed);
        self.age.store(seconds, Ordering::Relaxed);
    }

    /// `space`: free and all bytes of the disk.
    fn note_disk(&self, space: Option<(u64, u64)>) {
        let was_full = self.disk_full();
        let (available, total) = space.unwrap_or((UNKNOWN, 0));
        // On a small disk, two parts in a hundred are enough for what is under way.
        let reserve = self.reserve.unwrap_or_else(|| LARGEST_RESERVE.min(total / 50));
        self.available.store(available, Ordering::Relaxed);
        self.reserved.store(reserve, Ordering::Relaxed);
        match (was_full, self.disk_full()) {
            (false, true) => tracing::error!(available, reserve, "the disk is nearly full; no reports are taken"),
            (true, false) => tracing::info!(available, reserve, "the disk has room again; reports are taken"),
            _ => {}
        }
    }
}

/// Looks once a second until told to stop: how much waits, and what is new, so that neither doors nor feeds need ask the
/// database each time.
pub async fn watch(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = app.readers.clock.now();
        if let Ok(freshness) = app.readers.store.freshness(now).await {
            let oldest = (freshness.waiting > 0).then(|| (now - freshness.fresh_at).num_seconds().max(0));
            app.limits.pressure.note_queue(freshness.waiting, oldest.unwrap_or(0));
            app.events.note_head(freshness.head);
        }
        pause(&stop).await;
    }
}

/// As [`watch`], for the disk. By itself, since a database without room may keep its askers waiting.
pub async fn watch_disk(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let directory = app.limits.pressure.directory.clone();
        // A disk behind a network may take its time.
        if let Ok(space) = tokio::task::spawn_blocking(move || look(&directory)).await {
            app.limits.pressure.note_disk(space);
        }
        pause(&stop).await;
    }
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(PAUSE) => {}
    }
}

/// Free and all bytes of the disk that a directory is on. `None` where the system does not tell.
fn look(directory: &Path) -> Option<(u64, u64)> {
    let space = rustix::fs::statvfs(directory).ok()?;
    Some((space.f_bavail.saturating_mul(space.f_frsize), space.f_blocks.saturating_mul(space.f_frsize)))
}
