//! Throwing away what is derived, as far as it can be made again.

use super::fsck::Span;
use super::sql::query;
use super::{Result, Tx};

/// One row's grade as four counts, summed up.
const COUNTS: &str = "CAST(sum(CASE grade WHEN 'pass' THEN 1 ELSE 0 END) AS BIGINT) AS pass, \
                      CAST(sum(CASE grade WHEN 'fail' THEN 1 ELSE 0 END) AS BIGINT) AS fail, \
                      CAST(sum(CASE grade WHEN 'na' THEN 1 ELSE 0 END) AS BIGINT) AS na, \
                      CAST(sum(CASE grade WHEN 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS unknown";

impl Tx {
    /// Throws away all that is derived from bytes: rows, counts, releases, change numbers.
    ///
    /// A row whose report has no bytes any more is derived from nothing: it is all that is left of the report. It stays
    /// as it is, and counts and releases are made anew from such rows alone.
    pub async fn clear_derived(&mut self) -> Result<()> {
        let cells = "release, language_version, os, architecture";
        let places = "release, development, patched";
        for sql in [
            "DELETE FROM extracts WHERE removed OR EXISTS (SELECT 1 FROM bodies WHERE bodies.number = extracts.number)"
                .to_owned(),
            "DELETE FROM matrix_cells".to_owned(),
            "DELETE FROM summaries".to_owned(),
            "DELETE FROM releases WHERE NOT EXISTS (SELECT 1 FROM extracts WHERE extracts.release = releases.number)"
                .to_owned(),
            "UPDATE testers SET pass = 0, fail = 0, na = 0, unknown = 0".to_owned(),
            format!(
                "INSERT INTO summaries ({places}, pass, fail, na, unknown) \
                 SELECT {places}, {COUNTS} FROM extracts GROUP BY {places}"
            ),
            format!(
                "INSERT INTO matrix_cells ({cells}, pass, fail, na, unknown) \
                 SELECT {cells}, {COUNTS} FROM extracts GROUP BY {cells}"
            ),
            format!(
                "UPDATE testers SET pass = sums.pass, fail = sums.fail, na = sums.na, unknown = sums.unknown \
                 FROM (SELECT tester, {COUNTS} FROM extracts GROUP BY tester) AS sums \
                 WHERE sums.tester = testers.number"
            ),
        ] {
            query(sql).execute(self.connection()).await?;
        }
        let untrue = self.author_faults(Span { after: 0, end: i64::MAX }).await?;
        self.retell_releases(&untrue).await
    }
}
