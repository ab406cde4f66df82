//! A document index in plain memory, for tests: it scans, and it can be told to fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::query::Query;

use super::{Document, DocumentIndex, Found, IndexError, Order, check_window, oracle};

/// An index that looks at every document. While it is told to fail, every call is an error and changes nothing.
#[derive(Debug, Default)]
pub struct Fake {
    failing: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    documents: BTreeMap<i64, Document>,
    mark: i64,
}

impl Fake {
    /// From now on every call fails, or none does.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn content(&self) -> Result<MutexGuard<'_, Content>, IndexError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(IndexError::Engine {
                attempt: "the fake index was asked",
                source: "it was told to fail".into(),
            });
        }
        Ok(self.content.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DocumentIndex for Fake {
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError> {
        let mut content = self.content()?;
        content.documents.extend(documents.into_iter().map(|document| (document.number, document)));
        content.documents.retain(|number, _| !removed.contains(number));
        content.mark = mark;
        Ok(())
    }

    fn mark(&self) -> Result<i64, IndexError> {
        Ok(self.content()?.mark)
    }

    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError> {
        check_window(offset, limit)?;
        let content = self.content()?;
        let matching = content.documents.values().filter(|document| oracle::matches(query, document));
        let score = |document: &Document| match order {
            Order::Relevance => oracle::score(query, document),
            Order::Newest => 0.0,
        };
        let mut hits: Vec<(i64, f32)> = matching.map(|document| (document.number, score(document))).collect();
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        let total = hits.len() as u64;
        Ok(Found { total, hits: hits.into_iter().skip(offset).take(limit).collect() })
    }

    fn clear(&self) -> Result<(), IndexError> {
        *self.content()? = Content::default();
        Ok(())
    }

    fn documents(&self) -> Result<u64, IndexError> {
        Ok(self.content()?.documents.len() as u64)
    }
}
