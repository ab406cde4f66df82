//! The database behind the pipeline's back: to look, and to do damage, whichever database it is.
//!
//! A statement is one text for both databases; where they differ, [`Raw::either`] shows both side by side. The queue's
//! tables go by apalis' names on both: `Jobs`, `Workers`.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, FromRow};

use std::path::Path;

#[derive(Clone, Debug)]
pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What a row of either database can be read into.
pub trait Line: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> Line for T {}

impl Raw {
    pub async fn sqlite(path: &Path) -> Raw {
        let options = SqliteConnectOptions::new().filename(path);
        Raw::Sqlite(SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap())
    }

    pub async fn postgres(url: &str) -> Raw {
        let options = PgConnectOptions::from_str(url).unwrap().options([("search_path", "public,apalis")]);
        Raw::Postgres(PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap())
    }

    /// Of SQLite's words and PostgreSQL's, those of this database.
    pub fn either<T>(&self, sqlite: T, postgres: T) -> T {
        match self {
            Raw::Sqlite(_) => sqlite,
            Raw::Postgres(_) => postgres,
        }
    }

    /// Bytes as this database writes them.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.either(format!("x'{digits}'"), format!("'\\x{digits}'"))
    }

    /// Runs one statement or several, and tells how many rows were written.
    pub async fn run(&self, sql: impl Into<String>) -> u64 {
        let text = AssertSqlSafe(sql.into());
        match self {
            Raw::Sqlite(pool) => sqlx::raw_sql(text).execute(pool).await.unwrap().rows_affected(),
            Raw::Postgres(pool) => sqlx::raw_sql(text).execute(pool).await.unwrap().rows_affected(),
        }
    }

    /// As [`Raw::run`], with references left unchecked: as no part of assay would.
    pub async fn plant(&self, sql: impl Into<String>) -> u64 {
        let text = AssertSqlSafe(sql.into());
        match self {
            Raw::Sqlite(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut *connection).await.unwrap();
                let written = sqlx::raw_sql(text).execute(&mut *connection).await.unwrap().rows_affected();
                sqlx::raw_sql("PRAGMA foreign_keys = ON").execute(&mut *connection).await.unwrap();
                written
            }
            Raw::Postgres(pool) => {
                let mut connection = pool.acquire().await.unwrap();
                let mut tx = connection.begin().await.unwrap();
                sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
                let written = sqlx::raw_sql(text).execute(&mut *tx).await.unwrap().rows_affected();
                tx.commit().await.unwrap();
                written
            }
        }
    }

    /// Rows as tuples.
    pub async fn rows<T: Line>(&self, sql: impl Into<String>) -> Vec<T> {
        let text = AssertSqlSafe(sql.into());
        match self {
            Raw::Sqlite(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
        }
    }

    /// The one row there is, as a tuple.
    pub async fn row<T: Line>(&self, sql: impl Into<String>) -> T {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    /// The column of each row.
    pub async fn values<T>(&self, sql: impl Into<String>) -> Vec<T>
    where
        (T,): Line,
    {
        self.rows::<(T,)>(sql).await.into_iter().map(|(value,)| value).collect()
    }

    /// The one column of the one row.
    pub async fn value<T>(&self, sql: impl Into<String>) -> T
    where
        (T,): Line,
    {
        self.row::<(T,)>(sql).await.0
    }

    /// Lets the database refuse new rows of a table from now on, all or those for which `condition` on `new` holds.
    pub async fn refuse(&self, table: &str, condition: &str) {
        let sqlite = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN {condition} \
             BEGIN SELECT RAISE(ABORT, 'refused for a test'); END"
        );
        self.run(self.either(sqlite, trigger(table, condition, "feature_not_supported"))).await;
    }

    /// Lets the database say that its disk is full when a row is put into a table.
    pub async fn fill_the_disk(&self, table: &str) {
        // A table of SQLite's that has used its last number up is full, too (SQLITE_FULL).
        let sqlite = format!(
            "CREATE TABLE brimful (number INTEGER PRIMARY KEY AUTOINCREMENT, load TEXT); \
             INSERT INTO brimful (number) VALUES (9223372036854775807); \
             CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN INSERT INTO brimful (load) VALUES ('more'); END"
        );
        self.run(self.either(sqlite, trigger(table, "TRUE", "disk_full"))).await;
    }

    /// Takes back what [`Raw::refuse`] or [`Raw::fill_the_disk`] did to a table.
    pub async fn relent(&self, table: &str) {
        let postgres = format!("DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse");
        self.run(self.either("DROP TRIGGER refuse".to_owned(), postgres)).await;
    }
}

/// A trigger of PostgreSQL's that raises a condition of that name.
fn trigger(table: &str, condition: &str, error: &str) -> String {
    format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN RAISE EXCEPTION 'refused for a test' USING ERRCODE = '{error}'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    )
}
