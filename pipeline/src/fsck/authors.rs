//! Whose each release is, against its upload and its reports.

use super::counts::{count, release, spans, tell};
use super::{Found, Told};
use crate::process::Process;
use crate::store::{Counting, Store, StoreError};

pub(super) async fn look(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    found.checked = count(store, Counting::Releases).await?;
    for span in spans(store, Counting::Releases).await? {
        for number in store.author_faults(span).await? {
            let about = release(store, found, number).await?;
            found.add(about, "its author or archive is not what its upload says, or the first of its reports");
        }
        told(span.end.unsigned_abs(), store.last_number(Counting::Releases).await?.unsigned_abs());
    }
    Ok(())
}

pub(super) async fn mend(process: &Process) -> Result<(), StoreError> {
    for span in spans(&process.store, Counting::Releases).await? {
        let mut tx = process.store.begin().await?;
        let faults = tx.author_faults(span).await?;
        tx.retell_releases(&faults).await?;
        tell(process, tx, faults.into_iter().collect()).await?;
    }
    Ok(())
}
