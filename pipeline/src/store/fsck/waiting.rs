//! What waits to be processed, and the jobs that will have it done.

use chrono::{DateTime, Utc};

use super::Oddity;
use crate::queue::QUEUE;
use crate::store::groups::GroupNumber;
use crate::store::sql::{On, query, query_either, record};
use crate::store::{Result, Store, Tx, list};

/// A job in the queue that is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingJob {
    pub id: String,
    pub job: Vec<u8>,
}

record!(WaitingJob { id, job });

impl Store {
    /// Groups that nobody may be processing; of those that are open, nobody is if none of the waiting jobs is theirs.
    /// Groups with a sign of life after `since`, or an attempt under way that began after `begun`, are left alone.
    pub async fn stuck(&self, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
        stuck(&self.readers, since, begun).await
    }

    /// Jobs that are not done, in the order they were queued.
    pub async fn waiting_jobs(&self) -> Result<Vec<WaitingJob>> {
        waiting_jobs(&self.readers).await
    }

    /// Those of these groups that are open, or were until `since`: a job for one may still be waiting.
    pub async fn lively_groups(&self, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
        lively_groups(&self.readers, groups, since).await
    }
}

impl Tx {
    pub async fn stuck(&mut self, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
        stuck(self.connection(), since, begun).await
    }

    pub async fn waiting_jobs(&mut self) -> Result<Vec<WaitingJob>> {
        waiting_jobs(self.connection()).await
    }

    pub async fn lively_groups(&mut self, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
        lively_groups(self.connection(), groups, since).await
    }

    /// Moves the accepted reports of a group to another.
    pub async fn move_accepted(&mut self, from: GroupNumber, to: GroupNumber) -> Result<u64> {
        let moved = query("UPDATE reports SET group_number = $2 WHERE group_number = $1 AND state = 'accepted'")
            .bind(from.0)
            .bind(to.0)
            .execute(self.connection())
            .await?;
        Ok(moved)
    }

    /// Takes jobs out of the queue.
    pub async fn drop_jobs(&mut self, ids: &[String]) -> Result<u64> {
        let dropped = query_either(
            "DELETE FROM Jobs WHERE id IN (SELECT value FROM json_each($1))",
            "DELETE FROM apalis.jobs WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
        )
        .bind(serde_json::to_string(ids).expect("texts"))
        .execute(self.connection())
        .await?;
        Ok(dropped)
    }
}

async fn stuck(on: impl Into<On<'_>>, since: DateTime<Utc>, begun: DateTime<Utc>) -> Result<Vec<Oddity>> {
    Ok(query(
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
    .fetch_all(on)
    .await?)
}

async fn lively_groups(on: impl Into<On<'_>>, groups: &[i64], since: DateTime<Utc>) -> Result<Vec<i64>> {
    Ok(query(
        "SELECT number FROM groups WHERE number IN (SELECT value FROM json_each($1)) \
         AND (settled_at IS NULL OR settled_at >= $2)",
    )
    .bind(list(groups))
    .bind(since)
    .fetch_all(on)
    .await?)
}

async fn waiting_jobs(on: impl Into<On<'_>>) -> Result<Vec<WaitingJob>> {
    Ok(query_either(
        "SELECT id, job FROM Jobs WHERE job_type = $1 AND status NOT IN ('Done', 'Killed') ORDER BY run_at, id",
        "SELECT id, job FROM apalis.jobs WHERE job_type = $1 AND status NOT IN ('Done', 'Killed') ORDER BY run_at, id",
    )
    .bind(QUEUE)
    .fetch_all(on)
    .await?)
}
