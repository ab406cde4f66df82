//! Many rows with one statement.

use sqlx::encode::Encode;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, FromRow, Sqlite, SqliteConnection, Type};

use super::Result;

/// `head VALUES (…), (…) tail`, sent in chunks whose sizes recur, so that their prepared forms are used again.
pub(super) struct Bulk {
    /// Up to and without `VALUES`.
    pub head: &'static str,
    pub columns: usize,
    /// What follows the values: `ON CONFLICT …`, `RETURNING …`.
    pub tail: &'static str,
}

/// Values of one statement, in the order of its columns.
#[derive(Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    pub fn push<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        self.0.add(value).expect("assay's values always have a form in SQL");
        self
    }
}

/// Pieces that many rows are cut into; up to the smallest, rows go in one statement however many they are. Each statement
/// is a trip to the connection's thread and back, and each size is a text to keep prepared: this has few of both.
const CHUNKS: [usize; 3] = [128, 64, 32];

impl Bulk {
    pub async fn execute<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Values, &T),
    ) -> Result<u64> {
        let mut affected = 0;
        for chunk in chunks(rows) {
            let query = sqlx::query_with(AssertSqlSafe(self.statement(chunk.len())), values(chunk, &bind));
            affected += query.execute(&mut *connection).await?.rows_affected();
        }
        Ok(affected)
    }

    pub async fn fetch<T, R>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Values, &T),
    ) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        let mut found = Vec::with_capacity(rows.len());
        for chunk in chunks(rows) {
            let query = sqlx::query_as_with(AssertSqlSafe(self.statement(chunk.len())), values(chunk, &bind));
            found.extend(query.fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }

    fn statement(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        format!("{} VALUES {} {}", self.head, vec![row.as_str(); rows].join(", "), self.tail)
    }
}

fn values<T>(rows: &[T], bind: &impl Fn(&mut Values, &T)) -> SqliteArguments {
    let mut values = Values::default();
    rows.iter().for_each(|row| bind(&mut values, row));
    values.0
}

/// Cuts `rows` greedily into pieces, largest first.
fn chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let size = CHUNKS.into_iter().find(|size| *size <= rest.len()).unwrap_or(rest.len());
        let (chunk, others) = rest.split_at(size);
        rest = others;
        Some(chunk)
    })
}
