//! The document index against the rows: a document for each row that is not removed, and no other.
//!
//! The index is complete up to its mark. Of rows changed after it, it may hold what was, what is, or nothing.

use std::sync::Arc;

use super::{CheckError, Found, Order, Told};
use crate::catch_up::{CatchUp, documents};
use crate::index::{Contents, DocumentIndex, IndexError, Place};
use crate::process::Process;
use crate::store::{Counting, RowMark, Store, StoreError};

/// Rows compared, or documents put, at a time.
const BATCH: i64 = 2000;

/// How an index and the rows differ.
#[derive(Default)]
struct Differences {
    /// Rows that have no document, or more than one.
    wanting: Vec<(i64, &'static str)>,
    /// Those that have more than one.
    doubled: Vec<i64>,
    /// Documents that have no row.
    surplus: Vec<i64>,
}

pub(super) async fn look(store: &Store, order: &Order, found: &mut Found, told: Told<'_>) -> Result<(), CheckError> {
    let Some(place) = &order.index else { return Ok(()) };
    let contents = match contents(place.place.clone()).await {
        Ok(contents) => contents,
        Err(error @ (IndexError::Damaged { .. } | IndexError::Outdated { .. } | IndexError::Unfit { .. })) => {
            found.add("index", crate::accept::chain(&error));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    found.checked = super::many(contents.numbers.len());
    let head = store.head().await?;
    if contents.mark > head {
        found.add("index", format!("it is complete up to change {}, and the newest is {head}", contents.mark));
        return Ok(());
    }
    if contents.mark < head {
        found.notes.push(format!("complete up to change {} of {head}", contents.mark));
    }
    let differences = compare(store, &contents, told).await?;
    for (number, detail) in differences.wanting {
        let about = if found.curious() { store.report_name(number).await? } else { String::new() };
        found.add(format!("report {about}"), detail);
    }
    for number in differences.surplus {
        found.add(format!("document {number}"), "it has no row");
    }
    if found.faults > 0 && !place.writable {
        found.notes.push("the index belongs to the server that runs; stop it to have the index mended".to_owned());
    }
    Ok(())
}

/// Catches up, and puts and removes documents where they differ from the rows. An index that cannot be read is begun
/// anew.
pub(super) async fn mend(process: &Process, order: &Order) -> Result<(), CheckError> {
    let Some(place) = order.index.as_ref().filter(|place| place.writable) else { return Ok(()) };
    let index = open(place.place.clone()).await?;
    let catch_up = CatchUp::new(process.clone(), Arc::clone(&index));
    catch_up.fill().await?;
    let contents = contents(place.place.clone()).await?;
    let differences = compare(&process.store, &contents, &mut |_, _| ()).await?;
    if !differences.doubled.is_empty() {
        put(Arc::clone(&index), Vec::new, differences.doubled, contents.mark).await?;
    }
    let wanting: Vec<i64> = differences.wanting.iter().map(|(number, _)| *number).collect();
    for numbers in wanting.chunks(BATCH as usize) {
        let rows = process.store.result_rows(numbers).await?;
        let stored = process.store.reports_by_number(numbers).await?;
        put(Arc::clone(&index), move || documents(&rows, stored), Vec::new(), contents.mark).await?;
    }
    if !differences.surplus.is_empty() {
        put(index, Vec::new, differences.surplus, contents.mark).await?;
    }
    Ok(())
}

async fn put(
    index: Arc<dyn DocumentIndex>,
    made: impl FnOnce() -> Vec<crate::index::Document> + Send + 'static,
    removed: Vec<i64>,
    mark: i64,
) -> Result<(), IndexError> {
    blocking(move || index.put(made(), removed, mark)).await
}

async fn contents(place: Place) -> Result<Contents, IndexError> {
    blocking(move || place.look()).await
}

async fn open(place: Place) -> Result<Arc<dyn DocumentIndex>, IndexError> {
    blocking(move || place.open_or_begin()).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::task::spawn_blocking(work).await.expect("an index does not panic")
}

/// Goes through rows and documents side by side; both come in the order of their numbers.
async fn compare(store: &Store, contents: &Contents, told: Told<'_>) -> Result<Differences, StoreError> {
    let total = store.count_rows(Counting::Extracts).await?.unsigned_abs();
    let mut differences = Differences::default();
    let mut documents = contents.numbers.as_slice();
    let (mut after, mut done) = (0, 0);
    loop {
        let rows = store.row_marks(after, BATCH).await?;
        let Some(last) = rows.last() else { break };
        after = last.number;
        done += super::many(rows.len());
        for row in &rows {
            let below = documents.partition_point(|number| *number < row.number);
            differences.surplus.extend(&documents[..below]);
            let same = documents[below..].partition_point(|number| *number == row.number);
            differences.judge(row, same, contents.mark);
            documents = &documents[below + same..];
        }
        told(done, total);
    }
    differences.surplus.extend(documents);
    differences.surplus.dedup();
    Ok(differences)
}

impl Differences {
    /// Holds one row against the number of documents it has.
    fn judge(&mut self, row: &RowMark, documents: usize, mark: i64) {
        let settled = row.change_number <= mark;
        match documents {
            0 if settled && !row.removed => self.wanting.push((row.number, "it has no document")),
            1 if settled && row.removed => self.surplus.push(row.number),
            2.. => {
                self.wanting.push((row.number, "it has more than one document"));
                self.doubled.push(row.number);
            }
            _ => {}
        }
    }
}
