//! Finding reports by text and fields.

use std::collections::HashMap;
use std::sync::Arc;

use schemas::query::{Query, highlight};
use schemas::views::{HitView, ResultView, SearchView};

use crate::clock::Clock;
use crate::index::{DocumentIndex, IndexError, MAX_WINDOW, Order};
use crate::store::{Store, StoreError, Stored};
use crate::submission;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the index could not be searched")]
    Index(#[from] IndexError),
    #[error("what was found could not be read")]
    Store(#[from] StoreError),
}

/// One page of what matches, with the places that matched.
pub async fn search(
    store: &Store,
    index: &Arc<dyn DocumentIndex>,
    clock: &Clock,
    query: Query,
    order: Order,
    offset: usize,
    limit: usize,
) -> Result<SearchView, SearchError> {
    let text = query.to_string();
    let engine = Arc::clone(index);
    let asked = query.clone();
    let (found, mark) = tokio::task::spawn_blocking(move || {
        let mark = engine.mark()?;
        Ok::<_, IndexError>((engine.search(&asked, order, offset, limit)?, mark))
    })
    .await
    .expect("an index does not panic")?;
    let numbers: Vec<i64> = found.hits.iter().map(|hit| hit.0).collect();
    let freshness = store.freshness(clock.now()).await?;
    let documents: HashMap<i64, String> = store.documents(&numbers).await?.into_iter().collect();
    let stored: HashMap<i64, Stored> =
        store.reports_by_number(&numbers).await?.into_iter().map(|one| (one.report.number, one)).collect();
    let hits = found.hits.clone();
    let items = tokio::task::spawn_blocking(move || {
        hits.iter()
            .filter_map(|(number, score)| {
                let result: ResultView = serde_json::from_str(documents.get(number)?).ok()?;
                // The words of a text that is kept no longer are found until the index is made anew; there is nothing to
                // show of them.
                let text = stored.get(number).map(submission::searchable).unwrap_or_default();
                let highlights = highlight(&query, &text);
                Some(HitView { result, score: *score, highlights })
            })
            .collect()
    })
    .await
    .expect("highlighting does not panic");
    let end = offset + found.hits.len();
    let more = (end as u64) < found.total && end + limit <= MAX_WINDOW && !found.hits.is_empty();
    Ok(SearchView {
        query: text,
        total: i64::try_from(found.total).unwrap_or(i64::MAX),
        items,
        next: more.then(|| end.to_string()),
        lag: (freshness.head - mark).max(0),
        freshness,
    })
}
