//! Rows of the CPAN Testers lists: a processed report with its release's archive and its tester's address.

use chrono::{DateTime, Utc};
use schemas::ids::ReportId;
use uuid::Uuid;

use super::releases::ReleaseNumber;
use super::sql::{query, record};
use super::{Result, Store};

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRow {
    pub number: i64,
    /// A `ResultView` in JSON.
    pub document: String,
    /// Author and archive of the release, as the first report that named them said.
    pub author: Option<String>,
    pub archive: Option<String>,
    pub address: Option<String>,
    /// Number of the upload; none while nobody has told of it.
    pub upload: Option<i64>,
}

record!(ListedRow { number, document, author, archive, address, upload });

/// What every list selects.
///
/// Reports come first: from releases on, SQLite would read and sort all reports of a language for the newest thousand.
/// It takes joins by that name in the order written.
const LISTED: &str = "SELECT extracts.number, extracts.document, releases.author, releases.archive, testers.address, \
                      (SELECT uploads.number FROM uploads WHERE uploads.language = releases.language \
                       AND uploads.distribution = releases.distribution AND uploads.version = releases.version) \
                      AS upload FROM extracts \
                      CROSS JOIN releases CROSS JOIN testers WHERE releases.number = extracts.release \
                      AND testers.number = extracts.tester AND extracts.removed = FALSE";

impl Store {
    /// Rows of a release after a report's number, by number; without passes where `failing`.
    pub async fn release_rows(
        &self,
        release: ReleaseNumber,
        failing: bool,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ListedRow>> {
        let sql = format!(
            "{LISTED} AND extracts.release = $1 AND extracts.number > $2 AND ($3 = FALSE OR extracts.grade <> 'pass') \
             ORDER BY extracts.number LIMIT $4"
        );
        Ok(query(sql).bind(release.0).bind(after).bind(failing).bind(limit).fetch_all(&self.readers).await?)
    }

    /// The newest rows of releases, at most `limit`, less those received before `since`, newest first; without passes
    /// where `failing`.
    pub async fn newest_release_rows(
        &self,
        releases: &[ReleaseNumber],
        failing: bool,
        since: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<ListedRow>> {
        let numbers: Vec<i64> = releases.iter().map(|release| release.0).collect();
        let sql = format!(
            "{LISTED} AND extracts.received_at >= $2 AND extracts.number IN \
             (SELECT number FROM extracts WHERE release IN (SELECT value FROM json_each($1)) AND removed = FALSE \
              AND ($3 = FALSE OR grade <> 'pass') ORDER BY number DESC LIMIT $4) ORDER BY extracts.number DESC"
        );
        Ok(query(sql)
            .bind(super::list(&numbers))
            .bind(since)
            .bind(failing)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?)
    }

    /// Rows of Perl from one report's number to another's, both included, by number.
    pub async fn rows_from(&self, from: i64, to: i64, limit: i64) -> Result<Vec<ListedRow>> {
        self.rows_between(from, to, "ORDER BY extracts.number", limit).await
    }

    /// The last rows of Perl up to a report's number, that one included, newest first.
    pub async fn rows_up_to(&self, to: i64, limit: i64) -> Result<Vec<ListedRow>> {
        self.rows_between(0, to, "ORDER BY extracts.number DESC", limit).await
    }

    async fn rows_between(&self, from: i64, to: i64, order: &'static str, limit: i64) -> Result<Vec<ListedRow>> {
        let sql = format!(
            "{LISTED} AND releases.language = 'perl' AND extracts.number >= $1 AND extracts.number <= $2 \
             {order} LIMIT $3"
        );
        Ok(query(sql).bind(from).bind(to).bind(limit).fetch_all(&self.readers).await?)
    }

    /// The number before which no report is still to come: smaller ones are processed, or ended otherwise.
    ///
    /// Reports are processed in no fixed order, so a reader who goes on from the greatest number seen has to stop
    /// short of the oldest that waits. A correction waits too, but its report is listed already.
    pub async fn settled_before(&self) -> Result<i64> {
        // From the open groups on, which are few; SQLite would look for the least number from the first report on.
        Ok(query(
            "SELECT COALESCE(\
               (SELECT min(reports.number) FROM groups CROSS JOIN reports \
                WHERE groups.settled_at IS NULL AND reports.group_number = groups.number \
                AND reports.state = 'accepted' \
                AND NOT EXISTS (SELECT 1 FROM extracts WHERE extracts.number = reports.number)), \
               (SELECT COALESCE(max(number), 0) + 1 FROM reports))",
        )
        .fetch_one(&self.readers)
        .await?)
    }

    /// Numbers of Perl's processed reports received in a span of time, its end left out, by number.
    pub async fn numbers_received(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<i64>> {
        Ok(query(
            "SELECT reports.number FROM reports CROSS JOIN extracts CROSS JOIN releases \
             WHERE reports.received_at >= $1 AND reports.received_at < $2 AND extracts.number = reports.number \
             AND extracts.removed = FALSE AND releases.number = extracts.release AND releases.language = 'perl' \
             ORDER BY reports.number",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&self.readers)
        .await?)
    }

    /// The id of the report with this number.
    pub async fn report_id(&self, number: i64) -> Result<Option<ReportId>> {
        let id: Option<Uuid> =
            query("SELECT id FROM reports WHERE number = $1").bind(number).fetch_optional(&self.readers).await?;
        Ok(id.map(ReportId))
    }
}
