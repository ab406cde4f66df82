//! Rebuilds on record, and the stored reports that they and `fsck` read again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use serde::Serialize;

use super::extracts::OldExtract;
use super::releases::language_from;
use super::reports::{Stored, stored};
use super::sql::{self, Builder, Record, Row, query};
use super::{Result, Store, Tx};

/// Which stored reports are to be read again; what is given must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Only reports whose row as it stands names this distribution.
    pub distribution: Option<String>,
    pub version: Option<String>,
    /// Only reports received at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only reports received before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A rebuild as its row tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rebuild {
    pub number: i64,
    /// Version of the extractor that reads.
    pub extractor: i64,
    pub selection: Selection,
    /// Whether everything derived was thrown away when it began.
    pub cleared: bool,
    /// Number of the last report there was when it began: later ones are no part of it.
    pub goal: i64,
    /// Number of the last report done.
    pub position: i64,
    /// Reports read so far.
    pub reports: i64,
    /// Change numbers given so far.
    pub changes: i64,
    /// Reports that could not be read, because their bytes are gone; their rows stay as they are.
    pub skipped: i64,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A stored report, and its row as it stands.
#[derive(Clone, Debug)]
pub struct StoredRow {
    pub stored: Stored,
    pub row: Option<KnownRow>,
}

/// A report's row, and the release it is counted under by its names.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRow {
    pub old: OldExtract,
    /// Language, distribution and version. `None`: its release is not there.
    pub release: Option<(Language, String, String)>,
}

/// Reports that have a row because they were read, or none because they cannot be read: the others wait, or stand
/// aside for a reason that reading them again must not overrule, as the withdrawn do.
pub(super) const STANDING: &str = "reports.state IN ('processed', 'rejected') AND NOT EXISTS \
                                   (SELECT 1 FROM withdrawals WHERE withdrawals.number = reports.number)";

const REBUILD: &str = "SELECT number, extractor, distribution, version, since, until, cleared, goal, position, reports, \
                       changes, skipped, started_at, ended_at FROM rebuilds";

impl Store {
    /// Rebuilds that are not through, newest first.
    pub async fn unfinished_rebuilds(&self) -> Result<Vec<Rebuild>> {
        let sql = format!("{REBUILD} WHERE outcome IS NULL ORDER BY number DESC");
        Ok(query(sql).fetch_all(&self.readers).await?)
    }

    pub async fn rebuild(&self, number: i64) -> Result<Option<Rebuild>> {
        let sql = format!("{REBUILD} WHERE number = $1");
        Ok(query(sql).bind(number).fetch_optional(&self.readers).await?)
    }

    /// Number of the last report there is; 0 for none.
    pub async fn last_report(&self) -> Result<i64> {
        Ok(query("SELECT COALESCE(max(number), 0) FROM reports").fetch_one(&self.readers).await?)
    }

    /// How many reports of a selection have numbers after `after` and up to `goal`.
    pub async fn count_selected(&self, selection: &Selection, after: i64, goal: i64) -> Result<i64> {
        let mut query = Builder::new("SELECT count(*) FROM (");
        push_selected(&mut query, selection, after, goal);
        query.push(") AS selected");
        Ok(query.build().fetch_one(&self.readers).await?)
    }

    /// The next numbers of a selection after `after` and up to `goal`, in their order.
    pub async fn selected(&self, selection: &Selection, after: i64, goal: i64, limit: i64) -> Result<Vec<i64>> {
        let mut query = Builder::new("");
        push_selected(&mut query, selection, after, goal);
        query.push(" ORDER BY reports.number LIMIT ").push_bind(limit);
        Ok(query.build().fetch_all(&self.readers).await?)
    }

    /// Stored reports with their rows, both of one moment, by number. Reports without a body are left out.
    pub async fn stored_rows(&self, numbers: &[i64]) -> Result<Vec<StoredRow>> {
        let mut snapshot = self.readers.snapshot().await?;
        let standing =
            format!("reports.number IN (SELECT value FROM json_each($1)) AND {STANDING} ORDER BY reports.number");
        let stored: Vec<Stored> = stored(&standing).bind(super::list(numbers)).fetch_all(&mut snapshot).await?;
        let rows: Vec<KnownRow> = query(
            "SELECT extracts.number AS number, release, tester, grade, language_version, development, patched, os, \
             architecture, extractor, extracts.author AS author, extracts.archive AS archive, document, removed, \
             language, distribution, version \
             FROM extracts LEFT JOIN releases ON releases.number = extracts.release \
             WHERE extracts.number IN (SELECT value FROM json_each($1))",
        )
        .bind(super::list(numbers))
        .fetch_all(&mut snapshot)
        .await?;
        snapshot.rollback().await?;
        let mut rows: HashMap<i64, KnownRow> = rows.into_iter().map(|row| (row.old.counted.number, row)).collect();
        Ok(stored.into_iter().map(|stored| StoredRow { row: rows.remove(&stored.report.number), stored }).collect())
    }
}

impl Tx {
    /// Puts a rebuild on record as begun, and gives its number. `position` and what follows from it start at nothing.
    pub async fn begin_rebuild(&mut self, new: &Rebuild) -> Result<i64> {
        Ok(query(
            "INSERT INTO rebuilds (extractor, distribution, version, since, until, cleared, goal, position, started_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) RETURNING number",
        )
        .bind(new.extractor)
        .bind(new.selection.distribution.as_deref())
        .bind(new.selection.version.as_deref())
        .bind(new.selection.since)
        .bind(new.selection.until)
        .bind(new.cleared)
        .bind(new.goal)
        .bind(new.started_at)
        .fetch_one(self.connection())
        .await?)
    }

    /// Notes how far a rebuild has come.
    pub async fn move_rebuild(&mut self, to: &Rebuild) -> Result<()> {
        query("UPDATE rebuilds SET position = $2, reports = $3, changes = $4, skipped = $5 WHERE number = $1")
            .bind(to.number)
            .bind(to.position)
            .bind(to.reports)
            .bind(to.changes)
            .bind(to.skipped)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Notes that a rebuild goes on no more: it is `done`, or `abandoned` for another.
    pub async fn end_rebuild(&mut self, number: i64, now: DateTime<Utc>, outcome: &str) -> Result<()> {
        query("UPDATE rebuilds SET ended_at = $2, outcome = $3 WHERE number = $1")
            .bind(number)
            .bind(now)
            .bind(outcome)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

fn push_selected(query: &mut Builder<'_>, selection: &Selection, after: i64, goal: i64) {
    match &selection.distribution {
        None => {
            query.push("SELECT reports.number FROM reports WHERE ");
        }
        Some(distribution) => {
            // The languages are named for the index, whose first column they are.
            query
                .push(
                    "SELECT reports.number FROM releases JOIN extracts ON extracts.release = releases.number \
                     JOIN reports ON reports.number = extracts.number \
                     WHERE language IN ('perl', 'raku') AND distribution = ",
                )
                .push_bind(distribution.clone());
            if let Some(version) = &selection.version {
                query.push(" AND version = ").push_bind(version.clone());
            }
            query.push(" AND ");
        }
    }
    query.push(STANDING);
    query.push(" AND reports.number > ").push_bind(after);
    query.push(" AND reports.number <= ").push_bind(goal);
    if let Some(since) = selection.since {
        query.push(" AND reports.received_at >= ").push_bind(since);
    }
    if let Some(until) = selection.until {
        query.push(" AND reports.received_at < ").push_bind(until);
    }
}

impl Record for Rebuild {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(Rebuild {
            number: row.get("number")?,
            extractor: row.get("extractor")?,
            selection: Selection {
                distribution: row.get("distribution")?,
                version: row.get("version")?,
                since: row.get("since")?,
                until: row.get("until")?,
            },
            cleared: row.get("cleared")?,
            goal: row.get("goal")?,
            position: row.get("position")?,
            reports: row.get("reports")?,
            changes: row.get("changes")?,
            skipped: row.get("skipped")?,
            started_at: row.get("started_at")?,
            ended_at: row.get("ended_at")?,
        })
    }
}

impl Record for KnownRow {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let language: Option<&str> = row.get("language")?;
        let names = (language.and_then(language_from), row.get("distribution")?, row.get("version")?);
        let release = match names {
            (Some(language), Some(distribution), Some(version)) => Some((language, distribution, version)),
            _ => None,
        };
        Ok(KnownRow { old: OldExtract::read(row)?, release })
    }
}
