//! Rebuild and fsck on a data directory, beside the server that may be running on it.

use std::fs::{File, TryLockError};

use anyhow::{Context, bail};
use pipeline::catch_up::CatchUp;
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::fsck::{self, IndexPlace};
use pipeline::index::Place;
use pipeline::measures::Measures;
use pipeline::process::{self, Process};
use pipeline::rebuild::{self, Progress, Shadow};
use pipeline::store::{Rebuild, Selection, Store};
use tokio_util::sync::CancellationToken;

use super::{Hold, artefacts, hold, index, open, prepare, unmade, unmigrated};
use crate::config::{Index, Settings};

/// A rebuild that has been run, to its end or to where it was stopped.
pub struct Rebuilt {
    pub rebuild: Rebuild,
    /// Who brings the index up to date.
    pub index: Indexing,
}

/// Who brings the index up to date after a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// It is done.
    Done,
    /// The process that works on the directory, or fills the search engine; it does so by itself.
    Server,
    /// The next run, or the next server.
    Later,
    /// There is no index.
    Off,
}

/// How a rebuild is about to go: told before the first report is read.
pub struct Beginning<'a> {
    pub rebuild: &'a Rebuild,
    pub resumed: bool,
    /// Reports still to be read.
    pub left: u64,
}

/// Reads stored reports again, all or a selection. One at a time works on a directory; a server may run beside it.
pub async fn rebuild(
    settings: &Settings,
    order: &rebuild::Order,
    must_resume: bool,
    stop: &CancellationToken,
    begun: impl FnOnce(Beginning<'_>),
    told: impl FnMut(Progress),
) -> anyhow::Result<Rebuilt> {
    prepare(settings)?;
    let _alone = alone(settings)?;
    let process = process(open(settings).await?).await?;
    let earlier = rebuild::unfinished(&process, order).await.context("the database cannot be read")?;
    if must_resume && earlier.is_none() {
        bail!("there is no unfinished rebuild of this selection to resume");
    }
    let resumed = earlier.is_some();
    // Half of the counts, and an index that is being emptied, are nothing to show to readers.
    let clears = earlier.as_ref().map_or(order.clear, |earlier| earlier.cleared && earlier.position == 0);
    let mut held = match clears {
        true => Some(hold(settings, "rebuild").context("--clear works on a directory that nobody else uses")?),
        false => None,
    };
    let rebuild = match earlier {
        Some(earlier) => earlier,
        None => rebuild::begin(&process, order).await.context("the rebuild could not begin")?,
    };
    if clears && let Some(index) = index(settings)? {
        index.clear().context("the document index could not be cleared")?;
    }
    if clears {
        artefacts(settings).clear().context("the published files could not be removed")?;
    }
    let left = process.store.count_selected(&rebuild.selection, rebuild.position, rebuild.goal).await?;
    begun(Beginning { rebuild: &rebuild, resumed, left: left.unsigned_abs() });
    let rebuild = rebuild::run(&process, rebuild, process::read, stop, told)
        .await
        .context("the reports could not be read again")?;
    let index = match rebuild.ended_at {
        None => Indexing::Later,
        Some(_) => catch_up(settings, &process, &mut held).await?,
    };
    process.store.close().await;
    Ok(Rebuilt { rebuild, index })
}

/// Brings the index up to date where no server does.
async fn catch_up(settings: &Settings, process: &Process, held: &mut Option<Hold>) -> anyhow::Result<Indexing> {
    if held.is_none() {
        *held = hold(settings, "rebuild").ok();
    }
    if matches!(settings.index, Index::None) {
        return Ok(Indexing::Off);
    }
    if held.is_none() {
        return Ok(Indexing::Server);
    }
    if let Some(index) = index(settings)? {
        let filled = CatchUp::new(process.clone(), index).fill().await;
        if !filled.context("the document index could not be filled")? {
            return Ok(Indexing::Server);
        }
    }
    Ok(Indexing::Done)
}

/// What a rebuild would change. Changes nothing.
pub async fn shadow(
    settings: &Settings,
    selection: &Selection,
    stop: &CancellationToken,
    begun: impl FnOnce(u64),
    told: impl FnMut(Progress),
) -> anyhow::Result<Shadow> {
    let store = existing(settings).await?;
    let left = store.count_selected(selection, 0, store.last_report().await?).await?;
    begun(left.unsigned_abs());
    let shadow = rebuild::shadow(&store, selection, process::read, stop, told).await;
    let shadow = shadow.context("the reports could not be read again")?;
    store.close().await;
    Ok(shadow)
}

/// What is to be checked, and how.
pub struct Fsck {
    pub repair: bool,
    pub deep: bool,
    pub only: Vec<fsck::Check>,
}

/// Checks what is stored. Without `repair`, changes nothing.
pub async fn fsck(
    settings: &Settings,
    wanted: Fsck,
    told: impl FnMut(fsck::Progress) + Send,
) -> anyhow::Result<fsck::Report> {
    let store = existing(settings).await?;
    // Held to the end, so that the index is nobody else's while it is mended.
    let held = if wanted.repair { hold(settings, "fsck").ok() } else { None };
    let index = match &settings.index {
        Index::Directory(directory) => {
            Some(IndexPlace { place: Place::Directory(directory.clone()), writable: held.is_some() })
        }
        Index::Engine(address) => Some(IndexPlace { place: Place::Engine(address.clone()), writable: true }),
        Index::None => None,
    };
    let process = process(store).await?;
    let order = fsck::Order { repair: wanted.repair, deep: wanted.deep, only: wanted.only, index };
    let report = fsck::fsck(&process, &order, told).await;
    process.store.close().await;
    Ok(report)
}

/// A database that is there, of this version's schema.
pub(super) async fn existing(settings: &Settings) -> anyhow::Result<Store> {
    if unmade(settings) {
        bail!("there is no database at {}; `assay serve` makes it", settings.database);
    }
    let store = unmigrated(settings).await?;
    let steps = store.migrations().await.context("the migrations cannot be listed")?;
    let missing = steps.iter().filter(|(_, _, applied)| applied.is_none()).count();
    if missing > 0 {
        bail!("{missing} migrations are to be done first; `assay migrate` does them");
    }
    Ok(store)
}

pub(super) async fn process(store: Store) -> anyhow::Result<Process> {
    let head = store.head().await.context("the database cannot be read")?;
    Ok(Process { events: Events::new(head), store, clock: Clock::System, measures: Measures::new() })
}

/// Takes the right to rebuild on this directory; it is let go when this is dropped, or the process is gone.
pub(super) fn alone(settings: &Settings) -> anyhow::Result<File> {
    let path = settings.data.join("rebuild.lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another rebuild runs on {}", settings.data.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}
