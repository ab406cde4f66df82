//! What belongs together is there together. A row without a report is derived from nothing and goes; bytes without a
//! report, and reports without bytes that should have some, are named and left alone.

use schemas::views::ResultView;

use super::Found;
use crate::difference::Difference;
use crate::process::{Process, mark};
use crate::store::{Counting, NewExtract, Oddity, Store, StoreError};

pub(super) async fn look(store: &Store, found: &mut Found) -> Result<(), StoreError> {
    for table in [Counting::Reports, Counting::Bodies, Counting::SupersededBodies, Counting::Extracts] {
        found.checked += u64::try_from(store.count_rows(table).await?).unwrap_or_default();
    }
    let begun = store.dropped_months().await?.iter().filter(|month| month.ended_at.is_none()).count();
    if begun > 0 {
        found.notes.push(format!(
            "{begun} dropped months may have bytes left, of a pass that was cut short or that came since; the next pass of \
             retention ends them"
        ));
    }
    for Oddity { kind, number, detail } in store.orphans().await? {
        let about = match kind.as_str() {
            "report" if found.curious() => format!("report {}", store.report_name(number).await?),
            kind => format!("{kind} {number}"),
        };
        found.add(about, detail);
    }
    Ok(())
}

/// Makes tombstones of rows without reports, so that readers of the feed hear that they are gone.
pub(super) async fn mend(process: &Process) -> Result<(), StoreError> {
    let orphans = process.store.orphans().await?;
    let numbers: Vec<i64> = orphans.iter().filter(|one| one.kind == "row").map(|one| one.number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let now = process.clock.now();
    let mut tx = process.store.begin().await?;
    let old = tx.old_extracts(&numbers).await?;
    let tombstones: Vec<NewExtract> = old
        .iter()
        .filter(|old| !old.removed)
        .map(|old| {
            let view = serde_json::from_str::<ResultView>(&old.document).ok();
            let id = view.as_ref().map(|view| view.id.clone()).unwrap_or_default();
            NewExtract {
                counted: old.counted.clone(),
                extractor: old.extractor,
                received_at: view.map_or(now, |view| view.received_at),
                telling: None,
                document: serde_json::json!({ "id": id }).to_string(),
                removed: true,
            }
        })
        .collect();
    let old = old.into_iter().map(|old| (old.counted.number, old)).collect();
    let difference = Difference::between(&old, &tombstones);
    tx.adjust_summaries(&difference.summaries).await?;
    tx.adjust_cells(&difference.cells).await?;
    tx.adjust_testers(&difference.testers).await?;
    let first = tx.take_changes(tombstones.len() + difference.releases.len()).await?;
    let after_rows = first + i64::try_from(tombstones.len()).expect("a list has fewer than 2^63 entries");
    tx.put_extracts(&tombstones, first, now).await?;
    mark(&mut tx, &old, &tombstones, &difference.releases, after_rows, now).await?;
    tx.commit().await
}
