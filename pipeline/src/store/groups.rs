//! Groups of reports that are processed together, and each attempt at one.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

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

impl Tx {
    /// All groups not yet settled, read under the write lock.
    pub async fn open_groups(&mut self) -> Result<Vec<GroupNumber>> {
        let numbers: Vec<i64> = sqlx::query_scalar("SELECT number FROM groups WHERE settled_at IS NULL ORDER BY number")
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
        sqlx::query(
            "UPDATE attempts SET ended_at = $3, outcome = $4, text = $5 WHERE group_number = $1 AND attempt = $2",
        )
        .bind(group.0)
        .bind(attempt)
        .bind(now)
        .bind(outcome)
        .bind(text)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Settles a group that has no accepted report left in it.
    pub async fn settle_group(&mut self, group: GroupNumber, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "UPDATE groups SET settled_at = $2 WHERE number = $1 AND NOT EXISTS \
             (SELECT 1 FROM reports WHERE group_number = $1 AND state = 'accepted')",
        )
        .bind(group.0)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
