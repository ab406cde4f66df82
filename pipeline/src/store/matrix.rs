//! Grades of a release or distribution by platform.

use std::fmt;
use std::str::FromStr;

use schemas::extract::Language;
use schemas::grade::Counts;
use schemas::views::CellView;

use super::bulk::Bulk;
use super::releases::{ReleaseNumber, counts};
use super::sql::{self, Row, query};
use super::{Result, Store, Tx};

/// What a matrix can be laid out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    Version,
    LanguageVersion,
    Os,
    Architecture,
}

impl Axis {
    pub const ALL: [Axis; 4] = [Axis::Version, Axis::LanguageVersion, Axis::Os, Axis::Architecture];

    /// The axis's name, which is its column's too.
    pub fn as_str(self) -> &'static str {
        match self {
            Axis::Version => "version",
            Axis::LanguageVersion => "language_version",
            Axis::Os => "os",
            Axis::Architecture => "architecture",
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an axis: expected version, language_version, os or architecture")]
pub struct NotAnAxis;

impl FromStr for Axis {
    type Err = NotAnAxis;

    fn from_str(text: &str) -> std::result::Result<Self, NotAnAxis> {
        Axis::ALL.into_iter().find(|axis| axis.as_str() == text).ok_or(NotAnAxis)
    }
}

/// A difference to one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellDelta {
    pub release: ReleaseNumber,
    pub language_version: String,
    pub os: String,
    pub architecture: String,
    pub counts: Counts,
}

impl Store {
    /// Cells of a distribution, or of one version of it, by the axes given. Cells without reports are left out.
    pub async fn matrix(
        &self,
        language: Language,
        distribution: &str,
        version: Option<&str>,
        axes: &[Axis],
    ) -> Result<Vec<CellView>> {
        let columns = axes.iter().map(|axis| axis.as_str()).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {columns}, CAST(sum(pass) AS BIGINT) AS pass, CAST(sum(fail) AS BIGINT) AS fail, \
             CAST(sum(na) AS BIGINT) AS na, CAST(sum(unknown) AS BIGINT) AS unknown \
             FROM releases JOIN matrix_cells ON matrix_cells.release = releases.number \
             WHERE language = $1 AND distribution = $2 AND ($3 IS NULL OR version = $3) \
             GROUP BY {columns} HAVING sum(pass + fail + na + unknown) > 0 ORDER BY {columns}"
        );
        let statement = query(sql).bind(language.as_str()).bind(distribution).bind(version);
        Ok(statement.fetch_with(&self.readers, |row| cell(row, axes)).await?)
    }
}

impl Tx {
    /// Moves cells by signed differences.
    pub async fn adjust_cells(&mut self, deltas: &[CellDelta]) -> Result<()> {
        let upsert = Bulk {
            head: "INSERT INTO matrix_cells (release, language_version, os, architecture, pass, fail, na, unknown)",
            columns: 8,
            tail: "ON CONFLICT (release, language_version, os, architecture) DO UPDATE SET \
                   pass = matrix_cells.pass + excluded.pass, fail = matrix_cells.fail + excluded.fail, \
                   na = matrix_cells.na + excluded.na, unknown = matrix_cells.unknown + excluded.unknown",
        };
        upsert
            .execute(self.connection(), deltas, |values, delta| {
                values
                    .push(delta.release.0)
                    .push(delta.language_version.as_str())
                    .push(delta.os.as_str())
                    .push(delta.architecture.as_str())
                    .push(delta.counts.pass)
                    .push(delta.counts.fail)
                    .push(delta.counts.na)
                    .push(delta.counts.unknown);
            })
            .await?;
        if deltas.iter().any(|delta| delta.counts.total() <= 0) {
            query(
                "DELETE FROM matrix_cells WHERE pass = 0 AND fail = 0 AND na = 0 AND unknown = 0 \
                 AND release IN (SELECT value FROM json_each($1))",
            )
            .bind(super::list(&deltas.iter().map(|delta| delta.release.0).collect::<Vec<_>>()))
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }
}

fn cell(row: Row<'_>, axes: &[Axis]) -> sql::Result<CellView> {
    let mut cell = CellView { counts: counts(row)?, ..CellView::default() };
    for axis in axes {
        let value: Option<String> = row.get(axis.as_str())?;
        match axis {
            Axis::Version => cell.version = value,
            Axis::LanguageVersion => cell.language_version = value,
            Axis::Os => cell.os = value,
            Axis::Architecture => cell.architecture = value,
        }
    }
    Ok(cell)
}
