//! Groups of reports that are processed together, and each attempt at one.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::reports::numbers;
use super::{Result, Store, StoreError, Tx};
use crate::queue::{ProcessGroup, QUEUE};

/// A group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupNumber(pub i64);

/// One try at processing a group.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Attempt {
    pub attempt: i64,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub text: Option<String>,
}

impl Store {
    /// Attempts at a group, oldest first.
    pub async fn attempts(&self, group: GroupNumber) -> Result<Vec<Attempt>> {
        Ok(sqlx::query_as(
            "SELECT attempt, worker, started_at, ended_at, outcome, text FROM attempts \
             WHERE group_number = $1 ORDER BY attempt",
        )
        .bind(group.0)
        .fetch_all(&self.readers)
        .await?)
    }

    /// Groups not yet settled, oldest first.
    pub async fn open_groups(&self, limit: i64) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> =
            sqlx::query_scalar("SELECT number FROM groups WHERE settled_at IS NULL ORDER BY number LIMIT $1")
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }
}

impl Store {
    /// Whether a group has reports without an outcome.
    pub async fn group_open(&self, group: GroupNumber) -> Result<bool> {
        let open: Option<bool> = sqlx::query_scalar("SELECT settled_at IS NULL FROM groups WHERE number = $1")
            .bind(group.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(open.unwrap_or(false))
    }

    /// Groups from a number on that nobody has tried yet, with the number of their reports.
    pub async fn untried_groups(&self, from: GroupNumber, limit: i64) -> Result<Vec<(GroupNumber, i64)>> {
        let groups: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT number, reports FROM groups WHERE settled_at IS NULL AND number >= $1 \
             AND NOT EXISTS (SELECT 1 FROM attempts WHERE group_number = number) ORDER BY number LIMIT $2",
        )
        .bind(from.0)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(groups.into_iter().map(|(number, reports)| (GroupNumber(number), reports)).collect())
    }
}

impl Tx {
    /// Notes that a worker begins with groups that nobody has tried yet, and gives those for which that is so.
    pub async fn begin_first_attempts(
        &mut self,
        groups: &[GroupNumber],
        worker: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<GroupNumber>> {
        let begun: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO attempts (group_number, attempt, worker, started_at) \
             SELECT number, 1, $2, $3 FROM groups \
             WHERE number IN (SELECT value FROM json_each($1)) AND settled_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM attempts WHERE group_number = number) RETURNING group_number",
        )
        .bind(numbers(groups))
        .bind(worker)
        .bind(now)
        .fetch_all(self.connection())
        .await?;
        Ok(begun.into_iter().map(GroupNumber).collect())
    }

    /// All groups not yet settled, read under the write lock.
    pub async fn open_groups(&mut self) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> =
            sqlx::query_scalar("SELECT number FROM groups WHERE settled_at IS NULL ORDER BY number")
                .fetch_all(self.connection())
                .await?;
        Ok(numbers.into_iter().map(GroupNumber).collect())
    }

    /// Opens a group of so many reports, the oldest received at `since`. It is settled when each has an outcome.
    pub async fn open_group(&mut self, reports: usize, since: DateTime<Utc>) -> Result<GroupNumber> {
        let reports = i64::try_from(reports).expect("a group has fewer than 2^63 reports");
        let number: i64 =
            sqlx::query_scalar("INSERT INTO groups (reports, created_at) VALUES ($1, $2) RETURNING number")
                .bind(reports)
                .bind(since)
                .fetch_one(self.connection())
                .await?;
        Ok(GroupNumber(number))
    }

    /// Says how many reports of a group are to be processed, once that is known.
    pub async fn size_group(&mut self, group: GroupNumber, reports: usize) -> Result<()> {
        let reports = i64::try_from(reports).expect("a group has fewer than 2^63 reports");
        sqlx::query("UPDATE groups SET reports = $2 WHERE number = $1")
            .bind(group.0)
            .bind(reports)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Queues the processing of a group. Part of this transaction: there is never one without the other.
    pub async fn enqueue(&mut self, job: &ProcessGroup) -> Result<()> {
        let arguments = serde_json::to_vec(job).expect("a job is plain numbers");
        let task = apalis::prelude::TaskBuilder::new(arguments).build();
        apalis_sqlite::queries::push_tasks(self.connection(), QUEUE, &[task]).await.map_err(StoreError::Queue)
    }

    /// Notes that a worker begins with a group, and gives the number of this attempt from 1.
    pub async fn begin_attempt(&mut self, group: GroupNumber, worker: &str, now: DateTime<Utc>) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "INSERT INTO attempts (group_number, attempt, worker, started_at) \
             SELECT $1, COALESCE(max(attempt), 0) + 1, $2, $3 FROM attempts WHERE group_number = $1 \
             RETURNING attempt",
        )
        .bind(group.0)
        .bind(worker)
        .bind(now)
        .fetch_one(self.connection())
        .await?)
    }

    /// How many attempts at a group speak against its reports: those without an end, whose worker has vanished, and
    /// those that failed for a reason that trying again does not mend.
    pub async fn failed_attempts(&mut self, group: GroupNumber) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM attempts WHERE group_number = $1 AND (outcome IS NULL OR outcome <> 'transient')",
        )
        .bind(group.0)
        .fetch_one(self.connection())
        .await?)
    }

    pub async fn end_attempt(
        &mut self,
        group: GroupNumber,
        attempt: i64,
        now: DateTime<Utc>,
        outcome: &str,
        text: Option<&str>,
    ) -> Result<()> {
        self.end_attempts(&[(group, attempt)], now, outcome, text).await
    }

    /// Ends attempts that had one outcome.
    pub async fn end_attempts(
        &mut self,
        attempts: &[(GroupNumber, i64)],
        now: DateTime<Utc>,
        outcome: &str,
        text: Option<&str>,
    ) -> Result<()> {
        let pairs: Vec<(i64, i64)> = attempts.iter().map(|(group, attempt)| (group.0, *attempt)).collect();
        sqlx::query(
            "UPDATE attempts SET ended_at = $2, outcome = $3, text = $4 FROM json_each($1) AS ended \
             WHERE group_number = ended.value ->> 0 AND attempt = ended.value ->> 1",
        )
        .bind(serde_json::to_string(&pairs).expect("numbers"))
        .bind(now)
        .bind(outcome)
        .bind(text)
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
        sqlx::query(
            "UPDATE groups SET settled_at = $2 WHERE number IN (SELECT value FROM json_each($1)) AND NOT EXISTS \
             (SELECT 1 FROM reports WHERE group_number = groups.number AND state = 'accepted')",
        )
        .bind(numbers(groups))
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
