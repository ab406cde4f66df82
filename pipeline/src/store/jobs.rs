//! The queue's own table, which apalis fills: jobs put in, looked for, and forgotten.
//!
//! Its times are seconds of the database's clock, as apalis writes them.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::groups::GroupNumber;
use super::{Result, Store, StoreError, Tx};
use crate::queue::{ProcessGroup, QUEUE};

/// Open groups without a job that will bring them up: one that waits, or one fetched less than $2 seconds ago.
const STRANDED: &str = "SELECT number FROM groups WHERE settled_at IS NULL AND number NOT IN \
    (SELECT CAST(CAST(job AS TEXT) ->> '$.group' AS INTEGER) FROM Jobs WHERE job_type = $1 AND (status = 'Pending' \
    OR (status = 'Failed' AND attempts < max_attempts) \
    OR (status IN ('Queued', 'Running') AND lock_at > CAST(strftime('%s', 'now') AS INTEGER) - $2))) \
    ORDER BY number LIMIT 1000";

/// Seconds after which a job that was fetched, and whose group is settled, is not coming back.
const LOST: i64 = 600;

impl Store {
    /// Forgets jobs that are done: apalis keeps them, assay keeps their outcome itself. With them those that a queue
    /// that broke off had fetched, once their groups are settled.
    pub async fn sweep_jobs(&self) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM Jobs WHERE status = 'Done' OR (job_type = $1 AND status <> 'Pending' \
             AND lock_at < CAST(strftime('%s', 'now') AS INTEGER) - $2 \
             AND CAST(CAST(job AS TEXT) ->> '$.group' AS INTEGER) NOT IN \
             (SELECT number FROM groups WHERE settled_at IS NULL))",
        )
        .bind(QUEUE)
        .bind(LOST)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected())
    }

    /// Open groups that no job will bring up: none waits, and none was fetched within the last `lease`.
    pub async fn stranded_groups(&self, lease: Duration) -> Result<Vec<GroupNumber>> {
        stranded(&mut *self.readers.acquire().await?, lease).await
    }
}

impl Tx {
    /// Queues the processing of a group. Part of this transaction: there is never one without the other.
    pub async fn enqueue(&mut self, job: &ProcessGroup) -> Result<()> {
        self.enqueue_after(job, Duration::ZERO).await
    }

    /// Queues the processing of a group for later, to the second.
    pub async fn enqueue_after(&mut self, job: &ProcessGroup, pause: Duration) -> Result<()> {
        let arguments = serde_json::to_vec(job).expect("a job is plain numbers");
        let task = apalis::prelude::TaskBuilder::new(arguments);
        let task = if pause.is_zero() { task.build() } else { task.run_after(pause).build() };
        apalis_sqlite::queries::push_tasks(self.connection(), QUEUE, &[task]).await.map_err(StoreError::Queue)
    }

    /// As [`Store::stranded_groups`], read under the write lock.
    pub async fn stranded_groups(&mut self, lease: Duration) -> Result<Vec<GroupNumber>> {
        stranded(self.connection(), lease).await
    }

    /// Drops the jobs a process that is gone had taken: their groups are queued anew.
    ///
    /// Only for a process that knows itself to be alone on the database.
    pub async fn drop_orphaned_jobs(&mut self) -> Result<u64> {
        let dropped = sqlx::query("DELETE FROM Jobs WHERE status <> 'Done' AND job_type = $1")
            .bind(QUEUE)
            .execute(self.connection())
            .await?;
        Ok(dropped.rows_affected())
    }
}

async fn stranded(connection: &mut SqliteConnection, lease: Duration) -> Result<Vec<GroupNumber>> {
    let lease = i64::try_from(lease.as_secs()).unwrap_or(i64::MAX);
    let numbers: Vec<i64> = sqlx::query_scalar(STRANDED).bind(QUEUE).bind(lease).fetch_all(connection).await?;
    Ok(numbers.into_iter().map(GroupNumber).collect())
}
