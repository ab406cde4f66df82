//! Reports as they were accepted, and their bytes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use schemas::views::State;
use uuid::Uuid;

use super::bulk::Bulk;
use super::groups::GroupNumber;
use super::months::Month;
use super::rebuilds::STANDING;
use super::sql::{self, Record, Row, Statement, query, query_either};
use super::testers::TesterNumber;
use super::{Result, Store, StoreError, Tx};

/// The door a report came in by; it tells how its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    V4,
    V3,
    Metabase,
    /// No door of today's: a row of the predecessor's `cpanstats`, of which only the row is left.
    Cpanstats,
}

impl Door {
    pub fn as_str(self) -> &'static str {
        match self {
            Door::V4 => "v4",
            Door::V3 => "v3",
            Door::Metabase => "metabase",
            Door::Cpanstats => "cpanstats",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Door {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let doors = [Door::V4, Door::V3, Door::Metabase, Door::Cpanstats];
        doors.into_iter().find(|door| door.as_str() == text).ok_or(())
    }
}

/// Bytes as stored: compressed with the dictionary of that number, 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub dictionary: i64,
    /// Bytes before compression.
    pub size: i64,
    pub bytes: Vec<u8>,
}

/// A report about to be stored.
#[derive(Clone, Debug)]
pub struct NewReport {
    pub id: ReportId,
    pub digest: Digest,
    pub door: Door,
    pub tester: TesterNumber,
    pub received_at: DateTime<Utc>,
    pub body: Body,
}

/// A stored report without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredReport {
    pub number: i64,
    pub id: ReportId,
    pub revision: i64,
    pub digest: Digest,
    pub door: Door,
    pub tester: TesterNumber,
    pub received_at: DateTime<Utc>,
    pub group: GroupNumber,
    pub state: State,
    pub reason: Option<String>,
}

/// A report with its bytes and the tester's public names: what processing needs.
#[derive(Clone, Debug)]
pub struct Stored {
    pub report: StoredReport,
    pub tester_id: String,
    pub tester_name: String,
    pub body: Body,
}

const REPORT: &str = "reports.number, reports.id, revision, digest, reports.door, tester, received_at, group_number, \
                      state, reason";

impl Store {
    pub async fn report(&self, id: ReportId) -> Result<Option<StoredReport>> {
        let sql = format!("SELECT {REPORT} FROM reports WHERE id = $1");
        Ok(query(sql).bind(id.0).fetch_optional(&self.readers).await?)
    }

    /// The bytes of a report's newest revision.
    pub async fn body(&self, number: i64) -> Result<Option<Body>> {
        Ok(query("SELECT dictionary, size, body FROM bodies WHERE number = $1")
            .bind(number)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// The accepted reports of groups, to be processed.
    pub async fn group_reports(&self, groups: &[GroupNumber]) -> Result<Vec<Stored>> {
        Ok(stored("reports.group_number IN (SELECT value FROM json_each($1)) AND reports.state = 'accepted'")
            .bind(numbers(groups))
            .fetch_all(&self.readers)
            .await?)
    }

    /// Reports by number with their bytes, in no order.
    pub async fn reports_by_number(&self, numbers: &[i64]) -> Result<Vec<Stored>> {
        Ok(stored("reports.number IN (SELECT value FROM json_each($1))")
            .bind(super::list(numbers))
            .fetch_all(&self.readers)
            .await?)
    }
}

/// Reports with their bytes and testers, those for which a condition holds.
pub(super) fn stored(condition: &str) -> Statement<'static> {
    let sql = |bodies: &str| {
        format!(
            "SELECT reports.number, reports.id, revision, digest, reports.door, tester, reports.received_at, \
             group_number, state, reason, testers.id AS tester_id, testers.name AS tester_name, dictionary, size, body \
             FROM reports {bodies} JOIN testers ON testers.number = reports.tester WHERE {condition}"
        )
    };
    query_either(
        sql("JOIN bodies ON bodies.number = reports.number"),
        // Each by itself, whatever the planner knows of the tables; and by its month of receipt, so in one partition only.
        sql("CROSS JOIN LATERAL (SELECT dictionary, size, body FROM bodies WHERE bodies.number = reports.number \
             AND bodies.received_at = reports.received_at LIMIT 1) AS bodies"),
    )
}

impl Tx {
    /// Stores those reports whose id is new, and gives their numbers.
    pub async fn insert_reports(&mut self, group: GroupNumber, reports: &[&NewReport]) -> Result<Vec<(ReportId, i64)>> {
        let insert = Bulk {
            head: "INSERT INTO reports (id, digest, door, tester, received_at, group_number, state)",
            columns: 7,
            tail: "ON CONFLICT (id) DO NOTHING RETURNING id, number",
        };
        let inserted: Vec<(Uuid, i64)> = insert
            .fetch(self.connection(), reports, |values, report| {
                values
                    .push(report.id.0)
                    .push(report.digest.0.as_slice())
                    .push(report.door.as_str())
                    .push(report.tester.0)
                    .push(report.received_at)
                    .push(group.0)
                    .push(State::Accepted.as_str());
            })
            .await?;
        Ok(inserted.into_iter().map(|(id, number)| (ReportId(id), number)).collect())
    }

    /// Stores the bytes of reports, by the numbers these were given.
    pub async fn insert_bodies(&mut self, bodies: &[(i64, &NewReport)]) -> Result<()> {
        let monthly = self.shared();
        let insert = match monthly {
            false => Bulk { head: "INSERT INTO bodies (number, dictionary, size, body)", columns: 4, tail: "" },
            true => {
                Bulk { head: "INSERT INTO bodies (number, dictionary, size, body, received_at)", columns: 5, tail: "" }
            }
        };
        insert
            .execute(self.connection(), bodies, |values, (number, report)| {
                let body = &report.body;
                values.push(*number).push(body.dictionary).push(body.size).push(body.bytes.as_slice());
                if monthly {
                    values.push(report.received_at);
                }
            })
            .await?;
        Ok(())
    }

    /// A report, nobody else's to write until this transaction ends.
    pub async fn report(&mut self, id: ReportId) -> Result<Option<StoredReport>> {
        let sql = format!("SELECT {REPORT} FROM reports WHERE id = $1");
        Ok(query(sql).bind(id.0).locking().fetch_optional(self.connection()).await?)
    }

    /// Puts new bytes in the place of a report's old ones, which are kept where they are still there, and hands it to
    /// `group` to be read again.
    pub async fn correct_report(&mut self, old: &StoredReport, new: &NewReport, group: GroupNumber) -> Result<()> {
        if old.state == State::Accepted {
            query("UPDATE groups SET reports = reports - 1 WHERE number = $1 AND number <> $2")
                .bind(old.group.0)
                .bind(group.0)
                .execute(self.connection())
                .await?;
        }
        query(
            "INSERT INTO superseded_bodies (number, revision, digest, received_at, dictionary, size, body) \
             SELECT number, $2, $3, $4, dictionary, size, body FROM bodies WHERE number = $1",
        )
        .bind(old.number)
        .bind(old.revision)
        .bind(old.digest.0.as_slice())
        .bind(old.received_at)
        .execute(self.connection())
        .await?;
        let replaced = query("UPDATE bodies SET dictionary = $2, size = $3, body = $4 WHERE number = $1")
            .bind(old.number)
            .bind(new.body.dictionary)
            .bind(new.body.size)
            .bind(new.body.bytes.as_slice())
            .execute(self.connection())
            .await?;
        if replaced == 0 {
            // The old bytes were dropped. The new ones belong to the same month.
            let new = NewReport { received_at: old.received_at, ..new.clone() };
            self.insert_bodies(&[(old.number, &new)]).await?;
        }
        self.reopen_dropped(Month::of(old.received_at)).await?;
        query(
            "UPDATE reports SET revision = revision + 1, digest = $2, door = $3, group_number = $4, \
             state = 'accepted', reason = NULL WHERE number = $1",
        )
        .bind(old.number)
        .bind(new.digest.0.as_slice())
        .bind(new.door.as_str())
        .bind(group.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Moves the accepted reports with these numbers to another group.
    pub async fn regroup_reports(&mut self, numbers: &[i64], group: GroupNumber) -> Result<()> {
        query(
            "UPDATE reports SET group_number = $2, state = 'accepted', reason = NULL \
             WHERE number IN (SELECT value FROM json_each($1))",
        )
        .bind(super::list(numbers))
        .bind(group.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Settles the accepted reports of groups as processed, and gives their numbers and revisions. No correction takes
    /// them away until this transaction ends.
    pub async fn settle_reports(&mut self, groups: &[GroupNumber]) -> Result<Vec<(i64, i64)>> {
        Ok(query(
            "UPDATE reports SET state = 'processed', reason = NULL \
             WHERE group_number IN (SELECT value FROM json_each($1)) AND state = 'accepted' RETURNING number, revision",
        )
        .bind(numbers(groups))
        .fetch_all(self.connection())
        .await?)
    }

    /// Settles reports as processed that were rejected before, and can be read now.
    pub async fn readmit_reports(&mut self, numbers: &[i64]) -> Result<()> {
        query(
            "UPDATE reports SET state = 'processed', reason = NULL WHERE number IN (SELECT value FROM json_each($1))",
        )
        .bind(super::list(numbers))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Ends reports as rejected or parked, with the reason.
    pub async fn end_reports(&mut self, state: State, reasons: &[(i64, String)]) -> Result<()> {
        for (number, reason) in reasons {
            query("UPDATE reports SET state = $2, reason = $3 WHERE number = $1")
                .bind(number)
                .bind(state.as_str())
                .bind(reason)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Numbers and revisions of those of these reports that are settled and stand, read under the write lock.
    pub async fn settled_revisions(&mut self, numbers: &[i64]) -> Result<Vec<(i64, i64)>> {
        let sql = format!(
            "SELECT number, revision FROM reports WHERE number IN (SELECT value FROM json_each($1)) AND {STANDING}"
        );
        Ok(query(sql).bind(super::list(numbers)).locking().fetch_all(self.connection()).await?)
    }

    /// Numbers of a group's accepted reports. No correction takes them away until this transaction ends.
    pub async fn accepted_reports(&mut self, group: GroupNumber) -> Result<Vec<i64>> {
        Ok(query("SELECT number FROM reports WHERE group_number = $1 AND state = 'accepted'")
            .bind(group.0)
            .locking()
            .fetch_all(self.connection())
            .await?)
    }
}

impl Record for StoredReport {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let number: i64 = row.get("number")?;
        let damaged = |column: &str| sqlx::Error::Decode(format!("column {column} of report {number}").into());
        let digest: &[u8] = row.get("digest")?;
        let door: &str = row.get("door")?;
        let state: &str = row.get("state")?;
        Ok(StoredReport {
            number,
            id: ReportId(row.get("id")?),
            revision: row.get("revision")?,
            digest: Digest::try_from(digest).map_err(|_| damaged("digest"))?,
            door: door.parse().map_err(|()| damaged("door"))?,
            tester: TesterNumber(row.get("tester")?),
            received_at: row.get("received_at")?,
            group: GroupNumber(row.get("group_number")?),
            state: state_from(state).ok_or_else(|| damaged("state"))?,
            reason: row.get("reason")?,
        })
    }
}

impl Record for Stored {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(Stored {
            report: StoredReport::read(row)?,
            tester_id: row.get("tester_id")?,
            tester_name: row.get("tester_name")?,
            body: Body::read(row)?,
        })
    }
}

/// Groups as the text of a JSON array.
pub(super) fn numbers(groups: &[GroupNumber]) -> String {
    super::list(&groups.iter().map(|group| group.0).collect::<Vec<_>>())
}

impl Record for Body {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(Body { dictionary: row.get("dictionary")?, size: row.get("size")?, bytes: row.get("body")? })
    }
}

pub(super) fn state_from(text: &str) -> Option<State> {
    [State::Accepted, State::Processed, State::Rejected, State::Parked].into_iter().find(|state| state.as_str() == text)
}

impl StoreError {
    /// A row that is not as assay writes it.
    pub fn inconsistent(table: &'static str, number: i64) -> Self {
        StoreError::Inconsistent { table, number }
    }
}
