//! The database behind the server's back: to look, and to do damage.

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Decode, Postgres, Sqlite, Type};

use crate::server::{PATIENCE, Server};

/// One connection to the database of a server, which may run.
pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Raw {
    pub async fn of(server: &Server) -> Raw {
        if let Some(url) = server.database() {
            return Raw::Postgres(PgPoolOptions::new().max_connections(1).connect(url).await.unwrap());
        }
        let options = SqliteConnectOptions::new().filename(server.data().join("assay.db")).busy_timeout(PATIENCE);
        Raw::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap())
    }

    /// Does a statement that both databases take, and tells how many rows it wrote.
    pub async fn execute(&self, sql: &str) -> u64 {
        self.execute_either(sql, sql).await
    }

    /// Does a statement that SQLite and PostgreSQL say differently.
    pub async fn execute_either(&self, sqlite: &str, postgres: &str) -> u64 {
        match self {
            Raw::Sqlite(pool) => sqlx::query(AssertSqlSafe(sqlite)).execute(pool).await.unwrap().rows_affected(),
            Raw::Postgres(pool) => sqlx::query(AssertSqlSafe(postgres)).execute(pool).await.unwrap().rows_affected(),
        }
    }

    /// The one value that a statement gives.
    pub async fn value<T>(&self, sql: &str) -> T
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        match self {
            Raw::Sqlite(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap(),
        }
    }

    /// A report's number.
    pub async fn number(&self, id: &str) -> i64 {
        let id: uuid::Uuid = id.parse().unwrap();
        match self {
            Raw::Sqlite(_) => self.value(&format!("SELECT number FROM reports WHERE id = x'{}'", id.simple())).await,
            Raw::Postgres(_) => self.value(&format!("SELECT number FROM reports WHERE id = '{id}'")).await,
        }
    }

    /// Puts bytes in the place of a report's.
    pub async fn overwrite_body(&self, number: i64, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let written = self
            .execute_either(
                &format!("UPDATE bodies SET body = x'{hex}' WHERE number = {number}"),
                &format!("UPDATE bodies SET body = '\\x{hex}' WHERE number = {number}"),
            )
            .await;
        assert_eq!(written, 1, "report {number} has bytes");
    }

    pub async fn close(self) {
        match self {
            Raw::Sqlite(pool) => pool.close().await,
            Raw::Postgres(pool) => pool.close().await,
        }
    }
}
