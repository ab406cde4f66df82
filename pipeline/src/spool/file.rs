//! The spool's own SQLite file: the one place beside `store` that writes SQL.
//!
//! It is no part of the database: it works just then when the database does not, on the disk of one node, and nothing
//! of it is ever joined with what is stored. So it shares neither connections nor migrations with the store.

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use schemas::ids::{Digest, ReportId};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection as _, FromRow, Row as _, SqliteConnection};

use super::{Claim, SpoolError};
use crate::store::{Body, Door};

type Result<T> = std::result::Result<T, SpoolError>;

/// The file, opened.
#[derive(Clone, Debug)]
pub(super) struct SpoolFile {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A submission about to be kept.
#[derive(Clone, Debug)]
pub(super) struct NewEntry {
    pub id: ReportId,
    pub door: Door,
    pub digest: Digest,
    pub received_at: DateTime<Utc>,
    pub claim: Claim,
    pub body: Body,
}

/// A submission that is kept.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub number: i64,
    pub id: ReportId,
    pub door: Door,
    pub digest: Digest,
    pub received_at: DateTime<Utc>,
    pub claim: Claim,
    pub body: Body,
}

/// What is told about a submission that is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    pub digest: Digest,
    pub received_at: DateTime<Utc>,
    pub held: Option<String>,
    /// Submissions that came before it, at most.
    pub ahead: i64,
}

/// A submission that was kept and then refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Its number in the spool.
    pub number: i64,
    pub id: ReportId,
    pub digest: Digest,
    pub received_at: DateTime<Utc>,
    pub refused_at: DateTime<Utc>,
    /// Fit to be read by its sender.
    pub reason: String,
}

/// What became of entries that were handed over.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlement {
    /// They are in the database.
    pub stored: Vec<i64>,
    pub refused: Vec<Refusal>,
    /// They stay, and why.
    pub held: Vec<(i64, String)>,
}

/// What became of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    New,
    /// The newest submission under its id is the same, from the same sender: received then.
    Again {
        received_at: DateTime<Utc>,
    },
}

/// How much is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub ids: Vec<ReportId>,
    /// Packed bytes of bodies.
    pub bytes: i64,
    pub refusals: i64,
    pub oldest: Option<DateTime<Utc>>,
}

impl SpoolFile {
    /// Opens the file, making it when it is missing. Nobody but the owner can read it: it may hold secrets.
    pub async fn open(path: &Path) -> Result<SpoolFile> {
        // SQLite gives the files beside it the rights of this one.
        let made = File::options().create(true).append(true).mode(0o600).open(path);
        made.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
            .map_err(|error| SpoolError::File(Arc::new(error)))?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            // As in `store`: a full disk ends a transaction that sqlx then believes to go on.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options(path).pragma("journal_size_limit", "16777216"))
            .await?;
        let migrated = sqlx::migrate!("../migrations/spool").run(&writer).await;
        migrated.map_err(|error| SpoolError::Migrate(Arc::new(error)))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options(path).read_only(true))
            .await?;
        Ok(SpoolFile { writer, readers })
    }

    /// Opens a file to look at it, while another process may work on it.
    pub async fn look(path: &Path) -> Result<SpoolFile> {
        let readers = SqlitePoolOptions::new().max_connections(1).connect_with(options(path).read_only(true)).await?;
        Ok(SpoolFile { writer: readers.clone(), readers })
    }

    pub async fn content(&self) -> Result<Content> {
        let ids: Vec<uuid::Uuid> =
            sqlx::query_scalar("SELECT id FROM submissions ORDER BY number").fetch_all(&self.readers).await?;
        let (bytes, oldest) =
            sqlx::query_as("SELECT COALESCE(sum(length(body)), 0), min(received_at) FROM submissions")
                .fetch_one(&self.readers)
                .await?;
        let refusals = sqlx::query_scalar("SELECT count(*) FROM refusals").fetch_one(&self.readers).await?;
        Ok(Content { ids: ids.into_iter().map(ReportId).collect(), bytes, refusals, oldest })
    }

    /// When the oldest submission that is kept was received.
    pub async fn oldest(&self) -> Result<Option<DateTime<Utc>>> {
        Ok(sqlx::query_scalar("SELECT received_at FROM submissions ORDER BY number LIMIT 1")
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Keeps submissions in their order with one sync of the disk.
    pub async fn insert(&self, entries: &[NewEntry]) -> Result<Vec<Kept>> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            kept.push(match same(&mut tx, entry).await? {
                Some(received_at) => Kept::Again { received_at },
                None => insert(&mut tx, entry).await?,
            });
        }
        tx.commit().await?;
        Ok(kept)
    }

    /// The next submissions after `after`: at most `limit`, and no more once they weigh `heavy` packed bytes.
    pub async fn next(&self, after: i64, limit: i64, heavy: usize) -> Result<Vec<Entry>> {
        let mut rows = sqlx::query_as(
            "SELECT number, id, door, digest, received_at, claim, credential, secret, dictionary, size, body \
             FROM submissions WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch(&self.readers);
        let mut entries: Vec<Entry> = Vec::new();
        let mut weight = 0;
        while let Some(entry) = rows.try_next().await? {
            let entry: Entry = entry;
            weight += entry.body.bytes.len();
            entries.push(entry);
            if weight >= heavy {
                break;
            }
        }
        Ok(entries)
    }

    /// Notes what became of submissions: those that are stored or refused leave, with their secrets.
    pub async fn settle(&self, settlement: &Settlement) -> Result<()> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        for refusal in &settlement.refused {
            refuse(&mut tx, refusal).await?;
        }
        let gone = settlement.stored.iter().chain(settlement.refused.iter().map(|refusal| &refusal.number));
        for number in gone {
            sqlx::query("DELETE FROM submissions WHERE number = $1").bind(number).execute(&mut *tx).await?;
        }
        for (number, reason) in &settlement.held {
            sqlx::query("UPDATE submissions SET held = $2 WHERE number = $1 AND held IS NOT $2")
                .bind(number)
                .bind(reason)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// The newest submission that is kept under an id.
    pub async fn waiting(&self, id: ReportId) -> Result<Option<Waiting>> {
        Ok(sqlx::query_as(
            "SELECT digest, received_at, held, number - (SELECT min(number) FROM submissions) AS ahead \
             FROM submissions WHERE id = $1 ORDER BY number DESC LIMIT 1",
        )
        .bind(id.0)
        .fetch_optional(&self.readers)
        .await?)
    }

    /// What was refused under an id, oldest first.
    pub async fn refusals(&self, id: ReportId) -> Result<Vec<Refusal>> {
        Ok(sqlx::query_as("SELECT * FROM refusals WHERE id = $1 ORDER BY number")
            .bind(id.0)
            .fetch_all(&self.readers)
            .await?)
    }

    /// Forgets what was refused before a moment.
    pub async fn forget_refusals(&self, before: DateTime<Utc>) -> Result<()> {
        sqlx::query("DELETE FROM refusals WHERE refused_at < $1").bind(before).execute(&self.writer).await?;
        Ok(())
    }

    /// For a spool that is empty: gives the room back to the disk, and leaves no trace of what was deleted in the log.
    pub async fn tidy(&self) -> Result<()> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("VACUUM").execute(&mut *connection).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        // As with the database: a 202 is a promise.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        // What is deleted is overwritten with zeros: it may be a secret.
        .pragma("secure_delete", "ON")
}

/// When the same submission was received, if it is the newest one kept under its id. One that another sender sent first
/// is another: whose credential is right is not known yet.
async fn same(connection: &mut SqliteConnection, entry: &NewEntry) -> Result<Option<DateTime<Utc>>> {
    let newest = sqlx::query(
        "SELECT digest, claim, credential, secret, received_at FROM submissions \
         WHERE id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(entry.id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = newest else { return Ok(None) };
    let digest: &[u8] = row.try_get("digest")?;
    let same = digest == entry.digest.0 && claim(&row)? == entry.claim;
    Ok(if same { Some(row.try_get("received_at")?) } else { None })
}

async fn insert(connection: &mut SqliteConnection, entry: &NewEntry) -> Result<Kept> {
    sqlx::query(
        "INSERT INTO submissions (id, door, digest, received_at, claim, credential, secret, dictionary, size, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.id.0)
    .bind(entry.door.as_str())
    .bind(entry.digest.0.as_slice())
    .bind(entry.received_at)
    .bind(entry.claim.kind())
    .bind(entry.claim.credential())
    .bind(entry.claim.secret())
    .bind(entry.body.dictionary)
    .bind(entry.body.size)
    .bind(entry.body.bytes.as_slice())
    .execute(connection)
    .await?;
    Ok(Kept::New)
}

async fn refuse(connection: &mut SqliteConnection, refusal: &Refusal) -> Result<()> {
    sqlx::query(
        "INSERT INTO refusals (number, id, digest, received_at, refused_at, reason) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (number) DO NOTHING",
    )
    .bind(refusal.number)
    .bind(refusal.id.0)
    .bind(refusal.digest.0.as_slice())
    .bind(refusal.received_at)
    .bind(refusal.refused_at)
    .bind(&refusal.reason)
    .execute(connection)
    .await?;
    Ok(())
}

fn claim(row: &SqliteRow) -> std::result::Result<Claim, sqlx::Error> {
    let claim = Claim::read(row.try_get("claim")?, row.try_get("credential")?, row.try_get("secret")?);
    claim.ok_or_else(|| damaged("claim"))
}

fn digest(row: &SqliteRow) -> std::result::Result<Digest, sqlx::Error> {
    Digest::try_from(row.try_get::<&[u8], _>("digest")?).map_err(|_| damaged("digest"))
}

fn damaged(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} of the spool is not as assay writes it").into())
}

impl FromRow<'_, SqliteRow> for Entry {
    fn from_row(row: &SqliteRow) -> std::result::Result<Self, sqlx::Error> {
        Ok(Entry {
            number: row.try_get("number")?,
            id: ReportId(row.try_get("id")?),
            door: row.try_get::<&str, _>("door")?.parse().map_err(|()| damaged("door"))?,
            digest: digest(row)?,
            received_at: row.try_get("received_at")?,
            claim: claim(row)?,
            body: Body {
                dictionary: row.try_get("dictionary")?,
                size: row.try_get("size")?,
                bytes: row.try_get("body")?,
            },
        })
    }
}

impl FromRow<'_, SqliteRow> for Waiting {
    fn from_row(row: &SqliteRow) -> std::result::Result<Self, sqlx::Error> {
        Ok(Waiting {
            digest: digest(row)?,
            received_at: row.try_get("received_at")?,
            held: row.try_get("held")?,
            ahead: row.try_get("ahead")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Refusal {
    fn from_row(row: &SqliteRow) -> std::result::Result<Self, sqlx::Error> {
        Ok(Refusal {
            number: row.try_get("number")?,
            id: ReportId(row.try_get("id")?),
            digest: digest(row)?,
            received_at: row.try_get("received_at")?,
            refused_at: row.try_get("refused_at")?,
            reason: row.try_get("reason")?,
        })
    }
}
