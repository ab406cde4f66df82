//! The engine of the embedded profile: a tantivy index in a directory of its own.

mod contents;
mod exclusion;
mod faults;
mod fields;
mod mending;
mod merging;
mod opened;
mod place;
mod translate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use schemas::query::Query;
use tantivy::Searcher;
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Count, TopDocs};

use super::{Document, DocumentIndex, Found, IndexError, Mended, Order, check_window};
pub use contents::Contents;
use faults::{guarded, told};
use mending::Health;
use opened::{Opened, Writer};
use place::{Place, remove_index};

const OPENING: &str = "the document index could not be opened";

/// Documents in a tantivy index. One process at a time can write; it keeps the writer, and so the directory's lock,
/// for as long as this lives.
pub struct Tantivy {
    place: Place,
    /// Another takes its place when the index is mended; a search under way keeps the one it began with. Absent until
    /// the index could be opened.
    opened: RwLock<Option<Arc<Opened>>>,
    /// Absent after a failure: what was not committed is forgotten with the writer, and the next call makes another.
    writer: Mutex<Option<Writer>>,
    health: Health,
}

impl Tantivy {
    /// Opens the index in this directory, or begins one there.
    pub fn open(directory: &Path) -> Result<Tantivy, IndexError> {
        Tantivy::open_in(Place::Directory(directory.into()))
    }

    /// Throws away what an index has left in this directory, readable or not, and begins a new one there. Files that
    /// no index made are left alone.
    pub fn anew(directory: &Path) -> Result<Tantivy, IndexError> {
        remove_index(directory)?;
        Tantivy::open(directory)
    }

    /// The index in this directory, which cannot be opened now, for want of room or for what lies in its place. Calls
    /// fail until it could be opened, or begun anew, by [`DocumentIndex::mend`].
    pub fn unopened(directory: &Path) -> Tantivy {
        let place = Place::Directory(directory.into());
        Tantivy { place, opened: RwLock::new(None), writer: Mutex::new(None), health: Health::of_unopened() }
    }

    /// An index that is gone when it is dropped.
    pub fn in_memory() -> Result<Tantivy, IndexError> {
        Tantivy::open_in(Place::Memory)
    }

    fn open_in(place: Place) -> Result<Tantivy, IndexError> {
        let (opened, writer) = Opened::open(&place)?;
        let (opened, writer) = (RwLock::new(Some(Arc::new(opened))), Mutex::new(Some(writer)));
        Ok(Tantivy { place, opened, writer, health: Health::default() })
    }

    fn opened(&self) -> Result<Arc<Opened>, IndexError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        let unopened = || IndexError::Engine { attempt: OPENING, source: "it is tried again and again".into() };
        opened.ok_or_else(unopened)
    }

    /// Runs something on the writer. If it fails, or panics, nothing uncommitted is left for the next call to commit.
    fn write(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&Opened, &mut Writer) -> tantivy::Result<()>,
    ) -> Result<(), IndexError> {
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (opened, taken) = (self.opened()?, held.take());
        let failed = told(attempt, self.place.name());
        let written = guarded(self.place.name(), || {
            let mut writer = match taken {
                Some(writer) => writer,
                None => opened.writer().map_err(failed)?,
            };
            work(&opened, &mut writer).map_err(failed)?;
            Ok(writer)
        });
        self.health.written(&written);
        *held = Some(written?);
        Ok(())
    }
}

impl DocumentIndex for Tantivy {
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError> {
        // In a batch, too, the last of a number counts, and one that is removed is not put.
        let removed: BTreeSet<i64> = removed.into_iter().collect();
        let documents: BTreeMap<i64, Document> = documents
            .into_iter()
            .filter(|document| !removed.contains(&document.number))
            .map(|document| (document.number, document))
            .collect();
        self.write("the documents could not be indexed", |opened, writer| {
            for number in documents.keys().chain(&removed).filter(|number| **number <= writer.highest) {
                opened.remove(writer, *number)?;
            }
            for (number, document) in documents {
                writer.inner.add_document(opened.fields.document(&document))?;
                writer.highest = writer.highest.max(number);
            }
            opened.commit(writer, mark)
        })
    }

    fn mark(&self) -> Result<i64, IndexError> {
        let mark = self.opened()?.mark().map_err(told("the document index could not be asked", self.place.name()));
        self.health.listed(&mark);
        mark
    }

    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError> {
        check_window(offset, limit)?;
        let directory = self.place.name();
        let opened = self.opened()?;
        let found = guarded(directory, || {
            let query = translate::translate(query, &opened.fields);
            find(&opened.reader.searcher(), &*query, order, offset, limit)
                .map_err(told("the document index could not be searched", directory))
        });
        self.health.searched(&found);
        found
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.write("the document index could not be emptied", |opened, writer| {
            writer.inner.delete_all_documents()?;
            writer.highest = i64::MIN;
            opened.commit(writer, 0)
        })
    }

    fn documents(&self) -> Result<u64, IndexError> {
        Ok(self.opened()?.reader.searcher().num_docs())
    }

    fn mend(&self) -> Result<Mended, IndexError> {
        self.mend_files()
    }
}

fn find(
    searcher: &Searcher,
    query: &dyn tantivy::query::Query,
    order: Order,
    offset: usize,
    limit: usize,
) -> tantivy::Result<Found> {
    if limit == 0 {
        return Ok(Found { total: searcher.search(query, &Count)? as u64, hits: Vec::new() });
    }
    let page = TopDocs::with_limit(limit).and_offset(offset);
    let newest = (SortByStaticFastValue::<i64>::for_field(fields::NUMBER), tantivy::Order::Desc);
    let (total, hits): (usize, Vec<(f32, Option<i64>)>) = match order {
        Order::Newest => {
            let (total, hits) = searcher.search(query, &(Count, page.order_by(newest)))?;
            (total, hits.into_iter().map(|(number, _)| (0.0, number)).collect())
        }
        Order::Relevance => {
            let (total, hits) = searcher.search(query, &(Count, page.order_by((SortBySimilarityScore, newest))))?;
            (total, hits.into_iter().map(|(key, _)| key).collect())
        }
    };
    // Every document has a number; the column only does not promise it.
    let hits = hits.into_iter().filter_map(|(score, number)| Some((number?, score))).collect();
    Ok(Found { total: total as u64, hits })
}
