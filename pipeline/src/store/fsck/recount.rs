//! Counts against a recount of the rows, and against each other.

use schemas::grade::Counts;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::store::matrix::CellDelta;
use crate::store::releases::{ReleaseNumber, SummaryDelta, counts};
use crate::store::testers::TesterNumber;
use crate::store::{Result, Store, Tx};

/// Numbers that count rows of a table: `after` is left out, `end` is in.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub after: i64,
    pub end: i64,
}

impl Store {
    /// What is missing in summaries of these releases, negative where too much is counted.
    pub async fn summary_faults(&self, span: Span) -> Result<Vec<SummaryDelta>> {
        summary_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// What is missing in matrix cells of these releases.
    pub async fn cell_faults(&self, span: Span) -> Result<Vec<CellDelta>> {
        cell_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// What is missing in the counts of these testers.
    pub async fn tester_faults(&self, span: Span) -> Result<Vec<(TesterNumber, Counts)>> {
        tester_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// Releases whose matrix does not add up to their summaries.
    pub async fn sum_faults(&self, span: Span) -> Result<Vec<(ReleaseNumber, Counts)>> {
        let rows = sqlx::query(
            "SELECT release, CAST(sum(pass) AS BIGINT) AS pass, CAST(sum(fail) AS BIGINT) AS fail, \
             CAST(sum(na) AS BIGINT) AS na, CAST(sum(unknown) AS BIGINT) AS unknown FROM ( \
             SELECT release, pass, fail, na, unknown FROM summaries WHERE release > $1 AND release <= $2 UNION ALL \
             SELECT release, -pass, -fail, -na, -unknown FROM matrix_cells WHERE release > $1 AND release <= $2) \
             AS sums GROUP BY release HAVING sum(pass) <> 0 OR sum(fail) <> 0 OR sum(na) <> 0 OR sum(unknown) <> 0 \
             ORDER BY release",
        )
        .bind(span.after)
        .bind(span.end)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok((ReleaseNumber(row.try_get("release")?), counts(row)?))).collect()
    }
}

impl Tx {
    pub async fn summary_faults(&mut self, span: Span) -> Result<Vec<SummaryDelta>> {
        summary_faults(self.connection(), span).await
    }

    pub async fn cell_faults(&mut self, span: Span) -> Result<Vec<CellDelta>> {
        cell_faults(self.connection(), span).await
    }

    pub async fn tester_faults(&mut self, span: Span) -> Result<Vec<(TesterNumber, Counts)>> {
        tester_faults(self.connection(), span).await
    }
}

/// One row's grade as four counts.
const ONE: &str = "CASE grade WHEN 'pass' THEN 1 ELSE 0 END AS pass, CASE grade WHEN 'fail' THEN 1 ELSE 0 END AS fail, \
                   CASE grade WHEN 'na' THEN 1 ELSE 0 END AS na, CASE grade WHEN 'unknown' THEN 1 ELSE 0 END AS unknown";

/// Sums that are not zero, of rows counted for and stored counts counted against.
const DIFFERENCE: &str = "CAST(sum(pass) AS BIGINT) AS pass, CAST(sum(fail) AS BIGINT) AS fail, \
                          CAST(sum(na) AS BIGINT) AS na, CAST(sum(unknown) AS BIGINT) AS unknown";
const NOT_ZERO: &str = "HAVING sum(pass) <> 0 OR sum(fail) <> 0 OR sum(na) <> 0 OR sum(unknown) <> 0";

async fn summary_faults(connection: &mut SqliteConnection, span: Span) -> Result<Vec<SummaryDelta>> {
    let sql = format!(
        "SELECT release, development, patched, {DIFFERENCE} FROM ( \
         SELECT release, development, patched, {ONE} FROM extracts WHERE NOT removed AND release > $1 AND release <= $2 \
         UNION ALL SELECT release, development, patched, -pass, -fail, -na, -unknown FROM summaries \
         WHERE release > $1 AND release <= $2) AS places GROUP BY release, development, patched {NOT_ZERO} \
         ORDER BY release, development, patched"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(span.after).bind(span.end).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(SummaryDelta {
                release: ReleaseNumber(row.try_get("release")?),
                development: row.try_get("development")?,
                patched: row.try_get("patched")?,
                counts: counts(row)?,
            })
        })
        .collect()
}

async fn cell_faults(connection: &mut SqliteConnection, span: Span) -> Result<Vec<CellDelta>> {
    let sql = format!(
        "SELECT release, language_version, os, architecture, {DIFFERENCE} FROM ( \
         SELECT release, language_version, os, architecture, {ONE} FROM extracts \
         WHERE NOT removed AND release > $1 AND release <= $2 \
         UNION ALL SELECT release, language_version, os, architecture, -pass, -fail, -na, -unknown FROM matrix_cells \
         WHERE release > $1 AND release <= $2) AS places \
         GROUP BY release, language_version, os, architecture {NOT_ZERO} \
         ORDER BY release, language_version, os, architecture"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(span.after).bind(span.end).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(CellDelta {
                release: ReleaseNumber(row.try_get("release")?),
                language_version: row.try_get("language_version")?,
                os: row.try_get("os")?,
                architecture: row.try_get("architecture")?,
                counts: counts(row)?,
            })
        })
        .collect()
}

async fn tester_faults(connection: &mut SqliteConnection, span: Span) -> Result<Vec<(TesterNumber, Counts)>> {
    let sql = format!(
        "SELECT tester, {DIFFERENCE} FROM ( \
         SELECT tester, {ONE} FROM extracts WHERE NOT removed AND tester > $1 AND tester <= $2 \
         UNION ALL SELECT number, -pass, -fail, -na, -unknown FROM testers WHERE number > $1 AND number <= $2) \
         AS places GROUP BY tester {NOT_ZERO} ORDER BY tester"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(span.after).bind(span.end).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((TesterNumber(row.try_get("tester")?), counts(row)?))).collect()
}
