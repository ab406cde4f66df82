//! The change feed: every row that changed after a number, in the order of the changes.

use futures::TryStreamExt as _;
use schemas::views::SummaryView;
use sqlx::FromRow;

use super::{Result, Store, StoreError, releases::releases_after};

/// A changed row, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeRow {
    /// A report's row: its document, or for a removed one a document with the id alone.
    Result { number: i64, removed: bool, document: String },
    /// A release's counts; removed when no report is left.
    Summary { number: i64, removed: bool, summary: SummaryView },
}

impl ChangeRow {
    pub fn number(&self) -> i64 {
        match self {
            ChangeRow::Result { number, .. } | ChangeRow::Summary { number, .. } => *number,
        }
    }
}

/// A report's row that changed, for the document index.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ResultChange {
    pub number: i64,
    pub change_number: i64,
    pub removed: bool,
    pub document: String,
}

impl Store {
    /// The next reports' rows changed after a number, and the newest change number, both of one moment.
    pub async fn result_changes(&self, after: i64, limit: usize) -> Result<(Vec<ResultChange>, i64)> {
        let mut snapshot = self.readers.begin().await?;
        let head: i64 =
            sqlx::query_scalar("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&mut *snapshot).await?;
        let rows = sqlx::query_as(
            "SELECT number, change_number, removed, document FROM extracts WHERE change_number > $1 \
             ORDER BY change_number LIMIT $2",
        )
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *snapshot)
        .await?;
        snapshot.rollback().await?;
        Ok((rows, head))
    }

    /// The next rows changed after a number, and the newest change number, both of one moment.
    pub async fn changes(&self, after: i64, limit: usize) -> Result<(Vec<ChangeRow>, i64)> {
        let bound = i64::try_from(limit).unwrap_or(i64::MAX);
        // One read transaction: rows and head are of the same commit.
        let mut snapshot = self.readers.begin().await?;
        let head: i64 =
            sqlx::query_scalar("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&mut *snapshot).await?;
        let mut rows: Vec<ChangeRow> = sqlx::query_as::<_, (i64, bool, String)>(
            "SELECT change_number, removed, document FROM extracts WHERE change_number > $1 \
             ORDER BY change_number LIMIT $2",
        )
        .bind(after)
        .bind(bound)
        .fetch(&mut *snapshot)
        .map_ok(|(number, removed, document)| ChangeRow::Result { number, removed, document })
        .try_collect()
        .await
        .map_err(StoreError::from)?;
        let releases = releases_after(&mut snapshot, after, bound).await?;
        snapshot.rollback().await?;
        rows.extend(releases.into_iter().map(|release| ChangeRow::Summary {
            number: release.summary.number,
            removed: release.summary.counts.zero(),
            summary: release.summary,
        }));
        // Each list holds its first `limit`, so the first `limit` of both are all there.
        rows.sort_by_key(ChangeRow::number);
        rows.truncate(limit);
        Ok((rows, head))
    }
}
