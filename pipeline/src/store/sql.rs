//! One text on two databases: a statement with its values, sent to SQLite or PostgreSQL, and its rows read back.
//!
//! The rest of the store writes statements that both take. What only one has by that name, the other is taught by its
//! migrations (`json_each` on PostgreSQL); where they truly differ, [`query_either`] shows both side by side.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

pub(super) type Result<T> = std::result::Result<T, sqlx::Error>;

/// A statement in the words of both databases.
pub(super) fn query<'q>(text: impl Into<Cow<'q, str>>) -> Statement<'q> {
    Statement { text: Text::Same(text.into()), values: Vec::new(), locking: false, planned: false }
}

/// A statement that SQLite and PostgreSQL say differently; the values are the same.
pub(super) fn query_either<'q>(sqlite: impl Into<Cow<'q, str>>, postgres: impl Into<Cow<'q, str>>) -> Statement<'q> {
    Statement { text: Text::Either(sqlite.into(), postgres.into()), values: Vec::new(), locking: false, planned: false }
}

/// A statement and the values of its `$1`, `$2` and so on.
pub(super) struct Statement<'q> {
    text: Text<'q>,
    values: Vec<Value<'q>>,
    locking: bool,
    /// PostgreSQL is to plan it for these very values, each time.
    planned: bool,
}

enum Text<'q> {
    Same(Cow<'q, str>),
    /// SQLite's, PostgreSQL's.
    Either(Cow<'q, str>, Cow<'q, str>),
}

/// A value on its way into a statement. Absent ones have a type too: PostgreSQL asks for it.
#[derive(Clone, Debug)]
pub(super) enum Value<'q> {
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Text(Option<Cow<'q, str>>),
    Bytes(Cow<'q, [u8]>),
    Time(Option<DateTime<Utc>>),
    Id(Uuid),
}

/// Where a statement is sent.
pub(super) enum On<'c> {
    Pool(&'c Pool),
    Transaction(&'c mut Transaction),
}

/// Connections to the one database or the other.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction. Dropped without [`Transaction::commit`], it leaves no trace.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A row that came back.
#[derive(Clone, Copy)]
pub(super) enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// What a row can be read into.
pub(super) trait Record: Sized {
    fn read(row: Row<'_>) -> Result<Self>;
}

/// What a column can be read into, whichever database it comes from.
pub(super) trait Cell<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}

impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Cell<'r> for T {}

impl<'q> Statement<'q> {
    pub fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Locks the rows found until the transaction ends. SQLite's writers are alone anyway.
    pub fn locking(mut self) -> Self {
        self.locking = true;
        self
    }

    /// Tells how many rows were written.
    pub async fn execute(self, on: impl Into<On<'_>>) -> Result<u64> {
        match on.into() {
            On::Pool(Pool::Sqlite(pool)) => Ok(self.sqlite().execute(pool).await?.rows_affected()),
            On::Pool(Pool::Postgres(pool)) => Ok(self.postgres().execute(pool).await?.rows_affected()),
            On::Transaction(Transaction::Sqlite(tx)) => Ok(self.sqlite().execute(&mut **tx).await?.rows_affected()),
            On::Transaction(Transaction::Postgres(tx)) => Ok(self.postgres().execute(&mut **tx).await?.rows_affected()),
        }
    }

    pub async fn fetch_all<T: Record>(self, on: impl Into<On<'_>>) -> Result<Vec<T>> {
        self.fetch_with(on, T::read).await
    }

    /// As [`Statement::fetch_all`], for rows whose columns depend on what was asked.
    pub async fn fetch_with<T>(self, on: impl Into<On<'_>>, read: impl Fn(Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let sqlite = |rows: Vec<SqliteRow>| rows.iter().map(|row| read(Row::Sqlite(row))).collect();
        let postgres = |rows: Vec<PgRow>| rows.iter().map(|row| read(Row::Postgres(row))).collect();
        match on.into() {
            On::Pool(Pool::Sqlite(pool)) => sqlite(self.sqlite().fetch_all(pool).await?),
            On::Pool(Pool::Postgres(pool)) => postgres(self.postgres().fetch_all(pool).await?),
            On::Transaction(Transaction::Sqlite(tx)) => sqlite(self.sqlite().fetch_all(&mut **tx).await?),
            On::Transaction(Transaction::Postgres(tx)) => postgres(self.postgres().fetch_all(&mut **tx).await?),
        }
    }

    pub async fn fetch_optional<T: Record>(self, on: impl Into<On<'_>>) -> Result<Option<T>> {
        let sqlite = |row: Option<SqliteRow>| row.map(|row| T::read(Row::Sqlite(&row))).transpose();
        let postgres = |row: Option<PgRow>| row.map(|row| T::read(Row::Postgres(&row))).transpose();
        match on.into() {
            On::Pool(Pool::Sqlite(pool)) => sqlite(self.sqlite().fetch_optional(pool).await?),
            On::Pool(Pool::Postgres(pool)) => postgres(self.postgres().fetch_optional(pool).await?),
            On::Transaction(Transaction::Sqlite(tx)) => sqlite(self.sqlite().fetch_optional(&mut **tx).await?),
            On::Transaction(Transaction::Postgres(tx)) => postgres(self.postgres().fetch_optional(&mut **tx).await?),
        }
    }

    /// The first row; an error when there is none.
    pub async fn fetch_one<T: Record>(self, on: impl Into<On<'_>>) -> Result<T> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn sqlite(self) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        let text = match self.text {
            Text::Same(text) | Text::Either(text, _) => text.into_owned(),
        };
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            value.into_sqlite(&mut arguments);
        }
        sqlx::query_with(AssertSqlSafe(text), arguments)
    }

    fn postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let mut text = match self.text {
            Text::Same(text) | Text::Either(_, text) => in_arrays(&text),
        };
        if self.locking {
            text.push_str(" FOR UPDATE");
        }
        let mut arguments = PgArguments::default();
        for value in self.values {
            value.into_postgres(&mut arguments);
        }
        sqlx::query_with(AssertSqlSafe(text), arguments).persistent(!self.planned)
    }
}

/// Says `= ANY (ARRAY(SELECT value FROM json_each($1)))` where a text says `IN (SELECT value FROM json_each($1))`.
///
/// PostgreSQL takes an array for a few values, which it looks up in an index. Of what it selects from a list it knows
/// nothing: on a table that it has not looked at yet, it reads every row to find those of the list.
fn in_arrays(text: &str) -> String {
    const LIST: &str = "IN (SELECT value FROM json_each(";
    let mut pieces = text.split(LIST);
    let mut said = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (list, rest) = piece.split_once("))").expect("a list is a single value");
        said.push_str(&format!("= ANY (ARRAY(SELECT value FROM json_each({list})))"));
        said.push_str(rest);
    }
    said
}

/// Why a value cannot fail to be encoded.
pub(super) const ENCODES: &str = "assay's values always have a form in SQL";

impl Value<'_> {
    pub fn into_sqlite(self, arguments: &mut SqliteArguments) {
        let added = match self {
            Value::Integer(value) => arguments.add(value),
            Value::Boolean(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.as_deref()),
            Value::Bytes(value) => arguments.add(&*value),
            Value::Time(value) => arguments.add(value),
            Value::Id(value) => arguments.add(value),
        };
        added.expect(ENCODES);
    }

    pub fn into_postgres(self, arguments: &mut PgArguments) {
        let added = match self {
            Value::Integer(value) => arguments.add(value),
            Value::Boolean(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(storable)),
            Value::Bytes(value) => arguments.add(&*value),
            Value::Time(value) => arguments.add(value.map(bounded)),
            Value::Id(value) => arguments.add(value),
        };
        added.expect(ENCODES);
    }
}

/// A time as PostgreSQL can hold it. Senders and readers may name any; it begins at 4713 BC.
pub(super) fn bounded(time: DateTime<Utc>) -> DateTime<Utc> {
    const FIRST: i64 = -210_000_000_000;
    time.max(DateTime::from_timestamp(FIRST, 0).expect("seconds within four million years"))
}

/// A text as PostgreSQL can hold it: the NUL characters that broken smokers send become U+FFFD.
pub(super) fn storable(text: Cow<'_, str>) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text.into_owned(),
    }
}

/// Does what must not stop half-way when whoever waits for it is gone. sqlx does not know of a transaction whose
/// beginning it did not see through, and hands its connection to the next, who then reads of an old moment, or writes
/// what nobody commits.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is ending.
            Err(_) => Err(sqlx::Error::PoolClosed),
        },
    }
}

impl Pool {
    /// A transaction for several readings of one moment. It writes nothing.
    pub async fn snapshot(&self) -> Result<Transaction> {
        match self {
            Pool::Sqlite(pool) => Ok(Transaction::Sqlite(pool.begin().await?)),
            Pool::Postgres(pool) => {
                let pool = pool.clone();
                let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                Ok(Transaction::Postgres(to_the_end(async move { pool.begin_with(begin).await }).await?))
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Pool::Sqlite(pool) => pool.is_closed(),
            Pool::Postgres(pool) => pool.is_closed(),
        }
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    pub async fn commit(self) -> Result<()> {
        match self {
            Transaction::Sqlite(tx) => tx.commit().await,
            Transaction::Postgres(tx) => tx.commit().await,
        }
    }

    pub async fn rollback(self) -> Result<()> {
        match self {
            Transaction::Sqlite(tx) => tx.rollback().await,
            Transaction::Postgres(tx) => tx.rollback().await,
        }
    }
}

impl<'r> Row<'r> {
    /// The column of this name.
    pub fn get<T: Cell<'r>>(self, column: &str) -> Result<T> {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }

    /// The column at this place, from 0.
    pub fn at<T: Cell<'r>>(self, place: usize) -> Result<T> {
        match self {
            Row::Sqlite(row) => row.try_get(place),
            Row::Postgres(row) => row.try_get(place),
        }
    }
}

/// Statements put together from pieces, where what is asked decides which. How many rows that is differs much with the
/// values, so PostgreSQL plans each for its own.
pub(super) struct Builder<'q> {
    text: String,
    values: Vec<Value<'q>>,
}

impl<'q> Builder<'q> {
    pub fn new(text: &str) -> Self {
        Builder { text: text.to_owned(), values: Vec::new() }
    }

    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub fn push_bind(&mut self, value: impl Into<Value<'q>>) -> &mut Self {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    pub fn build(self) -> Statement<'q> {
        Statement { text: Text::Same(self.text.into()), values: self.values, locking: false, planned: true }
    }
}

impl On<'_> {
    pub fn postgres(&self) -> bool {
        matches!(self, On::Pool(Pool::Postgres(_)) | On::Transaction(Transaction::Postgres(_)))
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        On::Pool(pool)
    }
}

impl<'c> From<&'c mut Transaction> for On<'c> {
    fn from(tx: &'c mut Transaction) -> Self {
        On::Transaction(tx)
    }
}

/// Conversions of what is at hand into values.
macro_rules! value {
    ($($from:ty => |$name:ident| $value:expr;)+) => {
        $(impl<'q> From<$from> for Value<'q> {
            fn from($name: $from) -> Self {
                $value
            }
        })+
    };
}

value! {
    i64 => |value| Value::Integer(Some(value));
    &'q i64 => |value| Value::Integer(Some(*value));
    Option<i64> => |value| Value::Integer(value);
    bool => |value| Value::Boolean(Some(value));
    Option<bool> => |value| Value::Boolean(value);
    &'q str => |value| Value::Text(Some(value.into()));
    String => |value| Value::Text(Some(value.into()));
    &'q String => |value| Value::Text(Some(value.as_str().into()));
    Option<&'q str> => |value| Value::Text(value.map(Cow::from));
    Option<String> => |value| Value::Text(value.map(Cow::from));
    &'q [u8] => |value| Value::Bytes(value.into());
    DateTime<Utc> => |value| Value::Time(Some(value));
    Option<DateTime<Utc>> => |value| Value::Time(value);
    Uuid => |value| Value::Id(value);
}

/// A single column, read by its place.
macro_rules! scalar {
    ($($type:ty),+ $(,)?) => {
        $(impl Record for $type {
            fn read(row: Row<'_>) -> Result<Self> {
                row.at(0)
            }
        })+
    };
}

scalar!(i64, bool, String, Uuid, DateTime<Utc>, Option<i64>, Option<String>, Option<DateTime<Utc>>);

/// Several columns, read by their places.
macro_rules! tuple {
    ($($name:ident $place:tt),+) => {
        impl<$($name: for<'r> Cell<'r>),+> Record for ($($name,)+) {
            fn read(row: Row<'_>) -> Result<Self> {
                Ok(($(row.at::<$name>($place)?,)+))
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// A struct whose fields are named as the columns are.
macro_rules! record {
    ($record:ident { $($field:ident),+ $(,)? }) => {
        impl crate::store::sql::Record for $record {
            fn read(row: crate::store::sql::Row<'_>) -> crate::store::sql::Result<Self> {
                Ok($record { $($field: row.get(stringify!($field))?),+ })
            }
        }
    };
}

pub(super) use record;

#[cfg(test)]
mod tests {
    use super::in_arrays;

    #[test]
    fn lists_of_values_become_arrays_for_postgresql() {
        let text = "DELETE FROM a WHERE b IN (SELECT value FROM json_each($2)) AND (c OR d IN \
                    (SELECT value FROM json_each($1)))";
        let said = "DELETE FROM a WHERE b = ANY (ARRAY(SELECT value FROM json_each($2))) AND (c OR d \
                    = ANY (ARRAY(SELECT value FROM json_each($1))))";
        assert_eq!(in_arrays(text), said);
        assert_eq!(in_arrays("SELECT 1"), "SELECT 1");
    }
}
