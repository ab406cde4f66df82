//! Many rows with one statement.

use sqlx::encode::Encode;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Postgres, Type};

use super::sql::{Record, Row, Transaction, Value, bounded, storable};
use super::{Result, sql};

/// `head`, many rows of values, `tail`.
///
/// SQLite gets `VALUES (…), (…)` in chunks whose sizes recur, so that their prepared forms are used again. PostgreSQL
/// gets one array a column, unnested: one text and one trip however many rows there are.
pub(super) struct Bulk<'s> {
    /// Up to the values: `INSERT INTO … (…)`.
    pub head: &'s str,
    pub columns: usize,
    /// What follows the values: `ON CONFLICT …`, `RETURNING …`.
    pub tail: &'s str,
}

/// Values of one statement, row by row in the order of its columns.
#[derive(Default)]
pub(super) struct Values<'t>(Vec<Value<'t>>);

impl<'t> Values<'t> {
    pub fn push(&mut self, value: impl Into<Value<'t>>) -> &mut Self {
        self.0.push(value.into());
        self
    }
}

/// Pieces that many rows are cut into for SQLite; up to the smallest, rows go in one statement however many they are.
/// Each statement is a trip to the connection's thread and back, and each size is a text to keep prepared: this has few
/// of both.
const CHUNKS: [usize; 3] = [128, 64, 32];

/// Rows of one statement for PostgreSQL at most.
const ARRAY: usize = 1000;

impl Bulk<'_> {
    pub async fn execute<'t, T>(
        &self,
        on: &mut Transaction,
        rows: &'t [T],
        bind: impl Fn(&mut Values<'t>, &'t T),
    ) -> Result<u64> {
        let mut affected = 0;
        match on {
            Transaction::Sqlite(tx) => {
                for chunk in chunks(rows) {
                    let query = sqlx::query_with(AssertSqlSafe(self.sqlite(chunk.len())), in_rows(chunk, &bind));
                    affected += query.execute(&mut **tx).await?.rows_affected();
                }
            }
            Transaction::Postgres(tx) => {
                for chunk in rows.chunks(ARRAY) {
                    let query = sqlx::query_with(AssertSqlSafe(self.postgres()), self.in_columns(chunk, &bind));
                    affected += query.execute(&mut **tx).await?.rows_affected();
                }
            }
        }
        Ok(affected)
    }

    pub async fn fetch<'t, T, R: Record>(
        &self,
        on: &mut Transaction,
        rows: &'t [T],
        bind: impl Fn(&mut Values<'t>, &'t T),
    ) -> Result<Vec<R>> {
        let mut found = Vec::with_capacity(rows.len());
        match on {
            Transaction::Sqlite(tx) => {
                for chunk in chunks(rows) {
                    let query = sqlx::query_with(AssertSqlSafe(self.sqlite(chunk.len())), in_rows(chunk, &bind));
                    for row in query.fetch_all(&mut **tx).await? {
                        found.push(R::read(Row::Sqlite(&row))?);
                    }
                }
            }
            Transaction::Postgres(tx) => {
                for chunk in rows.chunks(ARRAY) {
                    let query = sqlx::query_with(AssertSqlSafe(self.postgres()), self.in_columns(chunk, &bind));
                    for row in query.fetch_all(&mut **tx).await? {
                        found.push(R::read(Row::Postgres(&row))?);
                    }
                }
            }
        }
        Ok(found)
    }

    fn sqlite(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        format!("{} VALUES {} {}", self.head, vec![row.as_str(); rows].join(", "), self.tail)
    }

    fn postgres(&self) -> String {
        let arrays: Vec<String> = (1..=self.columns).map(|column| format!("${column}")).collect();
        format!("{} SELECT * FROM unnest({}) {}", self.head, arrays.join(", "), self.tail)
    }

    fn in_columns<'t, T>(&self, rows: &'t [T], bind: &impl Fn(&mut Values<'t>, &'t T)) -> PgArguments {
        let mut columns: Vec<Vec<Value<'t>>> = (0..self.columns).map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            let mut values = Values::default();
            bind(&mut values, row);
            for (column, value) in columns.iter_mut().zip(values.0) {
                column.push(value);
            }
        }
        let mut arguments = PgArguments::default();
        columns.into_iter().for_each(|column| add_array(&mut arguments, column));
        arguments
    }
}

fn in_rows<'t, T>(rows: &'t [T], bind: &impl Fn(&mut Values<'t>, &'t T)) -> SqliteArguments {
    let mut values = Values::default();
    rows.iter().for_each(|row| bind(&mut values, row));
    let mut arguments = SqliteArguments::default();
    values.0.into_iter().for_each(|value| value.into_sqlite(&mut arguments));
    arguments
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

/// Adds a column as one array, of the type of its first value: a column's values are all of one.
fn add_array(arguments: &mut PgArguments, column: Vec<Value<'_>>) {
    /// The column's values, all of which are of one variant.
    macro_rules! array {
        ($variant:ident, $value:ident => $as:expr) => {{
            let array: Vec<_> = column
                .into_iter()
                .filter_map(|value| match value {
                    Value::$variant($value) => Some($as),
                    _ => None,
                })
                .collect();
            add(arguments, array)
        }};
    }
    match column.first() {
        None => {}
        Some(Value::Integer(_)) => array!(Integer, value => value),
        Some(Value::Boolean(_)) => array!(Boolean, value => value),
        Some(Value::Text(_)) => array!(Text, value => value.map(storable)),
        Some(Value::Bytes(_)) => array!(Bytes, value => value.into_owned()),
        Some(Value::Time(_)) => array!(Time, value => value.map(bounded)),
        Some(Value::Id(_)) => array!(Id, value => value),
    }
}

fn add<'t, T: Encode<'t, Postgres> + Type<Postgres>>(arguments: &mut PgArguments, array: T) {
    arguments.add(array).expect(sql::ENCODES);
}
