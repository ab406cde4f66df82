//! Change numbers: each is given once, to something, and none is above the counter, or the next would be given twice.

use super::Found;
use crate::process::Process;
use crate::store::{Counting, Oddity, ReleaseNumber, Store, StoreError};

pub(super) async fn look(store: &Store, found: &mut Found) -> Result<(), StoreError> {
    for table in [Counting::Extracts, Counting::Releases] {
        found.checked += u64::try_from(store.count_rows(table).await?).unwrap_or_default();
    }
    for Oddity { kind, number, detail } in store.change_faults().await? {
        let about = match (found.curious(), kind.as_str()) {
            (false, _) => String::new(),
            (true, "row") => format!("row of report {}", store.report_name(number).await?),
            (true, _) => format!("release {}", store.release_name(ReleaseNumber(number)).await?),
        };
        found.add(about, detail);
    }
    Ok(())
}

/// Raises the counter, and gives every row and release in question a new number, which tells readers of it once more.
pub(super) async fn mend(process: &Process) -> Result<(), StoreError> {
    let now = process.clock.now();
    let mut tx = process.store.begin().await?;
    let faults = tx.change_faults().await?;
    let of = |wanted: &str| faults.iter().filter(|one| one.kind == wanted).map(|one| one.number).collect::<Vec<_>>();
    let (rows, releases) = (of("row"), of("release").into_iter().map(ReleaseNumber).collect::<Vec<_>>());
    if faults.is_empty() {
        return Ok(());
    }
    tx.raise_changes().await?;
    let first = tx.take_changes(rows.len() + releases.len()).await?;
    tx.renumber_extracts(&rows, first, now).await?;
    let after_rows = first + i64::try_from(rows.len()).expect("a list has fewer than 2^63 entries");
    tx.mark_releases(&releases, after_rows, now).await?;
    tx.commit().await
}
