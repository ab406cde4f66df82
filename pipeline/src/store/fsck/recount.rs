//! Counts against a recount of the rows, and against each other.

use schemas::grade::Counts;

use crate::store::matrix::CellDelta;
use crate::store::releases::{ReleaseNumber, SummaryDelta, counts};
use crate::store::sql::{On, Row, query};
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
        summary_faults(&self.readers, span).await
    }

    /// What is missing in matrix cells of these releases.
    pub async fn cell_faults(&self, span: Span) -> Result<Vec<CellDelta>> {
        cell_faults(&self.readers, span).await
    }

    /// What is missing in the counts of these testers.
    pub async fn tester_faults(&self, span: Span) -> Result<Vec<(TesterNumber, Counts)>> {
        tester_faults(&self.readers, span).await
    }

    /// Releases whose matrix does not add up to their summaries.
    pub async fn sum_faults(&self, span: Span) -> Result<Vec<(ReleaseNumber, Counts)>> {
        let statement = query(
            "SELECT release, CAST(sum(pass) AS BIGINT) AS pass, CAST(sum(fail) AS BIGINT) AS fail, \
             CAST(sum(na) AS BIGINT) AS na, CAST(sum(unknown) AS BIGINT) AS unknown FROM ( \
             SELECT release, pass, fail, na, unknown FROM summaries WHERE release > $1 AND release <= $2 UNION ALL \
             SELECT release, -pass, -fail, -na, -unknown FROM matrix_cells WHERE release > $1 AND release <= $2) \
             AS sums GROUP BY release HAVING sum(pass) <> 0 OR sum(fail) <> 0 OR sum(na) <> 0 OR sum(unknown) <> 0 \
             ORDER BY release",
        );
        let sums = |row: Row<'_>| Ok((ReleaseNumber(row.get("release")?), counts(row)?));
        Ok(statement.bind(span.after).bind(span.end).fetch_with(&self.readers, sums).await?)
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

async fn summary_faults(on: impl Into<On<'_>>, span: Span) -> Result<Vec<SummaryDelta>> {
    let sql = format!(
        "SELECT release, development, patched, {DIFFERENCE} FROM ( \
         SELECT release, development, patched, {ONE} FROM extracts WHERE NOT removed AND release > $1 AND release <= $2 \
         UNION ALL SELECT release, development, patched, -pass, -fail, -na, -unknown FROM summaries \
         WHERE release > $1 AND release <= $2) AS places GROUP BY release, development, patched {NOT_ZERO} \
         ORDER BY release, development, patched"
    );
    let delta = |row: Row<'_>| {
        Ok(SummaryDelta {
            release: ReleaseNumber(row.get("release")?),
            development: row.get("development")?,
            patched: row.get("patched")?,
            counts: counts(row)?,
        })
    };
    Ok(query(sql).bind(span.after).bind(span.end).fetch_with(on, delta).await?)
}

async fn cell_faults(on: impl Into<On<'_>>, span: Span) -> Result<Vec<CellDelta>> {
    let sql = format!(
        "SELECT release, language_version, os, architecture, {DIFFERENCE} FROM ( \
         SELECT release, language_version, os, architecture, {ONE} FROM extracts \
         WHERE NOT removed AND release > $1 AND release <= $2 \
         UNION ALL SELECT release, language_version, os, architecture, -pass, -fail, -na, -unknown FROM matrix_cells \
         WHERE release > $1 AND release <= $2) AS places \
         GROUP BY release, language_version, os, architecture {NOT_ZERO} \
         ORDER BY release, language_version, os, architecture"
    );
    let delta = |row: Row<'_>| {
        Ok(CellDelta {
            release: ReleaseNumber(row.get("release")?),
            language_version: row.get("language_version")?,
            os: row.get("os")?,
            architecture: row.get("architecture")?,
            counts: counts(row)?,
        })
    };
    Ok(query(sql).bind(span.after).bind(span.end).fetch_with(on, delta).await?)
}

async fn tester_faults(on: impl Into<On<'_>>, span: Span) -> Result<Vec<(TesterNumber, Counts)>> {
    let sql = format!(
        "SELECT tester, {DIFFERENCE} FROM ( \
         SELECT tester, {ONE} FROM extracts WHERE NOT removed AND tester > $1 AND tester <= $2 \
         UNION ALL SELECT number, -pass, -fail, -na, -unknown FROM testers WHERE number > $1 AND number <= $2) \
         AS places GROUP BY tester {NOT_ZERO} ORDER BY tester"
    );
    let sums = |row: Row<'_>| Ok((TesterNumber(row.get("tester")?), counts(row)?));
    Ok(query(sql).bind(span.after).bind(span.end).fetch_with(on, sums).await?)
}
