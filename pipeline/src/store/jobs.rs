//! The queue's own table, which apalis fills: jobs put in, looked for, and forgotten.
//!
//! Its times are of the database's clock, as apalis writes them: seconds on SQLite, timestamps on PostgreSQL.

use std::time::Duration;

use apalis::prelude::TaskBuilder;

use super::groups::GroupNumber;
use super::sql::{On, Transaction, query_either};
use super::workers::ALIVE;
use super::{Result, Store, StoreError, Tx};
use crate::queue::{ProcessGroup, QUEUE};

/// Open groups without a job that will bring them up: one that waits, or one fetched less than $2 seconds ago. Where
/// several processes work, also by one that is alive ($3: [`ALIVE`]), under its name or one that begins with it.
const STRANDED: (&str, &str) = (
    "SELECT number FROM groups WHERE settled_at IS NULL AND number NOT IN \
     (SELECT CAST(CAST(job AS TEXT) ->> '$.group' AS INTEGER) FROM Jobs WHERE job_type = $1 AND (status = 'Pending' \
     OR (status = 'Failed' AND attempts < max_attempts) \
     OR (status IN ('Queued', 'Running') AND lock_at > CAST(strftime('%s', 'now') AS INTEGER) - $2))) \
     ORDER BY number LIMIT 1000",
    "SELECT number FROM groups WHERE settled_at IS NULL AND number NOT IN \
     (SELECT CAST(CAST(convert_from(job, 'UTF8') AS JSON) ->> 'group' AS BIGINT) FROM apalis.jobs \
     WHERE job_type = $1 AND (status = 'Pending' OR (status = 'Failed' AND attempts < max_attempts) \
     OR (status IN ('Queued', 'Running') AND lock_at > now() - $2 * INTERVAL '1 second' \
         AND EXISTS (SELECT 1 FROM heartbeats WHERE seen_at > CAST(extract(epoch FROM now()) AS BIGINT) - $3 \
                     AND (lock_by = worker OR starts_with(lock_by, worker || '.')))))) \
     ORDER BY number LIMIT 1000",
);

/// Jobs that are done, and those fetched $2 seconds ago or longer whose group is settled.
const FINISHED: (&str, &str) = (
    "DELETE FROM Jobs WHERE status = 'Done' OR (job_type = $1 AND status <> 'Pending' \
     AND lock_at < CAST(strftime('%s', 'now') AS INTEGER) - $2 \
     AND CAST(CAST(job AS TEXT) ->> '$.group' AS INTEGER) NOT IN \
     (SELECT number FROM groups WHERE settled_at IS NULL))",
    "DELETE FROM apalis.jobs WHERE status = 'Done' OR (job_type = $1 AND status <> 'Pending' \
     AND lock_at < now() - $2 * INTERVAL '1 second' \
     AND CAST(CAST(convert_from(job, 'UTF8') AS JSON) ->> 'group' AS BIGINT) NOT IN \
     (SELECT number FROM groups WHERE settled_at IS NULL))",
);

/// Seconds after which a job that was fetched, and whose group is settled, is not coming back.
const LOST: i64 = 600;

impl Store {
    /// Forgets jobs that are done: apalis keeps them, assay keeps their outcome itself. With them those that a queue
    /// that broke off had fetched, once their groups are settled.
    pub async fn sweep_jobs(&self) -> Result<u64> {
        Ok(query_either(FINISHED.0, FINISHED.1).bind(QUEUE).bind(LOST).execute(&self.writer).await?)
    }

    /// Lets others fetch the jobs that a worker has fetched and not done.
    pub async fn give_back_jobs(&self, worker: &str) -> Result<u64> {
        let given = query_either(
            "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL \
             WHERE job_type = $1 AND lock_by = $2 AND status IN ('Queued', 'Running')",
            "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL \
             WHERE job_type = $1 AND lock_by = $2 AND status IN ('Queued', 'Running')",
        );
        Ok(given.bind(QUEUE).bind(worker).execute(&self.writer).await?)
    }

    /// Open groups that no job in the database will bring up: none waits, and none was fetched within the last `lease`
    /// by a worker that may still come to it.
    pub async fn stranded_groups(&self, lease: Duration) -> Result<Vec<GroupNumber>> {
        stranded(&self.readers, lease).await
    }
}

impl Tx {
    /// Queues the processing of a group. In the database it is part of this transaction: there is never one without the
    /// other.
    pub async fn enqueue(&mut self, job: &ProcessGroup) -> Result<()> {
        self.enqueue_after(job, Duration::ZERO).await
    }

    /// Queues the processing of a group for later, to the second.
    pub async fn enqueue_after(&mut self, job: &ProcessGroup, pause: Duration) -> Result<()> {
        if let Some(pushes) = &mut self.pushes {
            pushes.jobs.push((job.clone(), pause));
            return Ok(());
        }
        let arguments = serde_json::to_vec(job).expect("a job is plain numbers");
        match &mut self.inner {
            Transaction::Sqlite(tx) => {
                let task = TaskBuilder::new(arguments);
                let task = if pause.is_zero() { task.build() } else { task.run_after(pause).build() };
                let pushed = apalis_sqlite::queries::push_tasks(&mut **tx, QUEUE, &[task]).await;
                pushed.map_err(|error| StoreError::Queue(error.into()))
            }
            Transaction::Postgres(tx) => {
                let task = TaskBuilder::new(arguments);
                let task = if pause.is_zero() { task.build() } else { task.run_after(pause).build() };
                let pushed = apalis_postgres::queries::push_tasks(&mut **tx, QUEUE, vec![task]).await;
                pushed.map_err(|error| StoreError::Queue(error.into()))
            }
        }
    }

    /// As [`Store::stranded_groups`], read under the write lock.
    pub async fn stranded_groups(&mut self, lease: Duration) -> Result<Vec<GroupNumber>> {
        stranded(self.connection(), lease).await
    }

    /// Drops the jobs a process that is gone had taken: their groups are queued anew.
    ///
    /// Only for a process that knows itself to be alone on the database.
    pub async fn drop_orphaned_jobs(&mut self) -> Result<u64> {
        let dropped = query_either(
            "DELETE FROM Jobs WHERE status <> 'Done' AND job_type = $1",
            "DELETE FROM apalis.jobs WHERE status <> 'Done' AND job_type = $1",
        );
        Ok(dropped.bind(QUEUE).execute(self.connection()).await?)
    }
}

async fn stranded(on: impl Into<On<'_>>, lease: Duration) -> Result<Vec<GroupNumber>> {
    let lease = i64::try_from(lease.as_secs()).unwrap_or(i64::MAX);
    let stranded = query_either(STRANDED.0, STRANDED.1).bind(QUEUE).bind(lease).bind(ALIVE);
    let numbers: Vec<i64> = stranded.fetch_all(on).await?;
    Ok(numbers.into_iter().map(GroupNumber).collect())
}
