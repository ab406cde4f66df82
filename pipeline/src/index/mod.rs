//! Step three: processed reports are put into the document index, where their texts can be searched.
//!
//! An index is derived: it can be thrown away and filled again from the store. It knows how far it has come by its
//! *mark*, which is committed together with the documents, so that the two never disagree. [`Tantivy`] is the engine
//! of the embedded profile, [`Elastic`] that of the deployed one; [`Fake`] is for tests that need one that fails. What
//! every engine must do is said, and tried, by [`conformance()`].

mod conformance;
mod elastic;
mod embedded;
mod fake;
mod oracle;
mod place;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use schemas::grade::Grade;
use schemas::ids::ReportId;
use schemas::query::span::microseconds;
use schemas::query::{KeyField, Query, TimeField, WordField, ordinal, words};
use schemas::reason::{Code, Phase};
use serde::Serialize;

pub use conformance::conformance;
pub use elastic::{Address, Elastic, NotAnAddress};
pub use embedded::{Contents, Tantivy};
pub use fake::Fake;
pub use place::Place;

/// Hits that can be reached by offset and limit together. Further back, a query should be narrowed.
pub const MAX_WINDOW: usize = 10_000;

/// A search engine holding one document for each processed report. Calls block; those that write wait for each other.
pub trait DocumentIndex: Send + Sync + 'static {
    /// Puts documents in the place of those with the same number, takes the removed numbers out, and sets the mark:
    /// all of it or, on an error, nothing. Searches see it as soon as this returns. Doing it twice is as good as once.
    ///
    /// No mark is below the one before it: only clearing an index takes it back. Everything is held in memory until it
    /// is committed: a few thousand documents, some tens of megabytes of text, are a good batch.
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError>;

    /// The change number up to which the index is complete; 0 for an empty one.
    fn mark(&self) -> Result<i64, IndexError>;

    /// Finds documents. `offset` and `limit` together are at most [`MAX_WINDOW`]; a limit of 0 only counts.
    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError>;

    /// Takes everything out and sets the mark to 0, for a rebuild.
    fn clear(&self) -> Result<(), IndexError>;

    /// How many documents there are.
    fn documents(&self) -> Result<u64, IndexError>;

    /// Makes the index fit for use again where calls have failed, searches included, and trying again would not help:
    /// an engine that keeps files of its own looks whether they are damaged, and begins anew if they are. Costs nothing
    /// while all is well. Whoever fills the index calls this now and then.
    fn mend(&self) -> Result<Mended, IndexError> {
        Ok(Mended::Nothing)
    }

    /// A name for it by which processes that fill the same one know it. `None`: it is this process's own.
    fn shared(&self) -> Option<String> {
        None
    }

    /// Begins an index beside this one, which no search of this one sees: empty, to be filled by [`put`](Self::put)
    /// and then [shown](Self::show). `None`: this engine has only one, which a rebuild empties and fills again.
    fn renew(&self) -> Result<Option<Arc<dyn DocumentIndex>>, IndexError> {
        Ok(None)
    }

    /// Puts an index begun by [`renew`](Self::renew) in the place of the one it was begun beside, from one moment to
    /// the next, and throws that one away. An index that searches see already is left as it is.
    fn show(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// What came of mending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// All that was in the index still is.
    Nothing,
    /// The index was damaged; now it is empty, with the mark 0.
    Anew,
}

/// A report as the index knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The result's number: what a hit names, and what a later document replaces.
    pub number: i64,
    pub id: ReportId,
    pub distribution: String,
    pub version: String,
    pub author: Option<String>,
    /// The tester's name, never an address.
    pub tester: String,
    pub grade: Grade,
    /// Canonical operating system name.
    pub os: String,
    /// `perl` or `raku`.
    pub language: String,
    /// As reported, without leading `v`.
    pub language_version: String,
    pub architecture: String,
    /// Why it is not a pass, and in which phase.
    pub reason: Option<(Code, Option<Phase>)>,
    pub received_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    /// The report's text; of a long one, only [`words::searched`] is indexed.
    pub text: String,
}

impl Document {
    /// The value a key field is compared by, where the report has one.
    pub fn key(&self, field: KeyField) -> Option<String> {
        let value = match field {
            KeyField::Distribution => self.distribution.as_str().into(),
            KeyField::Version => self.version.as_str().into(),
            KeyField::Author => self.author.as_deref()?.into(),
            KeyField::Grade => self.grade.as_str().into(),
            KeyField::Os => self.os.as_str().into(),
            KeyField::Language => self.language.as_str().into(),
            KeyField::LanguageVersion => self.language_version.as_str().into(),
            KeyField::Reason => wire_name(self.reason?.0),
            KeyField::Phase => wire_name(self.reason?.1?),
            KeyField::Id => Cow::from(self.id.to_string()),
        };
        Some(field.key(&value))
    }

    /// The texts whose words a field is searched by; no phrase reaches from one into the next.
    pub fn texts(&self, field: WordField) -> Vec<&str> {
        match field {
            WordField::Text => {
                let (head, tail) = words::searched(&self.text);
                vec![&self.distribution, head, tail]
            }
            WordField::Tester => vec![&self.tester],
            WordField::Architecture => vec![&self.architecture],
        }
    }

    /// The time as a query compares it.
    pub fn time(&self, field: TimeField) -> i64 {
        match field {
            TimeField::Received => microseconds(self.received_at),
            TimeField::Created => microseconds(self.created_at),
        }
    }

    /// The language version as a query compares it; none when it does not begin with a number.
    pub fn language_number(&self) -> Option<i64> {
        ordinal(&self.language_version)
    }
}

/// In which order hits are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By how well the text matches, then the newest first.
    Relevance,
    /// By number, the greatest first: the order of receipt, backwards.
    Newest,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// All documents that match, not only those listed.
    pub total: u64,
    /// Number and score of each document listed. The score tells how well the text matches; it is 0 when the order is
    /// by newest, and when the query asks for no words of the text.
    pub hits: Vec<(i64, f32)>,
}

/// Why the document index did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the document index in {} is damaged; `assay rebuild` makes it anew from the reports", directory.display())]
    Damaged { directory: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error(
        "the document index in {} was made by another version of assay; `assay rebuild` makes it anew from the reports",
        directory.display()
    )]
    Outdated { directory: PathBuf },
    #[error("the document index in {} is in use by another process", directory.display())]
    Busy { directory: PathBuf },
    /// What is in the search engine cannot be worked with, whenever it is tried.
    #[error("the document index at {place} {fault}; `assay rebuild --index` makes it anew from the reports")]
    Unfit { place: String, fault: &'static str },
    #[error("only the first {MAX_WINDOW} hits of a search can be listed; narrow the query")]
    TooDeep,
    /// The engine failed; trying again later may help.
    #[error("{attempt}")]
    Engine { attempt: &'static str, source: Box<dyn Error + Send + Sync> },
}

/// Refuses a page that lies too deep.
fn check_window(offset: usize, limit: usize) -> Result<(), IndexError> {
    match offset.checked_add(limit) {
        Some(end) if end <= MAX_WINDOW => Ok(()),
        _ => Err(IndexError::TooDeep),
    }
}

/// A value of a closed set as JSON names it, which is how a query names it.
fn wire_name(value: impl Serialize) -> Cow<'static, str> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name.into(),
        _ => "".into(),
    }
}
