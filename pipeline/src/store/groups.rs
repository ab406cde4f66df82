//! Groups of reports that are processed together: what readers know as jobs.

use chrono::{DateTime, Utc};
use schemas::views::jobs::JobState;

use super::reports::{numbers, state_from};
use super::sql::{self, Record, Row, query};
use super::{Result, Store, Tx};
use schemas::ids::ReportId;
use schemas::views::State;

/// A group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNumber(pub i64);

/// A group and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub number: GroupNumber,
    /// Reports it was opened with, those left out that a correction has taken away.
    pub reports: i64,
    /// Reports of it that are parked.
    pub parked: i64,
    pub attempts: i64,
    /// The group this one came out of.
    pub parent: Option<GroupNumber>,
    pub created_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    /// When it is tried again after a transient failure.
    pub retry_at: Option<DateTime<Utc>>,
    pub state: JobState,
    /// Reason code of the newest attempt, when that failed.
    pub reason: Option<String>,
}

/// A report of a group, as far as its outcome goes.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupReport {
    pub id: ReportId,
    pub state: State,
    pub reason: Option<String>,
}

/// What is parked has a reason, and the index of such reports tells by that.
const PARKED: &str = "state = 'parked' AND reason IS NOT NULL";

const GROUP: &str = "SELECT number, reports, parent, created_at, settled_at, retry_at, \
    (SELECT count(*) FROM reports WHERE group_number = groups.number AND state = 'parked') AS parked, \
    (SELECT count(*) FROM attempts WHERE group_number = groups.number) AS attempts, \
    EXISTS (SELECT 1 FROM attempts WHERE group_number = groups.number AND ended_at IS NULL) AS running, \
    (SELECT reason FROM attempts WHERE group_number = groups.number ORDER BY attempt DESC LIMIT 1) AS reason \
    FROM groups";

impl Store {
    /// Groups not yet settled, oldest first.
    pub async fn open_groups(&self, limit: i64) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> = query("SELECT number FROM groups WHERE settled_at IS NULL ORDER BY number LIMIT $1")
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }

    /// Whether a group has reports without an outcome.
    pub async fn group_open(&self, group: GroupNumber) -> Result<bool> {
        let open: Option<bool> = query("SELECT settled_at IS NULL FROM groups WHERE number = $1")
            .bind(group.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(open.unwrap_or(false))
    }

    /// Groups from a number on that nobody has tried yet, with the number of their reports.
    pub async fn untried_groups(&self, from: GroupNumber, limit: i64) -> Result<Vec<(GroupNumber, i64)>> {
        let groups: Vec<(i64, i64)> = query(
            "SELECT number, reports FROM groups WHERE settled_at IS NULL AND number >= $1 \
             AND NOT EXISTS (SELECT 1 FROM attempts WHERE group_number = number) ORDER BY number LIMIT $2",
        )
        .bind(from.0)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(groups.into_iter().map(|(number, reports)| (GroupNumber(number), reports)).collect())
    }

    pub async fn group(&self, group: GroupNumber) -> Result<Option<Group>> {
        let sql = format!("{GROUP} WHERE number = $1");
        Ok(query(sql).bind(group.0).fetch_optional(&self.readers).await?)
    }

    /// Groups in a state, or all, before a number, newest first.
    pub async fn groups(&self, state: Option<JobState>, before: Option<i64>, limit: i64) -> Result<Vec<Group>> {
        let running = "EXISTS (SELECT 1 FROM attempts WHERE group_number = groups.number AND ended_at IS NULL)";
        let parked = format!("number IN (SELECT group_number FROM reports WHERE {PARKED})");
        let chosen = match state {
            None => String::new(),
            Some(JobState::Waiting) => format!(" AND settled_at IS NULL AND NOT {running}"),
            Some(JobState::Running) => format!(" AND settled_at IS NULL AND {running}"),
            Some(JobState::Done) => format!(" AND settled_at IS NOT NULL AND NOT {parked}"),
            Some(JobState::Parked) => format!(" AND settled_at IS NOT NULL AND {parked}"),
        };
        let sql = format!("{GROUP} WHERE number < $1{chosen} ORDER BY number DESC LIMIT $2");
        Ok(query(sql).bind(before.unwrap_or(i64::MAX)).bind(limit).fetch_all(&self.readers).await?)
    }

    /// Groups that came out of a group, oldest first.
    pub async fn child_groups(&self, group: GroupNumber) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> = query("SELECT number FROM groups WHERE parent = $1 ORDER BY number")
            .bind(group.0)
            .fetch_all(&self.readers)
            .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }

    /// The reports that are in a group now, oldest first.
    pub async fn reports_of_group(&self, group: GroupNumber) -> Result<Vec<GroupReport>> {
        Ok(query("SELECT id, state, reason FROM reports WHERE group_number = $1 ORDER BY number")
            .bind(group.0)
            .fetch_all(&self.readers)
            .await?)
    }

    /// Groups after a number and up to another that have parked reports, oldest first.
    pub async fn parked_groups(&self, after: i64, last: i64, limit: i64) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> = query(format!(
            "SELECT DISTINCT group_number FROM reports \
             WHERE {PARKED} AND group_number > $1 AND group_number <= $2 ORDER BY group_number LIMIT $3"
        ))
        .bind(after)
        .bind(last)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }

    /// Number of the newest group, 0 when there is none.
    pub async fn newest_group(&self) -> Result<i64> {
        Ok(query("SELECT COALESCE(max(number), 0) FROM groups").fetch_one(&self.readers).await?)
    }
}

impl Tx {
    /// As [`Store::group_open`]. Nobody else begins an attempt at it, or settles it, until this transaction ends.
    pub async fn group_open(&mut self, group: GroupNumber) -> Result<bool> {
        let open: Option<bool> = query("SELECT settled_at IS NULL FROM groups WHERE number = $1")
            .bind(group.0)
            .locking()
            .fetch_optional(self.connection())
            .await?;
        Ok(open.unwrap_or(false))
    }

    /// All groups not yet settled, read under the write lock.
    pub async fn open_groups(&mut self) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> = query("SELECT number FROM groups WHERE settled_at IS NULL ORDER BY number")
            .fetch_all(self.connection())
            .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }

    /// Opens a group of so many reports, the oldest received at `since`. It is settled when each has an outcome.
    pub async fn open_group(&mut self, reports: usize, since: DateTime<Utc>) -> Result<GroupNumber> {
        let reports = i64::try_from(reports).expect("a group has fewer than 2^63 reports");
        let number: i64 = query("INSERT INTO groups (reports, created_at) VALUES ($1, $2) RETURNING number")
            .bind(reports)
            .bind(since)
            .fetch_one(self.connection())
            .await?;
        Ok(GroupNumber(number))
    }

    /// Opens a group for one report that is cut off from a group, and no younger than that. Nothing of the report's row
    /// is read: it may be what is damaged.
    pub async fn cut_off(&mut self, parent: GroupNumber, report: i64) -> Result<GroupNumber> {
        let number: i64 = query(
            "INSERT INTO groups (reports, created_at, parent) SELECT 1, created_at, number FROM groups \
             WHERE number = $1 RETURNING number",
        )
        .bind(parent.0)
        .fetch_one(self.connection())
        .await?;
        self.regroup_reports(&[report], GroupNumber(number)).await?;
        Ok(GroupNumber(number))
    }

    /// Opens a group for parked reports of a group, all of them or the one with this number, to try them again. Gives
    /// it with the number of its reports; `None` when none is parked.
    pub async fn reopen_parked(
        &mut self,
        parent: GroupNumber,
        report: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<Option<(GroupNumber, i64)>> {
        let parked: Vec<i64> = query(
            "SELECT number FROM reports WHERE group_number = $1 AND state = 'parked' AND ($2 IS NULL OR number = $2)",
        )
        .bind(parent.0)
        .bind(report)
        .fetch_all(self.connection())
        .await?;
        if parked.is_empty() {
            return Ok(None);
        }
        let count = i64::try_from(parked.len()).expect("a group has fewer than 2^63 reports");
        let number: i64 =
            query("INSERT INTO groups (reports, created_at, parent) VALUES ($1, $2, $3) RETURNING number")
                .bind(count)
                .bind(now)
                .bind(parent.0)
                .fetch_one(self.connection())
                .await?;
        self.regroup_reports(&parked, GroupNumber(number)).await?;
        Ok(Some((GroupNumber(number), count)))
    }

    /// Parks the accepted reports of a group with a reason, and gives how many that were.
    pub async fn park_group(&mut self, group: GroupNumber, reason: &str) -> Result<u64> {
        let parked =
            query("UPDATE reports SET state = 'parked', reason = $2 WHERE group_number = $1 AND state = 'accepted'")
                .bind(group.0)
                .bind(reason)
                .execute(self.connection())
                .await?;
        Ok(parked)
    }

    /// Says when a group is tried again; `None`: it is tried now, or as soon as a worker is free.
    pub async fn retry_group(&mut self, group: GroupNumber, at: Option<DateTime<Utc>>) -> Result<()> {
        query("UPDATE groups SET retry_at = $2 WHERE number = $1")
            .bind(group.0)
            .bind(at)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Says how many reports of a group are to be processed, once that is known.
    pub async fn size_group(&mut self, group: GroupNumber, reports: usize) -> Result<()> {
        let reports = i64::try_from(reports).expect("a group has fewer than 2^63 reports");
        query("UPDATE groups SET reports = $2 WHERE number = $1")
            .bind(group.0)
            .bind(reports)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Settles a group that has no accepted report left in it.
    pub async fn settle_group(&mut self, group: GroupNumber, now: DateTime<Utc>) -> Result<()> {
        self.settle_groups(&[group], now).await
    }

    /// Settles those of the groups that have no accepted report left in them.
    pub async fn settle_groups(&mut self, groups: &[GroupNumber], now: DateTime<Utc>) -> Result<()> {
        // Counted rather than said not to exist, for which PostgreSQL may read all reports.
        query(
            "UPDATE groups SET settled_at = $2, retry_at = NULL \
             WHERE number IN (SELECT value FROM json_each($1)) AND \
             (SELECT count(*) FROM reports WHERE group_number = groups.number AND state = 'accepted') = 0",
        )
        .bind(numbers(groups))
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Record for Group {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let (settled_at, parked, running) = (row.get("settled_at")?, row.get("parked")?, row.get("running")?);
        let parent: Option<i64> = row.get("parent")?;
        Ok(Group {
            number: GroupNumber(row.get("number")?),
            reports: row.get("reports")?,
            parked,
            attempts: row.get("attempts")?,
            parent: parent.map(GroupNumber),
            created_at: row.get("created_at")?,
            settled_at,
            retry_at: row.get("retry_at")?,
            state: match (settled_at, running, parked) {
                (None, true, _) => JobState::Running,
                (None, false, _) => JobState::Waiting,
                (Some(_), _, 0) => JobState::Done,
                (Some(_), ..) => JobState::Parked,
            },
            reason: row.get("reason")?,
        })
    }
}

impl Record for GroupReport {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let state: &str = row.get("state")?;
        Ok(GroupReport {
            id: ReportId(row.get("id")?),
            state: state_from(state).ok_or_else(|| sqlx::Error::Decode(format!("a report's state {state}").into()))?,
            reason: row.get("reason")?,
        })
    }
}
