//! Which worker processes are alive: each leaves a sign now and then.
//!
//! Times are of the database's clock, so that machines whose clocks differ agree.

use super::sql::{query, query_either};
use super::{Result, Store, Tx};

/// Seconds after its last sign of life for which a worker is taken to be alive. Four signs long.
pub(super) const ALIVE: i64 = 20;

/// Workers that are alive, for a condition `worker IN (…)`; $1 is [`ALIVE`].
pub(super) const LIVING: (&str, &str) = (
    "SELECT worker FROM heartbeats WHERE seen_at > CAST(strftime('%s', 'now') AS INTEGER) - $1",
    "SELECT worker FROM heartbeats WHERE seen_at > CAST(extract(epoch FROM now()) AS BIGINT) - $1",
);

impl Store {
    /// Notes that a worker is alive.
    pub async fn note_worker(&self, name: &str) -> Result<()> {
        query_either(
            "INSERT INTO heartbeats (worker, seen_at) VALUES ($1, CAST(strftime('%s', 'now') AS INTEGER)) \
             ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at",
            "INSERT INTO heartbeats (worker, seen_at) VALUES ($1, CAST(extract(epoch FROM now()) AS BIGINT)) \
             ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at",
        )
        .bind(name)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Takes a worker that ends off the list, so that nobody waits for it.
    pub async fn forget_worker(&self, name: &str) -> Result<()> {
        query("DELETE FROM heartbeats WHERE worker = $1").bind(name).execute(&self.writer).await?;
        Ok(())
    }

    /// Names of the workers that are alive, in their order.
    pub async fn living_workers(&self) -> Result<Vec<String>> {
        let (sqlite, postgres) = LIVING;
        let living = query_either(format!("{sqlite} ORDER BY worker"), format!("{postgres} ORDER BY worker"));
        Ok(living.bind(ALIVE).fetch_all(&self.readers).await?)
    }
}

impl Tx {
    /// Forgets the workers that are gone: all but those alive, or, for a process that knows itself to be the only one
    /// that works, all.
    pub async fn forget_workers(&mut self, alone: bool) -> Result<()> {
        match alone {
            true => query("DELETE FROM heartbeats").execute(self.connection()).await?,
            false => {
                let (sqlite, postgres) = LIVING;
                query_either(
                    format!("DELETE FROM heartbeats WHERE worker NOT IN ({sqlite})"),
                    format!("DELETE FROM heartbeats WHERE worker NOT IN ({postgres})"),
                )
                .bind(ALIVE)
                .execute(self.connection())
                .await?
            }
        };
        Ok(())
    }
}
