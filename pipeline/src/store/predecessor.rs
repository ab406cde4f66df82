//! The predecessor's MySQL tables (contract §4.1, §4.2), read and never written.

use schemas::cpanstats::Row;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{FromRow, Row as _, mysql::MySqlRow};

use super::Result;

/// A database of the predecessor's.
#[derive(Clone, Debug)]
pub struct Predecessor {
    pool: MySqlPool,
}

/// A stored fact: its guid, and the bytes of `report`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFact {
    pub guid: String,
    pub report: Option<Vec<u8>>,
}

/// A tester as `metabase_user` knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `metabase:user:GUID`
    pub resource: String,
    pub name: String,
    pub email: Option<String>,
}

impl Predecessor {
    /// Connects to `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub async fn connect(url: &str) -> Result<Predecessor> {
        Ok(Predecessor { pool: MySqlPoolOptions::new().max_connections(2).connect(url).await? })
    }

    /// How many rows `cpanstats` has after a number.
    pub async fn cpanstats_left(&self, after: i64) -> Result<u64> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM cpanstats WHERE id > ?").bind(after).fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The next rows of `cpanstats` after a number, in the order of their numbers.
    pub async fn cpanstats(&self, after: i64, limit: u32) -> Result<Vec<Row>> {
        // Every text column as characters, whatever type an older schema gave it.
        let cells: Vec<Cells> = sqlx::query_as(
            "SELECT CAST(id AS SIGNED) AS id, CAST(guid AS CHAR) AS guid, CAST(state AS CHAR) AS state, \
             CAST(postdate AS CHAR) AS postdate, CAST(tester AS CHAR) AS tester, CAST(dist AS CHAR) AS dist, \
             CAST(version AS CHAR) AS version, CAST(platform AS CHAR) AS platform, CAST(perl AS CHAR) AS perl, \
             CAST(osname AS CHAR) AS osname, CAST(osvers AS CHAR) AS osvers, CAST(fulldate AS CHAR) AS fulldate, \
             CAST(type AS CHAR) AS kind, CAST(uploadid AS SIGNED) AS uploadid \
             FROM cpanstats WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(cells.into_iter().map(|Cells(row)| row).collect())
    }

    /// The next facts of `metabase` after a guid, in the order of their guids.
    pub async fn facts(&self, after: &str, limit: u32) -> Result<Vec<StoredFact>> {
        Ok(sqlx::query_as(
            "SELECT CAST(guid AS CHAR) AS guid, report FROM metabase WHERE guid > ? ORDER BY guid LIMIT ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Testers by the profile their reports name; none where the database lacks the table.
    pub async fn profiles(&self) -> Result<Vec<Profile>> {
        let there: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = 'metabase_user'",
        )
        .fetch_one(&self.pool)
        .await?;
        if there == 0 {
            return Ok(Vec::new());
        }
        // The newest row of a profile counts (contract §3.1).
        Ok(sqlx::query_as(
            "SELECT CAST(resource AS CHAR) AS resource, CAST(fullname AS CHAR) AS fullname, \
             CAST(email AS CHAR) AS email FROM metabase_user ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl FromRow<'_, MySqlRow> for Cells {
    fn from_row(row: &MySqlRow) -> std::result::Result<Self, sqlx::Error> {
        let text = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<String>, _>(name)?.unwrap_or_default());
        Ok(Cells(Row {
            id: row.try_get("id")?,
            guid: text("guid")?,
            state: text("state")?,
            postdate: text("postdate")?,
            tester: text("tester")?,
            dist: text("dist")?,
            version: text("version")?,
            platform: text("platform")?,
            perl: text("perl")?,
            osname: text("osname")?,
            osvers: text("osvers")?,
            fulldate: text("fulldate")?,
            kind: text("kind")?,
            uploadid: row.try_get("uploadid")?,
        }))
    }
}

impl FromRow<'_, MySqlRow> for StoredFact {
    fn from_row(row: &MySqlRow) -> std::result::Result<Self, sqlx::Error> {
        Ok(StoredFact { guid: row.try_get("guid")?, report: row.try_get("report")? })
    }
}

impl FromRow<'_, MySqlRow> for Profile {
    fn from_row(row: &MySqlRow) -> std::result::Result<Self, sqlx::Error> {
        let name: Option<String> = row.try_get("fullname")?;
        Ok(Profile { resource: row.try_get("resource")?, name: name.unwrap_or_default(), email: row.try_get("email")? })
    }
}

/// A row of `cpanstats`, made here because the type belongs to another crate.
struct Cells(Row);
