//! Attempts at groups: on record before the work starts, so that a worker that vanishes leaves its mark.

use chrono::{DateTime, Utc};
use schemas::views::jobs::FailureClass;

use super::groups::GroupNumber;
use super::reports::numbers;
use super::sql::{self, Record, Row, query, query_either};
use super::workers::{ALIVE, LIVING};
use super::{Result, Store, Tx};

/// One try at processing a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub group: GroupNumber,
    /// From 1 in each group.
    pub attempt: i64,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// `None` while it runs, and when its worker has vanished.
    pub outcome: Option<AttemptOutcome>,
    /// Why it failed, as one word.
    pub reason: Option<String>,
    pub text: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    Done,
    Failed(FailureClass),
}

/// The end of an attempt, as it is written.
#[derive(Clone, Copy, Debug)]
pub enum AttemptEnd<'a> {
    Done,
    Failed { class: FailureClass, reason: &'a str, text: &'a str },
}

impl AttemptOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptOutcome::Done => "done",
            AttemptOutcome::Failed(class) => class.as_str(),
        }
    }

    fn from(text: &str) -> Option<Self> {
        let failed = FailureClass::ALL.map(AttemptOutcome::Failed);
        [AttemptOutcome::Done].into_iter().chain(failed).find(|outcome| outcome.as_str() == text)
    }
}

/// Reason of an attempt whose worker is gone.
const VANISHED: &str = "worker_vanished";

/// Reason of an attempt whose end its own worker could not write.
const NOT_NOTED: &str = "not_noted";

/// Reason of an attempt at a group that an operator has parked meanwhile.
const PARKED: &str = "parked";

impl Store {
    /// Attempts at a group and at those it came out of, oldest first.
    pub async fn attempts(&self, group: GroupNumber) -> Result<Vec<Attempt>> {
        Ok(query(
            "WITH RECURSIVE family (number) AS (SELECT CAST($1 AS BIGINT) UNION \
             SELECT parent FROM groups JOIN family ON groups.number = family.number WHERE parent IS NOT NULL) \
             SELECT group_number, attempt, worker, started_at, ended_at, outcome, reason, text \
             FROM attempts JOIN family ON group_number = family.number ORDER BY group_number, attempt",
        )
        .bind(group.0)
        .fetch_all(&self.readers)
        .await?)
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
        // Nobody else begins with them from here on; whether somebody has is seen by the next statement.
        let held: Vec<i64> = query(
            "SELECT number FROM groups WHERE number IN (SELECT value FROM json_each($1)) AND settled_at IS NULL \
             ORDER BY number",
        )
        .bind(numbers(groups))
        .locking()
        .fetch_all(self.connection())
        .await?;
        let begun: Vec<i64> = query(
            "INSERT INTO attempts (group_number, attempt, worker, started_at) \
             SELECT value, 1, $2, $3 FROM json_each($1) AS held \
             WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE group_number = held.value) RETURNING group_number",
        )
        .bind(super::list(&held))
        .bind(worker)
        .bind(now)
        .fetch_all(self.connection())
        .await?;
        Ok(begun.into_iter().map(GroupNumber).collect())
    }

    /// Notes that a worker begins with a group, and gives the number of this attempt from 1.
    pub async fn begin_attempt(&mut self, group: GroupNumber, worker: &str, now: DateTime<Utc>) -> Result<i64> {
        Ok(query(
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

    /// How many attempts at a group speak against its reports: those whose worker has vanished, and those that failed
    /// for a reason that trying again does not mend.
    pub async fn failed_attempts(&mut self, group: GroupNumber) -> Result<i64> {
        Ok(query(
            "SELECT count(*) FROM attempts WHERE group_number = $1 \
             AND (outcome IS NULL OR outcome IN ('permanent', 'poison') OR reason = $2)",
        )
        .bind(group.0)
        .bind(VANISHED)
        .fetch_one(self.connection())
        .await?)
    }

    /// What the newest failed attempt at a group says.
    pub async fn last_failure(&mut self, group: GroupNumber) -> Result<Option<String>> {
        Ok(query(
            "SELECT text FROM attempts WHERE group_number = $1 AND text IS NOT NULL ORDER BY attempt DESC LIMIT 1",
        )
        .bind(group.0)
        .fetch_optional(self.connection())
        .await?)
    }

    /// Whether another worker that is alive is at a group now.
    pub async fn attempted_elsewhere(&mut self, group: GroupNumber, worker: &str) -> Result<bool> {
        let running = |living: &str| {
            format!(
                "SELECT EXISTS (SELECT 1 FROM attempts WHERE group_number = $2 AND ended_at IS NULL AND worker <> $3 \
                 AND worker IN ({living}))"
            )
        };
        let running = query_either(running(LIVING.0), running(LIVING.1)).bind(ALIVE).bind(group.0).bind(worker);
        Ok(running.fetch_one(self.connection()).await?)
    }

    /// Closes attempts at a group that were left without an end. Only `worker` works on it now: its own were not
    /// noted, those of others are of workers that are gone.
    pub async fn close_attempts(&mut self, group: GroupNumber, worker: &str, now: DateTime<Utc>) -> Result<()> {
        query(
            "UPDATE attempts SET ended_at = $2, outcome = 'transient', \
             reason = CASE WHEN worker = $3 THEN $4 ELSE $5 END, \
             text = CASE WHEN worker = $3 THEN 'its end could not be noted' ELSE 'its worker is gone' END \
             WHERE group_number = $1 AND ended_at IS NULL",
        )
        .bind(group.0)
        .bind(now)
        .bind(worker)
        .bind(NOT_NOTED)
        .bind(VANISHED)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Closes all attempts at open groups that have no end and whose worker is not alive, and gives their number.
    pub async fn close_vanished_attempts(&mut self, now: DateTime<Utc>) -> Result<u64> {
        let closed = |living: &str| {
            format!(
                "UPDATE attempts SET ended_at = $2, outcome = 'transient', reason = $3, text = 'its worker is gone' \
                 WHERE group_number IN (SELECT number FROM groups WHERE settled_at IS NULL) AND ended_at IS NULL \
                 AND worker NOT IN ({living})"
            )
        };
        let closed = query_either(closed(LIVING.0), closed(LIVING.1))
            .bind(ALIVE)
            .bind(now)
            .bind(VANISHED)
            .execute(self.connection())
            .await?;
        Ok(closed)
    }

    /// Closes the attempt that runs at a group an operator parks. If its worker comes to an end all the same, that end
    /// takes the place of this one.
    pub async fn close_parked_attempts(&mut self, group: GroupNumber, now: DateTime<Utc>, text: &str) -> Result<()> {
        query(
            "UPDATE attempts SET ended_at = $2, outcome = 'poison', reason = $3, text = $4 \
             WHERE group_number = $1 AND ended_at IS NULL",
        )
        .bind(group.0)
        .bind(now)
        .bind(PARKED)
        .bind(text)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Ends attempts that came to one end.
    pub async fn end_attempts(
        &mut self,
        attempts: &[(GroupNumber, i64)],
        now: DateTime<Utc>,
        end: AttemptEnd<'_>,
    ) -> Result<()> {
        let (groups, attempts): (Vec<GroupNumber>, Vec<i64>) = attempts.iter().copied().unzip();
        let (outcome, reason, text) = match end {
            AttemptEnd::Done => (AttemptOutcome::Done, None, None),
            AttemptEnd::Failed { class, reason, text } => (AttemptOutcome::Failed(class), Some(reason), Some(text)),
        };
        query(
            "UPDATE attempts SET ended_at = $2, outcome = $3, reason = $4, text = $5 \
             FROM json_each($1) AS ended_group, json_each($6) AS ended_attempt \
             WHERE ended_attempt.key = ended_group.key \
             AND group_number = ended_group.value AND attempt = ended_attempt.value",
        )
        .bind(numbers(&groups))
        .bind(now)
        .bind(outcome.as_str())
        .bind(reason)
        .bind(text)
        .bind(super::list(&attempts))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Record for Attempt {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let outcome: Option<&str> = row.get("outcome")?;
        let outcome = outcome.map(|text| {
            AttemptOutcome::from(text).ok_or_else(|| sqlx::Error::Decode(format!("an attempt's outcome {text}").into()))
        });
        Ok(Attempt {
            group: GroupNumber(row.get("group_number")?),
            attempt: row.get("attempt")?,
            worker: row.get("worker")?,
            started_at: row.get("started_at")?,
            ended_at: row.get("ended_at")?,
            outcome: outcome.transpose()?,
            reason: row.get("reason")?,
            text: row.get("text")?,
        })
    }
}
