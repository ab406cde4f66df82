//! The document index made anew from the rows: beside the one that searches see, where the engine can.

use std::sync::Arc;

use anyhow::{Context, bail};
use pipeline::catch_up::CatchUp;
use pipeline::index::IndexError;
use tokio_util::sync::CancellationToken;

use super::upkeep::{alone, existing, process};
use super::{hold, index, prepare};
use crate::config::{Index, Settings};

/// An index made anew.
pub struct Reindexed {
    /// False when it was stopped: searches see the old index then, or half of the only one there is.
    pub complete: bool,
    pub documents: u64,
    /// The change number up to which it is complete.
    pub mark: i64,
}

/// Makes the index anew. `told` hears up to which change it has come, and which is the newest.
pub async fn reindex(
    settings: &Settings,
    stop: &CancellationToken,
    mut told: impl FnMut(i64, i64),
) -> anyhow::Result<Reindexed> {
    prepare(settings)?;
    let _alone = alone(settings)?;
    let _held = match settings.index {
        Index::None => bail!("there is no document index: the setting `index` is none"),
        Index::Directory(_) => Some(hold(settings, "rebuild").context("an index in a directory has one writer")?),
        Index::Engine(_) => None,
    };
    let process = process(existing(settings).await?).await?;
    let present = index(settings)?.context("there is no document index")?;
    let (next, beside) = blocking(move || match present.renew()? {
        Some(next) => Ok((next, true)),
        None => present.clear().map(|()| (present, false)),
    })
    .await
    .context("a new document index could not be begun")?;
    let catch_up = CatchUp::new(process.clone(), Arc::clone(&next));
    let mut complete = false;
    while !complete && !stop.is_cancelled() {
        complete = catch_up.step().await.context("the document index could not be filled")? == 0;
        told(process.measures.indexed.get(), process.store.head().await?);
    }
    process.store.close().await;
    let finish = move || {
        match (complete, beside) {
            (true, _) => next.show()?,
            (false, true) => next.clear()?,
            // The server goes on with it.
            (false, false) => {}
        }
        Ok(Reindexed { complete, documents: next.documents()?, mark: next.mark()? })
    };
    blocking(finish).await.context("the new document index could not be put in the place of the old one")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::task::spawn_blocking(work).await.expect("an index does not panic")
}
