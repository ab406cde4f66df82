//! What `fsck` asks: places where what is stored contradicts itself. Each answer is of one moment.

mod recount;
mod waiting;

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use uuid::Uuid;

use super::changes::ResultChange;
use super::rebuilds::STANDING;
use super::releases::ReleaseNumber;
use super::reports::Body;
use super::retention::may_be_dropped;
use super::sql::{self, On, Record, Row, query, record};
use super::testers::TesterNumber;
use super::{Result, Store, Tx};

pub use recount::Span;
pub use waiting::WaitingJob;

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

/// Something a check names, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Oddity {
    /// What kind of thing: `report`, `release`, `group`.
    pub kind: String,
    pub number: i64,
    pub detail: String,
}

record!(Oddity { kind, number, detail });

/// A row's number and change number, for a comparison with the index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowMark {
    pub number: i64,
    pub change_number: i64,
    pub removed: bool,
}

record!(RowMark { number, change_number, removed });

impl Store {
    /// The next bodies after a number.
    pub async fn digested_bodies(&self, after: i64, limit: i64) -> Result<Vec<DigestedBody>> {
        Ok(query(
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
        Ok(query(
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
        Ok(query(sql).fetch_one(&self.readers).await?)
    }

    /// The greatest number of a release or tester.
    pub async fn last_number(&self, table: Counting) -> Result<i64> {
        let sql = format!("SELECT COALESCE(max(number), 0) FROM {}", table.as_str());
        Ok(query(sql).fetch_one(&self.readers).await?)
    }

    /// A release as people name it: `perl/Foo-Bar/1.0`.
    pub async fn release_name(&self, release: ReleaseNumber) -> Result<String> {
        let name: Option<String> =
            query("SELECT language || '/' || distribution || '/' || version FROM releases WHERE number = $1")
                .bind(release.0)
                .fetch_optional(&self.readers)
                .await?;
        Ok(name.unwrap_or_else(|| format!("number {}, which is not there", release.0)))
    }

    /// A tester's public id.
    pub async fn tester_name(&self, tester: TesterNumber) -> Result<String> {
        let name: Option<String> =
            query("SELECT id FROM testers WHERE number = $1").bind(tester.0).fetch_optional(&self.readers).await?;
        Ok(name.unwrap_or_else(|| format!("number {}, who is not there", tester.0)))
    }

    /// A report's id by its number.
    pub async fn report_name(&self, number: i64) -> Result<String> {
        let id: Option<Uuid> =
            query("SELECT id FROM reports WHERE number = $1").bind(number).fetch_optional(&self.readers).await?;
        Ok(id.map_or_else(|| format!("number {number}, which is not there"), |id| ReportId(id).to_string()))
    }

    /// Reports whose state and row contradict each other: processed without a row, or rejected with one.
    pub async fn contradicted_reports(&self) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT reports.number FROM reports LEFT JOIN extracts ON extracts.number = reports.number \
             WHERE {STANDING} AND ((state = 'processed' AND (extracts.number IS NULL OR removed)) \
             OR (state = 'rejected' AND extracts.number IS NOT NULL AND NOT removed)) ORDER BY reports.number"
        );
        Ok(query(sql).fetch_all(&self.readers).await?)
    }

    /// Every `step`th of the settled reports after a number: those whose number leaves `rest`.
    pub async fn sampled(&self, after: i64, step: i64, rest: i64, limit: i64) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT reports.number FROM reports WHERE {STANDING} AND reports.number > $1 \
             AND reports.number % $2 = $3 ORDER BY reports.number LIMIT $4"
        );
        Ok(query(sql).bind(after).bind(step).bind(rest).bind(limit).fetch_all(&self.readers).await?)
    }

    /// Rows without what they belong to, reports without bytes, and bytes that retention has dropped and left. Reports
    /// that were purged, or whose month was dropped, have no bytes by right; of the latter, the row is all that is left.
    pub async fn orphans(&self) -> Result<Vec<Oddity>> {
        let dropped = may_be_dropped();
        let gone = "NOT EXISTS (SELECT 1 FROM bodies WHERE bodies.number = reports.number)";
        Ok(query(format!(
            "SELECT 'report' AS kind, number, 'its bytes are not there' AS detail FROM reports WHERE {gone} \
             AND NOT EXISTS (SELECT 1 FROM withdrawals WHERE withdrawals.number = reports.number AND body = 'purged') \
             AND NOT ({dropped}) UNION ALL \
             SELECT 'report', number, 'its bytes were dropped, and its row is not there' FROM reports \
             WHERE state = 'processed' AND {gone} AND {dropped} \
             AND NOT EXISTS (SELECT 1 FROM withdrawals WHERE withdrawals.number = reports.number) \
             AND NOT EXISTS (SELECT 1 FROM extracts WHERE extracts.number = reports.number AND NOT removed) UNION ALL \
             SELECT 'report', reports.number, 'its bytes are still there, though its month was dropped' \
             FROM dropped_months JOIN reports ON reports.received_at >= begins_at AND reports.received_at < ends_at \
             JOIN bodies ON bodies.number = reports.number WHERE place = 'bodies' AND ended_at IS NOT NULL UNION ALL \
             SELECT 'report', reports.number, 'superseded bytes of it are still there, though its month was dropped' \
             FROM dropped_months JOIN reports ON reports.received_at >= begins_at AND reports.received_at < ends_at \
             JOIN superseded_bodies ON superseded_bodies.number = reports.number \
             WHERE place = 'superseded_bodies' AND ended_at IS NOT NULL UNION ALL \
             SELECT 'purged report', number, 'its bytes are still there' FROM withdrawals WHERE body = 'purged' \
             AND EXISTS (SELECT 1 FROM bodies WHERE bodies.number = withdrawals.number) UNION ALL \
             SELECT 'withdrawn report', number, 'it has a row all the same' FROM withdrawals \
             WHERE EXISTS (SELECT 1 FROM extracts WHERE extracts.number = withdrawals.number AND NOT removed) \
             UNION ALL \
             SELECT 'report', number, 'its tester is not there' FROM reports \
             WHERE NOT EXISTS (SELECT 1 FROM testers WHERE testers.number = reports.tester) UNION ALL \
             SELECT 'report', number, 'its group is not there' FROM reports \
             WHERE NOT EXISTS (SELECT 1 FROM groups WHERE groups.number = reports.group_number) UNION ALL \
             SELECT 'report', number, 'the release of its row is not there' FROM extracts \
             WHERE NOT EXISTS (SELECT 1 FROM releases WHERE releases.number = extracts.release) UNION ALL \
             SELECT 'report', number, 'the tester of its row is not there' FROM extracts \
             WHERE NOT EXISTS (SELECT 1 FROM testers WHERE testers.number = extracts.tester) UNION ALL \
             SELECT 'body', number, 'it belongs to no report' FROM bodies \
             WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = bodies.number) UNION ALL \
             SELECT 'superseded body', number, 'revision ' || revision || ' belongs to no report' \
             FROM superseded_bodies \
             WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = superseded_bodies.number) UNION ALL \
             SELECT 'row', number, 'it belongs to no report' FROM extracts WHERE NOT removed \
             AND NOT EXISTS (SELECT 1 FROM reports WHERE reports.number = extracts.number) \
             ORDER BY 1, 2"
        ))
        .fetch_all(&self.readers)
        .await?)
    }

    /// Change numbers that are given twice, to nothing, or beyond the counter: by rows and releases.
    pub async fn change_faults(&self) -> Result<Vec<Oddity>> {
        change_faults(&self.readers).await
    }

    /// The next rows after a number, for a comparison with the index.
    pub async fn row_marks(&self, after: i64, limit: i64) -> Result<Vec<RowMark>> {
        Ok(query("SELECT number, change_number, removed FROM extracts WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?)
    }

    /// These rows as the index takes them in.
    pub async fn result_rows(&self, numbers: &[i64]) -> Result<Vec<ResultChange>> {
        Ok(query(
            "SELECT extracts.number, change_number, removed, document, COALESCE(size, 0) AS size FROM extracts \
             LEFT JOIN bodies ON bodies.number = extracts.number \
             WHERE extracts.number IN (SELECT value FROM json_each($1)) AND NOT removed",
        )
        .bind(super::list(numbers))
        .fetch_all(&self.readers)
        .await?)
    }
}

impl Tx {
    pub async fn change_faults(&mut self) -> Result<Vec<Oddity>> {
        change_faults(self.connection()).await
    }

    /// Lets the counter stand at the greatest change number there is, so that none is given twice.
    pub async fn raise_changes(&mut self) -> Result<()> {
        query(
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
        query(
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

async fn change_faults(on: impl Into<On<'_>>) -> Result<Vec<Oddity>> {
    Ok(query(
        "WITH given AS (SELECT 'row' AS kind, number, change_number FROM extracts UNION ALL \
         SELECT 'release', number, change_number FROM releases), \
         twice AS (SELECT change_number FROM given WHERE change_number > 0 GROUP BY change_number HAVING count(*) > 1) \
         SELECT kind, number, 'its change number ' || change_number || ' is given to another row too' AS detail \
         FROM given WHERE change_number IN (SELECT change_number FROM twice) UNION ALL \
         SELECT kind, number, 'it has no change number' FROM given WHERE change_number <= 0 \
         AND NOT (kind = 'release' AND NOT EXISTS (SELECT 1 FROM extracts WHERE extracts.release = given.number)) \
         UNION ALL \
         SELECT kind, number, 'its change number ' || change_number || ' is above the counter' FROM given \
         WHERE change_number > (SELECT value FROM counters WHERE name = 'changes') ORDER BY 1, 2",
    )
    .fetch_all(on)
    .await?)
}

impl Record for DigestedBody {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let id: Option<Uuid> = row.get("id")?;
        let digest: Option<&[u8]> = row.get("digest")?;
        Ok(DigestedBody {
            number: row.get("number")?,
            revision: row.get("revision")?,
            id: id.map(ReportId),
            // A digest of another length is that of no body.
            digest: digest.map(|digest| Digest::try_from(digest).unwrap_or(Digest([0; 32]))),
            body: Body { dictionary: row.get("dictionary")?, size: row.get("size")?, bytes: row.get("body")? },
        })
    }
}
