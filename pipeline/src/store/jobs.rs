//! Housekeeping of the queue's own table, which apalis fills.

use super::{Result, Store, Tx};

impl Store {
    /// Forgets jobs that are done: apalis keeps them, assay keeps their outcome itself.
    pub async fn sweep_jobs(&self) -> Result<u64> {
        let done = sqlx::query("DELETE FROM Jobs WHERE status = 'Done'").execute(&self.writer).await?;
        Ok(done.rows_affected())
    }
}

impl Tx {
    /// Drops the jobs a process that is gone had taken: their groups are queued anew.
    ///
    /// Only for a process that knows itself to be alone on the database.
    pub async fn drop_orphaned_jobs(&mut self) -> Result<u64> {
        let dropped = sqlx::query("DELETE FROM Jobs WHERE status <> 'Done'").execute(self.connection()).await?;
        Ok(dropped.rows_affected())
    }
}
