//! What `fsck` asks: places where what is stored contradicts itself. Each answer is of one moment.

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use sqlx::{AssertSqlSafe, FromRow, Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::changes::ResultChange;
use super::groups::GroupNumber;
use super::matrix::CellDelta;
use super::rebuilds::STANDING;
use super::releases::{ReleaseNumber, SummaryDelta, counts};
use super::reports::Body;
use super::testers::TesterNumber;
use super::{Result, Store, Tx};
use crate::queue::QUEUE;

/// A stored body, and the digest its report promises. Of a superseded one, the revision it was.
#[derive(Clone, Debug)]
pub struct DigestedBody {
    pub number: i64,
    pub revision: Option<i64>,
    /// `None`: the report is not there.
    pub id: Option<ReportId>,
    pub digest: Option<Digest>,
    pub body: Body,
}

/// Numbers that count rows of a table: `after` is left out, `end` is in.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub after: i64,
    pub end: i64,
}

/// Something a check names, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Oddity {
    /// What kind of thing: `report`, `release`, `group`.
    pub kind: String,
    pub number: i64,
    pub detail: String,
}

/// A job in the queue that is not done.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct WaitingJob {
    pub id: String,
    pub job: Vec<u8>,
}

/// A row's number and change number, for a comparison with the index.
#[derive(Clone, Copy, Debug, PartialEq, FromRow)]
pub struct RowMark {
    pub number: i64,
    pub change_number: i64,
    pub removed: bool,
}

impl Store {
    /// The next bodies after a number.
    pub async fn digested_bodies(&self, after: i64, limit: i64) -> Result<Vec<DigestedBody>> {
        Ok(sqlx::query_as(
            "SELECT bodies.number AS number, NULL AS revision, id, digest, dictionary, size, body FROM bodies \
             LEFT JOIN reports ON reports.number = bodies.number WHERE bodies.number > $1 \
             ORDER BY bodies.number LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// The next superseded bodies after a number and revision.
    pub async fn superseded_bodies(&self, after: (i64, i64), limit: i64) -> Result<Vec<DigestedBody>> {
        Ok(sqlx::query_as(
            "SELECT superseded_bodies.number AS number, superseded_bodies.revision AS revision, id, \
             superseded_bodies.digest AS digest, dictionary, size, body FROM superseded_bodies \
             LEFT JOIN reports ON reports.number = superseded_bodies.number \
             WHERE (superseded_bodies.number, superseded_bodies.revision) > ($1, $2) \
             ORDER BY superseded_bodies.number, superseded_bodies.revision LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// How many rows a table of this list has.
    pub async fn count_rows(&self, table: Counting) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {}", table.as_str());
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.readers).await?)
    }

    /// The greatest number of a release or tester.
    pub async fn last_number(&self, table: Counting) -> Result<i64> {
        let sql = format!("SELECT COALESCE(max(number), 0) FROM {}", table.as_str());
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.readers).await?)
    }

    /// What is missing in summaries of these releases, negative where too much is counted.
    pub async fn summary_faults(&self, span: Span) -> Result<Vec<SummaryDelta>> {
        summary_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// What is missing in matrix cells of these releases.
    pub async fn cell_faults(&self, span: Span) -> Result<Vec<CellDelta>> {
        cell_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// What is missing in the counts of these testers.
    pub async fn tester_faults(&self, span: Span) -> Result<Vec<(TesterNumber, schemas::grade::Counts)>> {
        tester_faults(&mut *self.readers.acquire().await?, span).await
    }

    /// Releases whose matrix does not add up to their summaries.
    pub async fn sum_faults(&self, span: Span) -> Result<Vec<(ReleaseNumber, schemas::grade::Counts)>> {
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

    /// A release as people name it: `perl/Foo-Bar/1.0`.
    pub async fn release_name(&self, release: ReleaseNumber) -> Result<String> {
        let name: Option<String> = sqlx::query_scalar(
            "SELECT language || '/' || distribution || '/' || version FROM releases WHERE number = $1",
        )
        .bind(release.0)
        .fetch_optional(&self.readers)
        .await?;
        Ok(name.unwrap_or_else(|| format!("number {}, which is not there", release.0)))
    }

    /// A tester's public id.
    pub async fn tester_name(&self, tester: TesterNumber) -> Result<String> {
        let name: Option<String> = sqlx::query_scalar("SELECT id FROM testers WHERE number = $1")
            .bind(tester.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(name.unwrap_or_else(|| format!("number {}, who is not there", tester.0)))
    }

    /// A report's id by its number.
    pub async fn report_name(&self, number: i64) -> Result<String> {
        let id: Option<Uuid> = sqlx::query_scalar("SELECT id FROM reports WHERE number = $1")
            .bind(number)
            .fetch_optional(&self.readers)
            .await?;
        Ok(id.map_or_else(|| format!("number {number}, which is not there"), |id| ReportId(id).to_string()))
    }

    /// Reports whose state and row contradict each other: processed without a row, or rejected with one.
    pub async fn contradicted_reports(&self) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT reports.number FROM reports LEFT JOIN extracts ON extracts.number = reports.number \
             WHERE {STANDING} AND ((state = 'processed' AND (extracts.number IS NULL OR removed)) \
             OR (state = 'rejected' AND extracts.number IS NOT NULL AND NOT removed)) ORDER BY reports.number"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.readers).await?)
    }

    /// Every `step`th of the settled reports after a number: those whose number leaves `rest`.
    pub async fn sampled(&self, after: i64, step: i64, rest: i64, limit: i64) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT reports.number FROM reports WHERE {STANDING} AND reports.number > $1 \
             AND reports.number % $2 = $3 ORDER BY reports.number LIMIT $4"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(after)
            .bind(step)
            .bind(rest)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?)
    }

    /// Rows without what they belong to, and reports without bytes. Purged reports belong out of the latter.
    pub async fn orphans(&self) -> Result<Vec<Oddity>> {
        Ok(sqlx::query_as(
            "SELECT 'report' AS kind, number, 'its bytes are not there' AS detail FROM reports \
             WHERE NOT EXISTS (SELECT 1 FROM bodies WHERE bodies.number = reports.number) UNION ALL \
             SELECT 'body', number, 'it belongs to no report' FROM bodies \
             WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = bodies.number) UNION ALL \
             SELECT 'superseded body', number, 'revision ' || revision || ' belongs to no report' \
             FROM superseded_bodies \
             WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = superseded_bodies.number) UNION ALL \
             SELECT 'row', number, 'it belongs to no report' FROM extracts WHERE NOT removed \
             AND NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = extracts.number) \
             ORDER BY 1, 2",
        )
        .fetch_all(&self.readers)
        .await?)
    }

    /// Change numbers that are given twice, to nothing, or beyond the counter: by rows and releases.
    pub async fn change_faults(&self) -> Result<Vec<Oddity>> {
        change_faults(&mut *self.readers.acquire().await?).await
    }

    /// Groups that nobody may be processing; of those that are open, nobody is if none of the waiting jobs is theirs.
    /// Groups with a sign of life after `since`, or an attempt under way that began after `begun`, are left alone.
    pub async fn stuck(&self, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
        stuck(&mut *self.readers.acquire().await?, since, begun).await
    }

    /// Jobs that are not done, in the order they were queued.
    pub async fn waiting_jobs(&self) -> Result<Vec<WaitingJob>> {
        waiting_jobs(&mut *self.readers.acquire().await?).await
    }

    /// Those of these groups that are open, or were until `since`: a job for one may still be waiting.
    pub async fn lively_groups(&self, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
        lively_groups(&mut *self.readers.acquire().await?, groups, since).await
    }

    /// The next rows after a number, for a comparison with the index.
    pub async fn row_marks(&self, after: i64, limit: i64) -> Result<Vec<RowMark>> {
        Ok(sqlx::query_as(
            "SELECT number, change_number, removed FROM extracts WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// These rows as the index takes them in.
    pub async fn result_rows(&self, numbers: &[i64]) -> Result<Vec<ResultChange>> {
        Ok(sqlx::query_as(
            "SELECT extracts.number, change_number, removed, document, size FROM extracts \
             JOIN bodies ON bodies.number = extracts.number \
             WHERE extracts.number IN (SELECT value FROM json_each($1)) AND NOT removed",
        )
        .bind(super::list(numbers))
        .fetch_all(&self.readers)
        .await?)
    }
}

impl Tx {
    pub async fn summary_faults(&mut self, span: Span) -> Result<Vec<SummaryDelta>> {
        summary_faults(self.connection(), span).await
    }

    pub async fn cell_faults(&mut self, span: Span) -> Result<Vec<CellDelta>> {
        cell_faults(self.connection(), span).await
    }

    pub async fn tester_faults(&mut self, span: Span) -> Result<Vec<(TesterNumber, schemas::grade::Counts)>> {
        tester_faults(self.connection(), span).await
    }

    pub async fn change_faults(&mut self) -> Result<Vec<Oddity>> {
        change_faults(self.connection()).await
    }

    pub async fn stuck(&mut self, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
        stuck(self.connection(), since, begun).await
    }

    pub async fn waiting_jobs(&mut self) -> Result<Vec<WaitingJob>> {
        waiting_jobs(self.connection()).await
    }

    pub async fn lively_groups(&mut self, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
        lively_groups(self.connection(), groups, since).await
    }

    /// Lets the counter stand at the greatest change number there is, so that none is given twice.
    pub async fn raise_changes(&mut self) -> Result<()> {
        sqlx::query(
            "UPDATE counters SET value = (SELECT max(number) FROM (SELECT value AS number UNION ALL \
             SELECT max(change_number) FROM extracts UNION ALL SELECT max(change_number) FROM releases) AS given) \
             WHERE name = 'changes'",
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Gives rows new change numbers, in the order given, from `first` on.
    pub async fn renumber_extracts(&mut self, numbers: &[i64], first: i64, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "UPDATE extracts SET change_number = $2 + marked.key, changed_at = $3 \
             FROM json_each($1) AS marked WHERE extracts.number = marked.value",
        )
        .bind(super::list(numbers))
        .bind(first)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Moves the accepted reports of a group to another.
    pub async fn move_accepted(&mut self, from: GroupNumber, to: GroupNumber) -> Result<u64> {
        let moved = sqlx::query("UPDATE reports SET group_number = $2 WHERE group_number = $1 AND state = 'accepted'")
            .bind(from.0)
            .bind(to.0)
            .execute(self.connection())
            .await?;
        Ok(moved.rows_affected())
    }

    /// Takes jobs out of the queue.
    pub async fn drop_jobs(&mut self, ids: &[String]) -> Result<u64> {
        let dropped = sqlx::query("DELETE FROM Jobs WHERE id IN (SELECT value FROM json_each($1))")
            .bind(serde_json::to_string(ids).expect("texts"))
            .execute(self.connection())
            .await?;
        Ok(dropped.rows_affected())
    }
}

/// Tables whose rows are counted to tell how far a check is.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    Reports,
    Bodies,
    SupersededBodies,
    Extracts,
    Releases,
    Testers,
    Summaries,
    Cells,
    Groups,
}

impl Counting {
    fn as_str(self) -> &'static str {
        match self {
            Counting::Reports => "reports",
            Counting::Bodies => "bodies",
            Counting::SupersededBodies => "superseded_bodies",
            Counting::Extracts => "extracts",
            Counting::Releases => "releases",
            Counting::Testers => "testers",
            Counting::Summaries => "summaries",
            Counting::Cells => "matrix_cells",
            Counting::Groups => "groups",
        }
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

async fn tester_faults(
    connection: &mut SqliteConnection,
    span: Span,
) -> Result<Vec<(TesterNumber, schemas::grade::Counts)>> {
    let sql = format!(
        "SELECT tester, {DIFFERENCE} FROM ( \
         SELECT tester, {ONE} FROM extracts WHERE NOT removed AND tester > $1 AND tester <= $2 \
         UNION ALL SELECT number, -pass, -fail, -na, -unknown FROM testers WHERE number > $1 AND number <= $2) \
         AS places GROUP BY tester {NOT_ZERO} ORDER BY tester"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(span.after).bind(span.end).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((TesterNumber(row.try_get("tester")?), counts(row)?))).collect()
}

async fn change_faults(connection: &mut SqliteConnection) -> Result<Vec<Oddity>> {
    Ok(sqlx::query_as(
        "WITH given AS (SELECT 'row' AS kind, number, change_number FROM extracts UNION ALL \
         SELECT 'release', number, change_number FROM releases), \
         twice AS (SELECT change_number FROM given WHERE change_number > 0 GROUP BY change_number HAVING count(*) > 1) \
         SELECT kind, number, 'its change number ' || change_number || ' is given to another row too' AS detail \
         FROM given WHERE change_number IN (SELECT change_number FROM twice) UNION ALL \
         SELECT kind, number, 'it has no change number' FROM given WHERE change_number <= 0 UNION ALL \
         SELECT kind, number, 'its change number ' || change_number || ' is above the counter' FROM given \
         WHERE change_number > (SELECT value FROM counters WHERE name = 'changes') ORDER BY 1, 2",
    )
    .fetch_all(connection)
    .await?)
}

async fn stuck(connection: &mut SqliteConnection, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
    Ok(sqlx::query_as(
        "SELECT 'group' AS kind, number, 'reports of it wait, and it has no job' AS detail FROM groups \
         WHERE settled_at IS NULL AND created_at < $1 \
         AND EXISTS (SELECT 1 FROM reports WHERE group_number = groups.number AND state = 'accepted') \
         AND NOT EXISTS (SELECT 1 FROM attempts WHERE group_number = groups.number \
                         AND (ended_at >= $1 OR started_at >= $1 OR (ended_at IS NULL AND started_at >= $2))) UNION ALL \
         SELECT 'empty group', number, 'it is open and no report of it waits' FROM groups \
         WHERE settled_at IS NULL AND created_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM reports WHERE group_number = groups.number AND state = 'accepted') UNION ALL \
         SELECT 'settled group', groups.number, count(*) || ' reports of it wait, and it is settled' FROM groups \
         JOIN reports ON reports.group_number = groups.number AND reports.state = 'accepted' \
         WHERE settled_at IS NOT NULL GROUP BY groups.number ORDER BY 1, 2",
    )
    .bind(since)
    .bind(begun)
    .fetch_all(connection)
    .await?)
}

async fn lively_groups(connection: &mut SqliteConnection, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar(
        "SELECT number FROM groups WHERE number IN (SELECT value FROM json_each($1)) \
         AND (settled_at IS NULL OR settled_at >= $2)",
    )
    .bind(super::list(groups))
    .bind(since)
    .fetch_all(connection)
    .await?)
}

async fn waiting_jobs(connection: &mut SqliteConnection) -> Result<Vec<WaitingJob>> {
    Ok(sqlx::query_as(
        "SELECT id, job FROM Jobs WHERE job_type = $1 AND status NOT IN ('Done', 'Killed') ORDER BY run_at, id",
    )
    .bind(QUEUE)
    .fetch_all(connection)
    .await?)
}

impl FromRow<'_, SqliteRow> for DigestedBody {
    fn from_row(row: &SqliteRow) -> std::result::Result<Self, sqlx::Error> {
        let id: Option<Uuid> = row.try_get("id")?;
        let digest: Option<&[u8]> = row.try_get("digest")?;
        Ok(DigestedBody {
            number: row.try_get("number")?,
            revision: row.try_get("revision")?,
            id: id.map(ReportId),
            // A digest of another length is that of no body.
            digest: digest.map(|digest| Digest::try_from(digest).unwrap_or(Digest([0; 32]))),
            body: Body { dictionary: row.try_get("dictionary")?, size: row.try_get("size")?, bytes: row.try_get("body")? },
        })
    }
}
