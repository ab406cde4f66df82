//! The engine of the embedded profile: a tantivy index in a directory of its own.

mod contents;
mod exclusion;
mod fields;
mod merging;
mod translate;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use schemas::query::Query;
use serde::{Deserialize, Serialize};
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Count, TopDocs};
use tantivy::directory::error::{LockError, OpenReadError};
use tantivy::directory::{Directory, MmapDirectory, RamDirectory};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError, Term};

use super::{Document, DocumentIndex, Found, IndexError, Order, check_window};
pub use contents::Contents;
use fields::Fields;

/// Memory for documents not yet committed, in bytes. When it is full, a segment is written, and the commit has two.
const WRITER_MEMORY: usize = 32 * 1024 * 1024;

/// Documents in a tantivy index. One process at a time can write; it keeps the writer, and so the directory's lock,
/// for as long as this lives.
pub struct Tantivy {
    fields: Fields,
    index: Index,
    reader: IndexReader,
    /// Absent after a failure: what was not committed is forgotten with the writer, and the next call makes another.
    writer: Mutex<Option<Writer>>,
    /// Mark of the commit that searches see: a moment behind the one on disk, while the reader takes that in.
    shown: AtomicI64,
    directory: PathBuf,
}

struct Writer {
    inner: IndexWriter,
    /// No document has a greater number, so greater ones replace nothing. Looking up what to replace costs a search
    /// in every segment, and nearly all documents are new.
    highest: i64,
}

/// What is committed together with the documents.
#[derive(Serialize, Deserialize)]
struct Payload {
    format: u32,
    mark: i64,
}

impl Tantivy {
    /// Opens the index in this directory, or begins one there.
    pub fn open(directory: &Path) -> Result<Tantivy, IndexError> {
        guarded(directory, || {
            let opening = told(OPENING, directory);
            fs::create_dir_all(directory).map_err(|error| opening(error.into()))?;
            let files = MmapDirectory::open(directory).map_err(|error| opening(error.into()))?;
            Tantivy::open_in(Box::new(files), directory)
        })
    }

    /// Throws away what an index has left in this directory, readable or not, and begins a new one there. Files that
    /// no index made are left alone.
    pub fn anew(directory: &Path) -> Result<Tantivy, IndexError> {
        remove_index(directory).map_err(|error| told(OPENING, directory)(error.into()))?;
        Tantivy::open(directory)
    }

    /// An index that is gone when it is dropped.
    pub fn in_memory() -> Result<Tantivy, IndexError> {
        Tantivy::open_in(Box::new(RamDirectory::create()), Path::new("memory"))
    }

    fn open_in(files: Box<dyn Directory>, directory: &Path) -> Result<Tantivy, IndexError> {
        let opening = told(OPENING, directory);
        let fields = Fields::new();
        let index = if Index::exists(&*files).map_err(|error| opening(error.into()))? {
            Index::open(files)
        } else {
            Index::create(files, fields.schema.clone(), IndexSettings::default())
        };
        let index = index.map_err(opening)?;
        index.tokenizers().register(fields::WORDS, fields::analyzer());
        let reader = index
            .reader_builder()
            // Searches see a commit when `put` says so, not some time after it returned.
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(1)
            .try_into()
            .map_err(opening)?;
        let shown = AtomicI64::new(i64::MAX);
        let opened = Tantivy { fields, index, reader, writer: Mutex::new(None), shown, directory: directory.into() };
        opened.check_format()?;
        // Searches see all that was committed before.
        opened.shown.store(opened.mark()?, Ordering::SeqCst);
        Ok(opened)
    }

    /// Refuses an index of another layout, and marks a new one as being of this.
    fn check_format(&self) -> Result<(), IndexError> {
        let outdated = || IndexError::Outdated { directory: self.directory.clone() };
        let metas = self.index.load_metas().map_err(told(OPENING, &self.directory))?;
        if metas.schema != self.fields.schema {
            return Err(outdated());
        }
        match metas.payload {
            Some(payload) if Payload::read(&payload).is_some_and(|payload| payload.format == fields::FORMAT) => {
                // Takes the lock now, so that a second process hears of it at its start.
                self.write(OPENING, |_| Ok(()))
            }
            None if metas.segments.is_empty() => self.put(Vec::new(), Vec::new(), 0),
            _ => Err(outdated()),
        }
    }

    /// Runs something on the writer. If it fails, or panics, nothing uncommitted is left for the next call to commit.
    fn write<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&mut Writer) -> tantivy::Result<T>,
    ) -> Result<T, IndexError> {
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = held.take();
        let (writer, done) = guarded(&self.directory, || {
            let mut writer = match taken {
                Some(writer) => writer,
                None => self.new_writer().map_err(told(attempt, &self.directory))?,
            };
            let done = work(&mut writer).map_err(told(attempt, &self.directory))?;
            Ok((writer, done))
        })?;
        *held = Some(writer);
        Ok(done)
    }

    fn new_writer(&self) -> tantivy::Result<Writer> {
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

    /// Commits what the writer holds, and shows it to searches.
    fn commit(&self, writer: &mut Writer, mark: i64) -> tantivy::Result<()> {
        let mut commit = writer.inner.prepare_commit()?;
        commit.set_payload(&Payload { format: fields::FORMAT, mark }.written());
        commit.commit()?;
        self.reader.reload()?;
        self.shown.store(mark, Ordering::SeqCst);
        Ok(())
    }
}

impl DocumentIndex for Tantivy {
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError> {
        // In a batch, too, the last of a number counts.
        let documents: BTreeMap<i64, Document> =
            documents.into_iter().map(|document| (document.number, document)).collect();
        self.write("the documents could not be indexed", |writer| {
            let highest = writer.highest;
            for (number, document) in documents {
                if number <= highest {
                    writer.inner.delete_term(Term::from_field_i64(self.fields.number, number));
                }
                writer.inner.add_document(self.fields.document(&document))?;
                writer.highest = writer.highest.max(number);
            }
            for number in removed {
                writer.inner.delete_term(Term::from_field_i64(self.fields.number, number));
            }
            self.commit(writer, mark)
        })
    }

    fn mark(&self) -> Result<i64, IndexError> {
        let metas = self.index.load_metas().map_err(told("the document index could not be asked", &self.directory))?;
        let committed = metas.payload.as_deref().and_then(Payload::read).map_or(0, |payload| payload.mark);
        Ok(committed.min(self.shown.load(Ordering::SeqCst)))
    }

    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError> {
        check_window(offset, limit)?;
        guarded(&self.directory, || {
            let query = translate::translate(query, &self.fields);
            self.find(&*query, order, offset, limit)
                .map_err(told("the document index could not be searched", &self.directory))
        })
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.write("the document index could not be emptied", |writer| {
            writer.inner.delete_all_documents()?;
            writer.highest = i64::MIN;
            self.commit(writer, 0)
        })
    }

    fn documents(&self) -> Result<u64, IndexError> {
        Ok(self.reader.searcher().num_docs())
    }
}

impl Tantivy {
    fn find(
        &self,
        query: &dyn tantivy::query::Query,
        order: Order,
        offset: usize,
        limit: usize,
    ) -> tantivy::Result<Found> {
        let searcher = self.reader.searcher();
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
}

impl Payload {
    fn read(text: &str) -> Option<Payload> {
        serde_json::from_str(text).ok()
    }

    fn written(&self) -> String {
        serde_json::to_string(self).expect("two numbers can always be written")
    }
}

const OPENING: &str = "the document index could not be opened";

/// Tells what an error of the engine means to whoever runs assay.
fn told(attempt: &'static str, directory: &Path) -> impl Fn(TantivyError) -> IndexError + Copy {
    move |error| match error {
        TantivyError::LockFailure(LockError::LockBusy, _) => IndexError::Busy { directory: directory.into() },
        TantivyError::IncompatibleIndex(_) => IndexError::Outdated { directory: directory.into() },
        TantivyError::OpenReadError(OpenReadError::IncompatibleIndex(_)) => {
            IndexError::Outdated { directory: directory.into() }
        }
        TantivyError::DataCorruption(_) | TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_)) => {
            IndexError::Damaged { directory: directory.into(), source: Box::new(error) }
        }
        TantivyError::OpenReadError(OpenReadError::IoError { ref io_error, .. })
        | TantivyError::IoError(ref io_error)
            if torn(io_error) =>
        {
            IndexError::Damaged { directory: directory.into(), source: Box::new(error) }
        }
        _ => IndexError::Engine { attempt, source: Box::new(error) },
    }
}

/// Whether a file is not as it was written, as opposed to a disk that is away or full.
fn torn(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Tantivy panics on some damaged files; searching is not worth more than the process.
fn guarded<T>(directory: &Path, work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(IndexError::Damaged { directory: directory.into(), source: "the engine panicked".into() })
    })
}

/// Deletes the files tantivy makes: its two lists, its locks, and segments, which are named by 32 hexadecimal digits.
fn remove_index(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let segment = stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        if segment || ["meta.json", ".managed.json"].contains(&&*name) || name.starts_with(".tantivy-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
