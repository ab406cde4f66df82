//! The database: the only place that writes SQL. One `impl` block per noun file.
//!
//! A bare noun reads (`report`, `summary`), a verb writes and takes a [`Tx`]. Each statement is one text for SQLite and
//! PostgreSQL, see [`sql`]. On SQLite, all writes of a process go through one connection, whose pool hands it out in
//! turn: there is one writer anyway, and waiting in a queue is fair where SQLite's busy handler is not. On PostgreSQL,
//! intake goes one transaction at a time, over all processes; beside it reports are counted, in several transactions that
//! wait for each other from their change numbers on. Readers have connections of their own and never wait for a writer.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

mod attempts;
mod bulk;
mod changes;
mod clearing;
mod contract_lists;
mod copy;
mod extracts;
mod freshness;
mod fsck;
mod groups;
mod history;
mod jobs;
mod listed;
mod matrix;
mod months;
mod predecessor;
mod rebuilds;
mod releases;
mod reports;
mod results;
mod retention;
mod schema;
mod sql;
mod tellings;
mod testers;
#[cfg(test)]
mod tests;
mod tokens;
mod turns;
mod upload_lists;
mod uploads;
mod withdrawals;
mod workers;

pub use attempts::{Attempt, AttemptEnd, AttemptOutcome};
pub use changes::{ChangeRow, ResultChange};
pub use contract_lists::{FoundReport, ReleaseFilter, ReportFilter, Snapshot, Strand};
pub use copy::{CopiedTable, Layout, Moment, Place, Sum, TABLES, TableRows};
pub use extracts::{Counted, NewExtract, OldExtract};
pub use fsck::{Counting, DigestedBody, Oddity, RowMark, Span, WaitingJob};
pub use groups::{Group, GroupNumber, GroupReport};
pub use listed::ListedRow;
pub use matrix::{Axis, CellDelta};
pub use months::Month;
pub use predecessor::{Predecessor, Profile, StoredFact};
pub use rebuilds::{KnownRow, Rebuild, Selection, StoredRow};
pub use releases::{KnownReleases, MarkedRelease, Release, ReleaseKey, ReleaseNumber, SummaryDelta, SummaryFilter};
pub use reports::{Body, Door, NewReport, Stored, StoredReport};
pub use results::{Failures, ResultFilter};
pub use retention::{BodyTable, DroppedMonth};
pub use schema::SchemaFault;
pub use tellings::{Teller, Telling};
pub use testers::{Tester, TesterNumber};
pub use tokens::{NewToken, Scope, Token};
pub use turns::Turn;
pub use upload_lists::UploadFilter;
pub use uploads::{Upload, UploadName};
pub use withdrawals::{Selected, Withdrawal, WithdrawalSelection};

use crate::accept::chain;
use crate::queue::{Backend, OutsideQueue, ProcessGroup};
use sql::{Pool, Transaction, query, query_either, to_the_end};

/// A database, opened: a SQLite file, or PostgreSQL.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Pool,
    readers: Pool,
    /// Where jobs are pushed after the commit; `None`: they are in the database.
    outside: Option<OutsideQueue>,
}

/// A transaction that writes. Dropped without [`Tx::commit`], it leaves no trace.
pub struct Tx {
    inner: Transaction,
    /// Jobs for a queue outside the database.
    pushes: Option<Pushes>,
}

/// Jobs to push once their transaction is committed.
struct Pushes {
    queue: OutsideQueue,
    jobs: Vec<(ProcessGroup, Duration)>,
}

/// Longest idle time after which a connection is taken to be still there.
const RESTED: Duration = Duration::from_secs(1);

/// What a transaction must be alone in doing. SQLite has one writer, who is alone in everything; on PostgreSQL these
/// are advisory locks, taken in the order given and held until the transaction has become visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alone {
    /// Giving reports and groups their numbers, which so appear in their order.
    Intake,
    /// Nothing among those that count reports, who move what they share in one order; but nobody moves rows and counts in
    /// any other meanwhile.
    Counting,
    /// Moving rows and counts.
    Processing,
    /// Intake and processing.
    Everything,
    /// Nothing: its rows are its own.
    Nothing,
}

/// What can go wrong in the database. That something is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not do as told")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought to this version's schema")]
    Migrate(#[from] MigrateError),
    #[error("the job could not be queued")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("row {number} of {table} is not as assay writes it")]
    Inconsistent { table: &'static str, number: i64 },
}

impl StoreError {
    /// Whether trying again may help: the database is busy, full or away, not that the statement is wrong.
    pub fn transient(&self) -> bool {
        matches!(self.reason(), "database_busy" | "database_away" | "disk_full" | "disk_failing" | "queue_away")
    }

    /// Whether the database has ended the transaction for the sake of another, as of two that wait for each other. The
    /// same once more goes through as a rule.
    pub fn gave_way(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.code().starts_with("40"))
    }

    /// What is wrong, as one word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            StoreError::Database(sqlx::Error::Database(error)) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => postgres_reason(error.code()),
                None => sqlite_reason(error.as_ref()),
            },
            StoreError::Database(error) => match error {
                sqlx::Error::PoolTimedOut => "database_busy",
                sqlx::Error::PoolClosed
                | sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => "database_away",
                sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => "row_damaged",
                _ => "database_refused",
            },
            StoreError::Queue(_) => "queue_away",
            // The database went away meanwhile, which says nothing about the schema.
            StoreError::Migrate(MigrateError::Execute(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)) => {
                "database_away"
            }
            StoreError::Migrate(_) => "schema_unfit",
            StoreError::Inconsistent { .. } => "row_damaged",
        }
    }
}

/// A SQLite result code as one word.
fn sqlite_reason(error: &dyn DatabaseError) -> &'static str {
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

/// A PostgreSQL SQLSTATE as one word.
fn postgres_reason(code: &str) -> &'static str {
    match code {
        // Disk full.
        "53100" => "disk_full",
        // Shut down, crashed, starting up; a server that only reads is one that has just been replaced.
        "57P01" | "57P02" | "57P03" | "25006" => "database_away",
        // Lock not to be had in time, statement cancelled.
        "55P03" | "57014" => "database_busy",
        "XX001" | "XX002" => "database_damaged",
        // Classes: connections, rolled back for another transaction's sake, out of resources, the system's errors.
        _ if code.starts_with("08") => "database_away",
        _ if code.starts_with("40") || code.starts_with("53") => "database_busy",
        _ if code.starts_with("58") => "disk_failing",
        _ => "database_refused",
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
                    .pragma("cache_size", "-20480")
                    // 64 MiB of log between checkpoints: a page written many times is copied into the file once.
                    .pragma("wal_autocheckpoint", "8192")
                    .pragma("journal_size_limit", "134217728"),
            )
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(6)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).pragma("cache_size", "-2048").row_buffer_size(512))
            .await?;
        Ok(Store { writer: Pool::Sqlite(writer), readers: Pool::Sqlite(readers), outside: None })
    }

    /// A PostgreSQL database by its URL. Nothing is connected before it is needed, so that a process can start while
    /// the database is away.
    pub fn postgres(url: &str) -> Result<Store> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("assay")
            .statement_cache_capacity(512)
            // A 202 is a promise, whatever the server's defaults are, and who has waited for a lock sees what was done
            // meanwhile. Who cannot have a lock in time tries again.
            .options([
                ("synchronous_commit", "on"),
                ("default_transaction_isolation", "read committed"),
                ("lock_timeout", "60s"),
                ("timezone", "UTC"),
                ("client_min_messages", "warning"),
            ]);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .idle_timeout(Duration::from_secs(600))
                .acquire_timeout(Duration::from_secs(5))
                // Whether one is still there is asked of those that have lain idle: a trip of its own, before each use.
                .test_before_acquire(false)
                .before_acquire(|connection, lain| {
                    Box::pin(async move { Ok(lain.idle_for < RESTED || connection.ping().await.is_ok()) })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Store { writer: Pool::Postgres(pool(8)), readers: Pool::Postgres(pool(12)), outside: None })
    }

    /// The same database, and queue outside of it, for a thread with a runtime of its own: what it writes goes over
    /// connections that belong to that runtime, so that no answer waits until another thread has time to hand it over.
    /// SQLite's one writing connection is everybody's.
    ///
    /// It is closed when the one it came from is.
    pub fn of_this_thread(self) -> Result<Store> {
        let writer = match self.writer {
            Pool::Sqlite(pool) => Pool::Sqlite(pool),
            Pool::Postgres(pool) => {
                let own = apart(&pool, 2);
                let closing = own.clone();
                tokio::spawn(async move {
                    pool.close_event().await;
                    closing.close().await;
                });
                Pool::Postgres(own)
            }
        };
        let outside = self.outside.map(OutsideQueue::of_this_thread).transpose();
        Ok(Store { writer, readers: self.readers, outside: outside.map_err(|error| StoreError::Queue(error.into()))? })
    }

    /// The same database with its queue outside of it.
    pub fn with_queue(self, queue: OutsideQueue) -> Store {
        Store { outside: Some(queue), ..self }
    }

    /// The queue outside the database, when there is one.
    pub fn outside(&self) -> Option<&OutsideQueue> {
        self.outside.as_ref()
    }

    /// The connections that read, where the database is PostgreSQL: for what only that can do.
    pub fn postgres_pool(&self) -> Option<&PgPool> {
        match &self.readers {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => Some(pool),
        }
    }

    /// Whether several processes may work on the database at the same time.
    pub fn shared(&self) -> bool {
        matches!(self.writer, Pool::Postgres(_))
    }

    /// Brings the schema to this version: assay's tables, then the queue's. A newer one is left as it is, if it says that
    /// this version can work on it.
    pub async fn migrate(&self) -> Result<()> {
        let Err(error) = self.migrate_exactly().await else { return Ok(()) };
        let newer = matches!(error.schema_fault(), Some(SchemaFault::Newer { .. }));
        if newer && self.oldest_schema().await?.is_some_and(|oldest| oldest <= schema::newest()) {
            tracing::info!("the database has a newer version's schema, which this version can work on");
            return Ok(());
        }
        Err(error)
    }

    /// The oldest schema whose programs can work on this database, as its newest migrations say.
    async fn oldest_schema(&self) -> Result<Option<i64>> {
        let sql = "SELECT value FROM counters WHERE name = 'oldest_schema'";
        Ok(query(sql).fetch_optional(&self.readers).await?)
    }

    /// As [`migrate`](Self::migrate), for who has to know all that is in the database: a newer version's is refused, even
    /// one that this version can work on.
    pub async fn migrate_exactly(&self) -> Result<()> {
        match &self.writer {
            Pool::Sqlite(pool) => {
                schema::sqlite().run(pool).await?;
                // Not `SqliteStorage::setup`: it would turn `synchronous` off on the connection it gets.
                apalis_sqlite::SqliteStorage::migrations().run(pool).await?;
            }
            Pool::Postgres(pool) => {
                schema::run(schema::postgres(), pool).await?;
                schema::run(apalis_postgres::PostgresStorage::migrations(), pool).await?;
            }
        }
        Ok(())
    }

    /// Version and name of each migration, and when it was applied.
    pub async fn migrations(&self) -> Result<Vec<(i64, String, Option<DateTime<Utc>>)>> {
        let known = match &self.readers {
            Pool::Sqlite(_) => schema::sqlite(),
            Pool::Postgres(_) => schema::postgres(),
        };
        let exists: bool = query_either(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'assay_migrations')",
            "SELECT to_regclass('assay_migrations') IS NOT NULL",
        )
        .fetch_one(&self.readers)
        .await?;
        let applied: Vec<(i64, DateTime<Utc>)> = match exists {
            false => Vec::new(),
            true => {
                query("SELECT version, installed_on FROM assay_migrations WHERE success ORDER BY version")
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

    /// A transaction that is alone in writing.
    pub async fn begin(&self) -> Result<Tx> {
        self.begin_alone(Alone::Everything).await
    }

    /// A transaction that takes reports in. On PostgreSQL, reports are processed meanwhile.
    pub async fn begin_intake(&self) -> Result<Tx> {
        self.begin_alone(Alone::Intake).await
    }

    /// A transaction that counts reports. On PostgreSQL, others do so meanwhile. It locks rows in this order: its reports,
    /// their groups, the attempts at these. What it shares with others, it moves once it has its change numbers.
    pub async fn begin_counting(&self) -> Result<Tx> {
        self.begin_alone(Alone::Counting).await
    }

    /// A transaction that moves rows and counts in any order. On PostgreSQL, reports are taken in meanwhile.
    pub async fn begin_processing(&self) -> Result<Tx> {
        self.begin_alone(Alone::Processing).await
    }

    /// A transaction on rows that nobody else writes, or that it does not matter who writes first.
    pub async fn begin_apart(&self) -> Result<Tx> {
        self.begin_alone(Alone::Nothing).await
    }

    async fn begin_alone(&self, alone: Alone) -> Result<Tx> {
        if self.readers.is_closed() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let mut inner = match &self.writer {
            // A deferred transaction that reads first cannot be upgraded once another process has written.
            Pool::Sqlite(pool) => Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => {
                let pool = pool.clone();
                Transaction::Postgres(to_the_end(async move { pool.begin().await }).await?)
            }
        };
        if let (Transaction::Postgres(_), Some(locks)) = (&inner, alone.locks()) {
            query(locks).execute(&mut inner).await?;
        }
        let pushes = self.outside.clone().map(|queue| Pushes { queue, jobs: Vec::new() });
        Ok(Tx { inner, pushes })
    }

    /// Where a worker takes its jobs from.
    pub fn backend(&self) -> Backend {
        match (&self.outside, &self.writer) {
            (Some(queue), _) => Backend::Redis(Box::new(queue.clone())),
            (None, Pool::Sqlite(pool)) => Backend::Sqlite(pool.clone()),
            // When apalis is stopped in the middle of a transaction's beginning, sqlx takes the connection for free, see
            // `to_the_end`. So its connections are not ours.
            (None, Pool::Postgres(pool)) => Backend::Postgres(apart(pool, 6)),
        }
    }

    /// Size of the database in bytes, its log left out.
    pub async fn size(&self) -> Result<i64> {
        let size = query_either(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            "SELECT pg_database_size(current_database())",
        );
        Ok(size.fetch_one(&self.readers).await?)
    }

    /// Waits for what is being written and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    /// Makes what was written durable and visible, and pushes the jobs for a queue outside. That these arrive is not
    /// promised: the sweep looks for groups without a job.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await?;
        if let Some(Pushes { queue, jobs }) = self.pushes.filter(|pushes| !pushes.jobs.is_empty())
            && let Err(error) = queue.push(&jobs).await
            && !error.away()
        {
            tracing::warn!(error = %chain(&error), jobs = jobs.len(), "jobs could not be queued; the sweep will");
        }
        Ok(())
    }

    /// As [`Store::shared`].
    fn shared(&self) -> bool {
        matches!(self.inner, Transaction::Postgres(_))
    }

    fn connection(&mut self) -> &mut Transaction {
        &mut self.inner
    }
}

impl Alone {
    /// How PostgreSQL is asked for it. The first number is assay's own, so that nobody else's locks are meant.
    fn locks(self) -> Option<&'static str> {
        match self {
            Alone::Intake => Some("SELECT pg_advisory_xact_lock(1634955129, 1)"),
            Alone::Counting => Some("SELECT pg_advisory_xact_lock_shared(1634955129, 2)"),
            Alone::Processing => Some("SELECT pg_advisory_xact_lock(1634955129, 2)"),
            Alone::Everything => {
                Some("SELECT pg_advisory_xact_lock(1634955129, 1), pg_advisory_xact_lock(1634955129, 2)")
            }
            Alone::Nothing => None,
        }
    }
}

/// Other connections to the same database, made as they are needed.
fn apart(pool: &PgPool, connections: u32) -> PgPool {
    pool.options().clone().max_connections(connections).connect_lazy_with(pool.connect_options().as_ref().clone())
}

/// Numbers as the text of a JSON array: how a list reaches a statement.
fn list(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}
