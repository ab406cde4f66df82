//! Which bytes of a database are kept no longer, and dropping them, beside the server that may be running on it.

use anyhow::{Context, bail};
use pipeline::clock::Clock;
use pipeline::retention::{self, Due, Handled};
use pipeline::store::{DroppedMonth, Store};
use tokio_util::sync::CancellationToken;

use super::open;
use super::upkeep::{existing, process};
use crate::config::Settings;

/// What retention has to do, and has done.
pub struct Kept {
    /// Months that are kept no longer and are still there.
    pub due: Vec<Due>,
    /// Months that were dropped.
    pub dropped: Vec<DroppedMonth>,
}

/// What is kept no longer. Changes nothing.
pub async fn due(settings: &Settings) -> anyhow::Result<Kept> {
    let store = existing(settings).await?;
    let kept = kept(settings, &store).await?;
    store.close().await;
    Ok(kept)
}

async fn kept(settings: &Settings, store: &Store) -> anyhow::Result<Kept> {
    let due = retention::due(store, &settings.retention, Clock::System.now()).await;
    let due = due.context("the months could not be looked at")?;
    let dropped = store.dropped_months().await.context("the dropped months cannot be read")?;
    Ok(Kept { due, dropped })
}

/// Drops what is kept no longer. `told` hears how many bodies are gone, of how many.
pub async fn retain(
    settings: &Settings,
    stop: &CancellationToken,
    mut told: impl FnMut(u64, u64),
) -> anyhow::Result<(Vec<Handled>, Kept)> {
    let process = process(open(settings).await?).await?;
    let total: i64 = kept(settings, &process.store).await?.due.iter().map(|due| due.bodies).sum();
    let told = |gone: i64| told(gone.unsigned_abs(), total.unsigned_abs());
    let pass = retention::pass(&process, &settings.retention, stop, told).await;
    let Some(handled) = pass.context("not all that is kept no longer could be dropped; the next run goes on")? else {
        bail!("a worker drops bytes at this moment; see what is left when it is done");
    };
    let kept = kept(settings, &process.store).await?;
    process.store.close().await;
    Ok((handled, kept))
}
