//! An index that is open: what is searched, and what writes.

use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use tantivy::collector::DocSetCollector;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Term};

use super::faults::{guarded, told};
use super::fields::{self, Fields};
use super::place::{Place, check_positions};
use super::{OPENING, merging};
use crate::index::IndexError;

/// Memory for documents not yet committed, in bytes. When it is full, a segment is written, and the commit has two.
const WRITER_MEMORY: usize = 32 * 1024 * 1024;

/// An index as it was found when it was opened, and all that was committed since.
pub(super) struct Opened {
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    index: Index,
    /// Mark of the commit that searches see: a moment behind the one on disk, while the reader takes that in.
    shown: AtomicI64,
}

/// What changes an index. It holds the lock on the directory.
pub(super) struct Writer {
    pub(super) inner: IndexWriter,
    /// No document has a greater number, so greater ones replace nothing. Looking up what to replace costs a search
    /// in every segment, and nearly all documents are new.
    pub(super) highest: i64,
}

/// What is committed together with the documents.
#[derive(Serialize, Deserialize)]
pub(super) struct Payload {
    format: u32,
    pub(super) mark: i64,
}

impl Opened {
    /// Opens the index in a place, or begins one there. The lock is taken at once, so that a second process hears of it
    /// at its start.
    pub(super) fn open(place: &Place) -> Result<(Opened, Writer), IndexError> {
        let directory = place.name();
        guarded(directory, || {
            let opening = told(OPENING, directory);
            let opened = Opened::in_files(place)?;
            let outdated = || IndexError::Outdated { directory: directory.into() };
            let metas = opened.index.load_metas().map_err(opening)?;
            if metas.schema != opened.fields.schema {
                return Err(outdated());
            }
            let mark = match metas.payload {
                Some(payload) => Some(Payload::of_this_layout(&payload).ok_or_else(outdated)?.mark),
                None if metas.segments.is_empty() => None,
                None => return Err(outdated()),
            };
            let mut writer = opened.writer().map_err(opening)?;
            match mark {
                // Searches see all that was committed before.
                Some(mark) => opened.shown.store(mark, Ordering::SeqCst),
                // Marked as being of this layout.
                None => opened.commit(&mut writer, 0).map_err(opening)?,
            }
            Ok((opened, writer))
        })
    }

    fn in_files(place: &Place) -> Result<Opened, IndexError> {
        let opening = told(OPENING, place.name());
        let files = place.files()?;
        let fields = Fields::new();
        let index = if Index::exists(&*files).map_err(|error| opening(error.into()))? {
            Index::open(files)
        } else {
            Index::create(files, fields.schema.clone(), IndexSettings::default())
        };
        let index = index.map_err(opening)?;
        check_positions(&index).map_err(opening)?;
        index.tokenizers().register(fields::WORDS, fields::analyzer());
        let reader = index
            .reader_builder()
            // Searches see a commit when `put` says so, not some time after it returned.
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(1)
            .try_into()
            .map_err(opening)?;
        Ok(Opened { fields, reader, index, shown: AtomicI64::new(0) })
    }

    /// Another writer, which has nothing to commit.
    pub(super) fn writer(&self) -> tantivy::Result<Writer> {
        // One thread of each kind: the machine is shared with processing, and more threads make more segments.
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_MEMORY)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let inner = self.index.writer_with_options(options)?;
        inner.set_merge_policy(Box::new(merging::Bounded));
        self.reader.reload()?;
        let mut highest = i64::MIN;
        for segment in self.reader.searcher().segment_readers() {
            highest = highest.max(segment.fast_fields().i64(fields::NUMBER)?.max_value());
        }
        Ok(Writer { inner, highest })
    }

    /// Takes a document out, if there is one of this number.
    ///
    /// It is looked up here although tantivy will do so again: there it is done in a thread whose panic, which a damaged
    /// file can cause, ends the process.
    pub(super) fn remove(&self, writer: &Writer, number: i64) -> tantivy::Result<()> {
        let term = Term::from_field_i64(self.fields.number, number);
        let query = TermQuery::new(term.clone(), IndexRecordOption::Basic);
        if !self.reader.searcher().search(&query, &DocSetCollector)?.is_empty() {
            writer.inner.delete_term(term);
        }
        Ok(())
    }

    /// Commits what the writer holds, and shows it to searches.
    pub(super) fn commit(&self, writer: &mut Writer, mark: i64) -> tantivy::Result<()> {
        let mut commit = writer.inner.prepare_commit()?;
        commit.set_payload(&Payload { format: fields::FORMAT, mark }.written());
        commit.commit()?;
        self.reader.reload()?;
        self.shown.store(mark, Ordering::SeqCst);
        Ok(())
    }

    /// The mark that is on disk and that searches see.
    pub(super) fn mark(&self) -> tantivy::Result<i64> {
        let metas = self.index.load_metas()?;
        let committed = metas.payload.as_deref().and_then(Payload::read).map_or(0, |payload| payload.mark);
        Ok(committed.min(self.shown.load(Ordering::SeqCst)))
    }
}

impl Payload {
    pub(super) fn of_this_layout(text: &str) -> Option<Payload> {
        Payload::read(text).filter(|payload| payload.format == fields::FORMAT)
    }

    fn read(text: &str) -> Option<Payload> {
        serde_json::from_str(text).ok()
    }

    fn written(&self) -> String {
        serde_json::to_string(self).expect("two numbers can always be written")
    }
}
