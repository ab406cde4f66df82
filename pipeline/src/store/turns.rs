//! Whose turn it is at work that one process does for all who share the database.

use sqlx::{Connection as _, PgConnection, PgPool};

use super::sql::{Pool, to_the_end};
use super::{Result, Store};

/// The first number of these locks, assay's own and not that of its transactions; the second is made of the work's name.
const LOCKS: i32 = 1_634_955_130;

/// A turn at some work. It ends with this value, and whenever the connection to the database does.
#[derive(Debug)]
pub struct Turn {
    /// Holds the lock. `None`: nobody else works on the database.
    connection: Option<PgConnection>,
}

impl Store {
    /// Takes the turn at a work of this name. `None`: another process has it.
    pub async fn take_turn(&self, work: &str) -> Result<Option<Turn>> {
        let Pool::Postgres(pool) = &self.writer else { return Ok(Some(Turn { connection: None })) };
        Ok(to_the_end(take(pool.clone(), work.to_owned())).await?)
    }
}

async fn take(pool: PgPool, work: String) -> sqlx::Result<Option<Turn>> {
    let mut connection = pool.acquire().await?;
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
        .bind(LOCKS)
        .bind(work)
        .fetch_one(&mut *connection)
        .await?;
    if !taken {
        return Ok(None);
    }
    // Nobody else's from now on: closing it is what gives the turn back.
    let mut connection = connection.detach();
    // One who hangs, or whose machine is gone, must not keep it.
    sqlx::query("SET idle_session_timeout = '60s'").execute(&mut connection).await?;
    Ok(Some(Turn { connection: Some(connection) }))
}

impl Turn {
    /// Whether it lasts. It ends for one who does not ask for a minute.
    pub async fn lasts(&mut self) -> bool {
        match &mut self.connection {
            None => true,
            Some(connection) => connection.ping().await.is_ok(),
        }
    }

    /// Gives it to the next at once. Without this, the database sees a moment later that the connection is gone.
    pub async fn end(self) {
        if let Some(mut connection) = self.connection {
            // One that is broken has given it back, or will. That it is closed, the database would see a moment later.
            drop(sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await);
            drop(connection.close().await);
        }
    }
}
