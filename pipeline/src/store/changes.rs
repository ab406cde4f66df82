//! The change feed: every row that changed after a number, in the order of the changes.

use schemas::views::SummaryView;

use super::sql::{query, record};
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
#[derive(Clone, Debug, PartialEq)]
pub struct ResultChange {
    pub number: i64,
    pub change_number: i64,
    pub removed: bool,
    pub document: String,
    /// Bytes of its report as it came; 0 once they are purged.
    pub size: i64,
}

record!(ResultChange { number, change_number, removed, document, size });

impl Store {
    /// The next reports' rows changed after a number, and the newest change number, both of one moment.
    pub async fn result_changes(&self, after: i64, limit: usize) -> Result<(Vec<ResultChange>, i64)> {
        let mut snapshot = self.readers.snapshot().await?;
        let head: i64 = query("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&mut snapshot).await?;
        let rows = query(
            "SELECT extracts.number, change_number, removed, document, COALESCE(size, 0) AS size FROM extracts \
             LEFT JOIN bodies ON bodies.number = extracts.number WHERE change_number > $1 ORDER BY change_number LIMIT $2",
        )
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut snapshot)
        .await?;
        snapshot.rollback().await?;
        Ok((rows, head))
    }

    /// The next rows changed after a number, and the newest change number, both of one moment.
    pub async fn changes(&self, after: i64, limit: usize) -> Result<(Vec<ChangeRow>, i64)> {
        let bound = i64::try_from(limit).unwrap_or(i64::MAX);
        // One read transaction: rows and head are of the same commit.
        let mut snapshot = self.readers.snapshot().await?;
        let head: i64 = query("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&mut snapshot).await?;
        // One text of all rows: fetching each by itself would cost more than reading it.
        let lines: Option<String> = query(
            "SELECT string_agg(change_number || CASE WHEN removed THEN ' 1' ELSE ' 0' END || document, $3) FROM \
             (SELECT change_number, removed, document FROM extracts WHERE change_number > $1 \
              ORDER BY change_number LIMIT $2) AS changed",
        )
        .bind(after)
        .bind(bound)
        .bind("\n")
        .fetch_one(&mut snapshot)
        .await?;
        let mut rows = result_rows(lines.as_deref().unwrap_or_default())?;
        rows.sort_by_key(ChangeRow::number);
        // Releases beyond a full page of results belong to later pages.
        let end = if rows.len() == limit { rows.last().map_or(after, ChangeRow::number) } else { i64::MAX };
        let releases = releases_after(&mut snapshot, after, end, bound).await?;
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

/// Rows out of lines such as `17 0{"id":…}`: change number, whether removed, document.
fn result_rows(lines: &str) -> Result<Vec<ChangeRow>> {
    let row = |line: &str| {
        let (number, rest) = line.split_once(' ')?;
        let removed = match rest.as_bytes().first()? {
            b'0' => false,
            b'1' => true,
            _ => return None,
        };
        Some(ChangeRow::Result { number: number.parse().ok()?, removed, document: rest[1..].to_owned() })
    };
    lines.lines().map(|line| row(line).ok_or_else(|| StoreError::inconsistent("extracts", 0))).collect()
}
