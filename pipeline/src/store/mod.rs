//! The database: the only place that writes SQL. One `impl` block per noun file.
//!
//! A bare noun reads (`report`, `summary`), a verb writes and takes a [`Tx`]. All writes of a process go through one
//! connection, whose pool hands it out in turn: SQLite has one writer anyway, and waiting in a queue is fair where
//! SQLite's busy handler is not. Readers have connections of their own and never wait for the writer (WAL).

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};

mod attempts;
mod bulk;
mod changes;
mod contract_lists;
mod extracts;
mod freshness;
mod fsck;
mod groups;
mod history;
mod jobs;
mod listed;
mod matrix;
mod predecessor;
mod rebuilds;
mod releases;
mod reports;
mod results;
mod schema;
mod testers;
#[cfg(test)]
mod tests;
mod tokens;
mod upload_lists;
mod uploads;
mod withdrawals;

pub use attempts::{Attempt, AttemptEnd, AttemptOutcome};
pub use changes::{ChangeRow, ResultChange};
pub use contract_lists::{FoundReport, ReleaseFilter, ReportFilter, Snapshot, Strand};
pub use extracts::{Counted, NewExtract, OldExtract};
pub use fsck::{Counting, DigestedBody, Oddity, RowMark, Span, WaitingJob};
pub use groups::{Group, GroupNumber, GroupReport};
pub use listed::ListedRow;
pub use matrix::{Axis, CellDelta};
pub use predecessor::{Predecessor, Profile, StoredFact};
pub use rebuilds::{KnownRow, Rebuild, Selection, StoredRow};
pub use releases::{MarkedRelease, Release, ReleaseKey, ReleaseNumber, SummaryDelta, SummaryFilter};
pub use reports::{Body, Door, NewReport, Stored, StoredReport};
pub use results::{Failures, ResultFilter};
pub use schema::SchemaFault;
pub use testers::{Tester, TesterNumber};
pub use tokens::{NewToken, Scope, Token};
pub use upload_lists::UploadFilter;
pub use uploads::{Upload, UploadName};
pub use withdrawals::{Selected, Withdrawal, WithdrawalSelection};

/// A database, opened.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A transaction that writes. Dropped without [`Tx::commit`], it leaves no trace.
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
}

/// What can go wrong in the database. That something is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not do as told")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought to this version's schema")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the job could not be queued")]
    Queue(#[source] apalis_sqlite::Error),
    #[error("row {number} of {table} is not as assay writes it")]
    Inconsistent { table: &'static str, number: i64 },
}

impl StoreError {
    /// Whether trying again may help: the database is busy, full or away, not that the statement is wrong.
    pub fn transient(&self) -> bool {
        matches!(self.reason(), "database_busy" | "database_away" | "disk_full" | "disk_failing" | "queue_away")
    }

    /// What is wrong, as one word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            StoreError::Database(sqlx::Error::Database(error)) => {
                // The low byte of an extended code.
                match error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
                    // Busy, locked.
                    Some(5 | 6) => "database_busy",
                    Some(10) => "disk_failing",
                    Some(13) => "disk_full",
                    // Cannot open.
                    Some(14) => "database_away",
                    // Corrupt, not a database.
                    Some(11 | 26) => "database_damaged",
                    _ => "database_refused",
                }
            }
            StoreError::Database(error) => match error {
                sqlx::Error::PoolTimedOut => "database_busy",
                sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => "database_away",
                sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => "row_damaged",
                _ => "database_refused",
            },
            StoreError::Queue(_) => "queue_away",
            StoreError::Migrate(_) => "schema_unfit",
            StoreError::Inconsistent { .. } => "row_damaged",
        }
    }
}

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// Opens the SQLite file at `path`, making it when it is missing. Does not migrate.
    pub async fn open(path: &Path) -> Result<Store> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            // A packed report takes some two kilobytes; smaller pages waste more of their ends on it, and are no faster.
            .page_size(8192)
            .journal_mode(SqliteJournalMode::Wal)
            // A 202 is a promise: the commit is on disk before it is answered.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(512)
            .pragma("temp_store", "MEMORY");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(60))
            // When the disk is full, SQLite ends a transaction by itself. sqlx then fails to end it, believes for ever
            // that it goes on, and refuses every further one on this connection, the only one that writes.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", "-32768")
                    // 64 MiB of log between checkpoints: a page written many times is copied into the file once.
                    .pragma("wal_autocheckpoint", "8192")
                    .pragma("journal_size_limit", "134217728"),
            )
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(6)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).pragma("cache_size", "-4096").row_buffer_size(512))
            .await?;
        Ok(Store { writer, readers })
    }

    /// Brings the schema to this version: assay's tables, then the queue's.
    pub async fn migrate(&self) -> Result<()> {
        sqlx::migrate!("../migrations/sqlite").run(&self.writer).await?;
        // Not `SqliteStorage::setup`: it would turn `synchronous` off on the connection it gets.
        apalis_sqlite::SqliteStorage::migrations().run(&self.writer).await?;
        Ok(())
    }

    /// Version and name of each migration, and when it was applied.
    pub async fn migrations(&self) -> Result<Vec<(i64, String, Option<DateTime<Utc>>)>> {
        let known = sqlx::migrate!("../migrations/sqlite");
        let exists: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'assay_migrations'")
            .fetch_one(&self.readers)
            .await?;
        let applied: Vec<(i64, DateTime<Utc>)> = match exists {
            0 => Vec::new(),
            _ => {
                sqlx::query_as("SELECT version, installed_on FROM assay_migrations WHERE success ORDER BY version")
                    .fetch_all(&self.readers)
                    .await?
            }
        };
        let at = |version| applied.iter().find(|(number, _)| *number == version).map(|(_, at)| *at);
        Ok(known
            .iter()
            .map(|migration| (migration.version, migration.description.to_string(), at(migration.version)))
            .collect())
    }

    pub async fn begin(&self) -> Result<Tx> {
        // A deferred transaction that reads first cannot be upgraded once another process has written.
        Ok(Tx { inner: self.writer.begin_with("BEGIN IMMEDIATE").await? })
    }

    /// The pool that writes, for the queue's storage.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Size of the database in bytes, its log left out.
    pub async fn size(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            .fetch_one(&self.readers)
            .await?)
    }

    /// Waits for what is being written and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

/// Numbers as the text of a JSON array: how a list reaches a statement.
fn list(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}
