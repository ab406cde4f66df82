//! The spool of a node whose database is on another machine: opened at the start, handed over while the node runs.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pipeline::accept::Acceptor;
use pipeline::identify::Identify;
use pipeline::intake::Intake;
use pipeline::process::Process;
use pipeline::spool::drain::Drain;
use pipeline::spool::{Bounds, Spool};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;

/// Time for a former process, told to stop, to let go of the spool.
const HANDOVER: Duration = Duration::from_secs(15);

/// A spool, and the lock that keeps other processes from it.
pub struct Spooling {
    pub spool: Spool,
    _lock: File,
}

/// Where the spool's file is.
pub fn path(settings: &Settings) -> PathBuf {
    settings.data.join("spool.db")
}

/// Opens the node's spool. `None` on the embedded profile, whose database is a file on the same disk.
pub async fn open(settings: &Settings, process: &Process) -> anyhow::Result<Option<Spooling>> {
    if !process.store.shared() {
        return Ok(None);
    }
    let lock = lock(settings).await?;
    let path = path(settings);
    let keys = &settings.spool;
    let bounds = Bounds {
        bytes: keys.bytes.bytes(),
        reports: u64::try_from(keys.reports).unwrap_or(u64::MAX),
        patience: keys.patience,
        remember: keys.remember,
    };
    let spool = Spool::open(&path, bounds, process.clock.clone(), &process.measures)
        .await
        .with_context(|| format!("the spool {} cannot be opened", path.display()))?;
    Ok(Some(Spooling { spool, _lock: lock }))
}

/// Where doors hand submissions in; what is in the spool is handed over from now on. `there`: the database answered at
/// the start.
pub fn begin(
    spool: Option<Spool>,
    there: bool,
    process: &Process,
    identify: Identify,
    acceptor: Acceptor,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> Intake {
    if let Some(spool) = spool.clone() {
        let store = process.store.clone();
        let drain = Drain { spool, store, identify: identify.clone(), acceptor: acceptor.clone() };
        if there {
            drain.spool.answered();
        }
        tracker.spawn(drain.run(there, stop.clone()));
    }
    Intake { identify, acceptor, spool }
}

/// Two processes with one spool would hand everything over twice.
async fn lock(settings: &Settings) -> anyhow::Result<File> {
    let path = settings.data.join("spool.lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    let end = Instant::now() + HANDOVER;
    while file.try_lock().is_err() {
        if Instant::now() >= end {
            bail!(
                "another assay has the spool in {}; give each process that takes reports a data directory of its own \
                 with --data",
                settings.data.display()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(file)
}
