//! Step three: changed rows are put into the document index, in batches.
//!
//! The index itself knows up to which change number it is complete, in the same commit as its documents. Nothing is
//! marked in the database, so the two cannot disagree after a crash, and a rebuild is this step from an empty index.

use std::sync::Arc;
use std::time::Duration;

use schemas::views::ResultView;
use tokio_util::sync::CancellationToken;

use crate::accept::chain;
use crate::index::{Document, DocumentIndex, IndexError, Mended};
use crate::process::Process;
use crate::store::{ResultChange, StoreError, Stored, Turn};
use crate::submission;
use crate::worker::wait;

/// Rows taken into the index with one commit of it. More are hardly faster, and all are held in memory.
const BATCH: usize = 500;

/// Bytes of reports taken in with one commit at most.
const HEAVY: i64 = 16 * 1024 * 1024;

/// Time between two commits while little comes in: each has a cost of its own.
const PACE: Duration = Duration::from_millis(400);

/// How often those who do not fill a shared index look whether they are to.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps an index in step with the rows.
pub struct CatchUp {
    process: Process,
    index: Arc<dyn DocumentIndex>,
}

/// Why a batch was not indexed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    #[error("the rows to index could not be read")]
    Store(#[from] StoreError),
    #[error("the batch could not be put into the index")]
    Index(#[from] IndexError),
}

impl CatchUp {
    pub fn new(process: Process, index: Arc<dyn DocumentIndex>) -> Self {
        CatchUp { process, index }
    }

    /// Follows the rows until told to stop. An index that fails delays search and nothing else. One that several
    /// processes share is filled by one of them, and by another when that one ends.
    pub async fn run(self, stop: CancellationToken) {
        let mut head = self.process.events.head();
        let mut turn = None;
        while !stop.is_cancelled() {
            if !self.has_turn(&mut turn).await {
                wait(&stop, LOOK).await;
                continue;
            }
            match self.step().await {
                Ok(count) if count == BATCH => {}
                Ok(_) => {
                    let changed = head.changed();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        // Another process may have written, so the wait is bounded.
                        _ = tokio::time::timeout(Duration::from_secs(2), changed) => wait(&stop, PACE).await,
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "indexing failed; trying again");
                    wait(&stop, Duration::from_secs(1)).await;
                }
            }
        }
        if let Some(turn) = turn {
            turn.end().await;
        }
    }

    /// Takes in all there is. False: another process fills the index, and does so by itself.
    pub async fn fill(&self) -> Result<bool, CatchUpError> {
        let mut turn = None;
        while self.has_turn(&mut turn).await {
            if self.step().await? == 0 {
                if let Some(turn) = turn {
                    turn.end().await;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it is for this process to fill the index: it has the turn still, or gets it now.
    async fn has_turn(&self, turn: &mut Option<Turn>) -> bool {
        let Some(name) = self.index.shared() else { return true };
        if let Some(held) = turn {
            if held.lasts().await {
                return true;
            }
            *turn = None;
        }
        match self.process.store.take_turn(&name).await {
            Ok(taken) => {
                *turn = taken;
                turn.is_some()
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "whose turn it is to fill the index cannot be told");
                false
            }
        }
    }

    /// Indexes the next batch and tells how many rows were in it. An index that turned out to be damaged, here or at a
    /// search, is begun anew first.
    pub async fn step(&self) -> Result<usize, CatchUpError> {
        let index = Arc::clone(&self.index);
        if blocking(move || index.mend()).await? == Mended::Anew {
            self.process.measures.index_begun_anew.inc();
        }
        let index = Arc::clone(&self.index);
        let mark = blocking(move || index.mark()).await?;
        let (mut rows, head) = self.process.store.result_changes(mark, BATCH).await?;
        if mark > head {
            // The rows are younger than the index: the database was begun anew.
            let index = Arc::clone(&self.index);
            blocking(move || index.clear()).await?;
            return Ok(BATCH);
        }
        if rows.is_empty() {
            if mark < head {
                // What changed since are summaries. Whoever looks at the index from outside sees that nothing is missing.
                let index = Arc::clone(&self.index);
                blocking(move || index.put(Vec::new(), Vec::new(), head)).await?;
            }
            self.process.measures.indexed.set(head);
            return Ok(0);
        }
        let timer = self.process.measures.index_seconds.start_timer();
        let full = rows.len() == BATCH;
        let more = shorten(&mut rows) || full;
        let present: Vec<i64> = rows.iter().filter(|row| !row.removed).map(|row| row.number).collect();
        let stored = self.process.store.reports_by_number(&present).await?;
        let count = rows.len();
        // With nothing left after these rows, the index is complete up to the head; the numbers between are summaries'.
        let reached = if !more { head } else { rows.last().map_or(head, |row| row.change_number) };
        let index = Arc::clone(&self.index);
        blocking(move || {
            let removed = rows.iter().filter(|row| row.removed).map(|row| row.number).collect();
            index.put(documents(&rows, stored), removed, reached)
        })
        .await?;
        timer.observe_duration();
        self.process.measures.indexed.set(reached);
        Ok(if more { BATCH } else { count })
    }
}

/// Cuts off the rows whose reports would be too much to hold at once, and tells whether there were any.
fn shorten(rows: &mut Vec<ResultChange>) -> bool {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += row.size;
        bytes <= HEAVY
    });
    let count = fits.count().max(1);
    let cut = count < rows.len();
    rows.truncate(count);
    cut
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::task::spawn_blocking(work).await.expect("an index does not panic")
}

pub(crate) fn documents(rows: &[ResultChange], stored: Vec<Stored>) -> Vec<Document> {
    let mut by_number: std::collections::HashMap<i64, Stored> =
        stored.into_iter().map(|one| (one.report.number, one)).collect();
    let present = rows.iter().filter(|row| !row.removed);
    present.filter_map(|row| document(row, by_number.remove(&row.number))).collect()
}

/// A row and its text. A body that is not there, or cannot be read any more, leaves the text empty: its fields are still
/// found.
fn document(row: &ResultChange, stored: Option<Stored>) -> Option<Document> {
    let view: ResultView = serde_json::from_str(&row.document).ok()?;
    let text = stored.as_ref().map(submission::searchable).unwrap_or_default();
    Some(Document {
        number: row.number,
        id: view.id.parse().ok()?,
        distribution: view.distribution,
        version: view.version,
        author: view.author,
        tester: view.tester,
        grade: view.grade,
        os: view.os,
        language: view.language,
        language_version: view.language_version,
        architecture: view.architecture,
        reason: view.reason.map(|reason| (reason.code, reason.phase)),
        received_at: view.received_at,
        created_at: view.created_at,
        text,
    })
}
