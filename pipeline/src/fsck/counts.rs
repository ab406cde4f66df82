//! Counts against a recount of the rows, and the matrix against the summaries.

use std::collections::BTreeSet;

use schemas::grade::{Counts, Grade};

use super::{Found, Told};
use crate::process::Process;
use crate::store::{Counting, ReleaseNumber, Span, Store, StoreError, Tx};

/// Releases or testers recounted with one statement.
const STEP: i64 = 500;

/// The spans up to the last number of a table.
pub(super) async fn spans(store: &Store, table: Counting) -> Result<impl Iterator<Item = Span> + use<>, StoreError> {
    let last = store.last_number(table).await?;
    Ok((0..last).step_by(STEP as usize).map(move |after| Span { after, end: (after + STEP).min(last) }))
}

pub(super) async fn count(store: &Store, table: Counting) -> Result<u64, StoreError> {
    Ok(u64::try_from(store.count_rows(table).await?).unwrap_or_default())
}

pub(super) async fn look_at_summaries(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    found.checked = count(store, Counting::Summaries).await?;
    for span in spans(store, Counting::Releases).await? {
        for fault in store.summary_faults(span).await? {
            let about = release(store, found, fault.release).await?;
            let of = |flag, yes, no| if flag { yes } else { no };
            let maturity = of(fault.development, "development", "stable");
            let patched = of(fault.patched, ", patched", "");
            found.add(about, format!("{maturity}{patched}: {}", missing(fault.counts)));
        }
        told(span.end.unsigned_abs(), store.last_number(Counting::Releases).await?.unsigned_abs());
    }
    Ok(())
}

pub(super) async fn look_at_matrix(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    found.checked = count(store, Counting::Cells).await?;
    for span in spans(store, Counting::Releases).await? {
        for fault in store.cell_faults(span).await? {
            let about = release(store, found, fault.release).await?;
            let platform = format!("{}, {}, {}", fault.language_version, fault.os, fault.architecture);
            found.add(about, format!("{platform}: {}", missing(fault.counts)));
        }
        told(span.end.unsigned_abs(), store.last_number(Counting::Releases).await?.unsigned_abs());
    }
    Ok(())
}

pub(super) async fn look_at_testers(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    found.checked = count(store, Counting::Testers).await?;
    for span in spans(store, Counting::Testers).await? {
        for (tester, counts) in store.tester_faults(span).await? {
            let about = match found.curious() {
                true => format!("tester {}", store.tester_name(tester).await?),
                false => String::new(),
            };
            found.add(about, missing(counts));
        }
        told(span.end.unsigned_abs(), store.last_number(Counting::Testers).await?.unsigned_abs());
    }
    Ok(())
}

pub(super) async fn look_at_sums(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    found.checked = count(store, Counting::Releases).await?;
    for span in spans(store, Counting::Releases).await? {
        for (number, counts) in store.sum_faults(span).await? {
            let about = release(store, found, number).await?;
            found.add(about, format!("the matrix, against the summaries: {}", missing(counts)));
        }
        told(span.end.unsigned_abs(), store.last_number(Counting::Releases).await?.unsigned_abs());
    }
    Ok(())
}

pub(super) async fn mend_summaries(process: &Process) -> Result<(), StoreError> {
    for span in spans(&process.store, Counting::Releases).await? {
        let mut tx = process.store.begin().await?;
        let faults = tx.summary_faults(span).await?;
        tx.adjust_summaries(&faults).await?;
        let releases = faults.iter().map(|fault| fault.release).collect();
        tell(process, tx, releases).await?;
    }
    Ok(())
}

pub(super) async fn mend_matrix(process: &Process) -> Result<(), StoreError> {
    for span in spans(&process.store, Counting::Releases).await? {
        let mut tx = process.store.begin().await?;
        let faults = tx.cell_faults(span).await?;
        tx.adjust_cells(&faults).await?;
        let releases = faults.iter().map(|fault| fault.release).collect();
        tell(process, tx, releases).await?;
    }
    Ok(())
}

pub(super) async fn mend_testers(process: &Process) -> Result<(), StoreError> {
    for span in spans(&process.store, Counting::Testers).await? {
        let mut tx = process.store.begin().await?;
        let faults = tx.tester_faults(span).await?;
        tx.adjust_testers(&faults).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Gives the releases whose counts were wrong change numbers, so that readers of the feed hear of the right ones.
pub(super) async fn tell(process: &Process, mut tx: Tx, releases: BTreeSet<ReleaseNumber>) -> Result<(), StoreError> {
    if releases.is_empty() {
        return Ok(());
    }
    let releases: Vec<ReleaseNumber> = releases.into_iter().collect();
    let first = tx.take_changes(releases.len()).await?;
    tx.mark_releases(&releases, first, process.clock.now()).await?;
    tx.commit().await
}

pub(super) async fn release(store: &Store, found: &Found, number: ReleaseNumber) -> Result<String, StoreError> {
    match found.curious() {
        true => Ok(format!("release {}", store.release_name(number).await?)),
        false => Ok(String::new()),
    }
}

/// How counts are off, in words.
fn missing(counts: Counts) -> String {
    let off = Grade::ALL.into_iter().filter_map(|grade| match counts.of(grade) {
        0 => None,
        less @ 1.. => Some(format!("{less} {grade} too few")),
        more => Some(format!("{} {grade} too many", -more)),
    });
    off.collect::<Vec<_>>().join(", ")
}
