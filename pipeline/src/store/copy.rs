//! Rows of whole tables with all their columns: what a copy of a database reads, writes and compares.
//!
//! Columns are asked of the database itself, so that one added by a later migration is not forgotten.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use schemas::ids::Digest;
use serde_json::Value as Json;
use uuid::Uuid;

use super::bulk::Bulk;
use super::sql::{self, Row, Statement, Value, query, query_either};
use super::{Month, Result, Store, StoreError, Tx};

/// A table that a copy moves.
#[derive(Debug, PartialEq, Eq)]
pub struct CopiedTable {
    pub name: &'static str,
    /// Columns that name a row; rows are read in their order.
    key: &'static [&'static str],
    /// Rows read and written at once.
    page: i64,
    /// Whether the database numbers new rows.
    numbered: bool,
}

/// All that is copied, each table after those it refers to. Jobs and signs of life are of the processes that work on a
/// database, not of what it holds.
pub static TABLES: [CopiedTable; 17] = [
    table("counters", &["name"]),
    table("settings", &["name"]),
    numbered("testers"),
    table("tokens", &["id"]),
    numbered("groups"),
    table("attempts", &["group_number", "attempt"]),
    numbered("reports"),
    CopiedTable { page: 200, ..table("bodies", &["number"]) },
    CopiedTable { page: 200, ..table("superseded_bodies", &["number", "revision"]) },
    numbered("releases"),
    table("summaries", &["release", "development", "patched"]),
    table("matrix_cells", &["release", "language_version", "os", "architecture"]),
    table("extracts", &["number"]),
    table("withdrawals", &["number"]),
    table("dropped_months", &["place", "month"]),
    numbered("rebuilds"),
    numbered("uploads"),
];

const fn table(name: &'static str, key: &'static [&'static str]) -> CopiedTable {
    CopiedTable { name, key, page: 1000, numbered: false }
}

const fn numbered(name: &'static str) -> CopiedTable {
    CopiedTable { numbered: true, ..table(name, &["number"]) }
}

/// Name of the setting in which the target keeps how far a copy has come. It is no part of what is copied.
const RECORD: &str = "copy";

/// A table's columns, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    table: &'static CopiedTable,
    columns: Vec<(String, Kind)>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Boolean,
    Text,
    Bytes,
    Time,
    Id,
}

/// The key of a row, as a JSON array: where in a table a copy has come to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Place(Vec<Json>);

/// Rows of one table in the order of their keys.
#[derive(Debug)]
pub struct TableRows(Vec<Vec<Value<'static>>>);

/// What a database has come to: when this is the same, nothing was accepted or processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moment {
    /// Newest change number.
    pub head: i64,
    /// Greatest number of a report.
    pub report: i64,
    /// Greatest number of a group.
    pub group: i64,
}

/// All rows of a table in one figure that is the same on both databases.
///
/// The rows' digests are added up, so that their order does not matter: a text with NUL characters has another place
/// among PostgreSQL's, which hold U+FFFD instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    digest: [u64; 4],
}

impl Store {
    pub async fn layout(&self, table: &'static CopiedTable) -> Result<Layout> {
        let mut columns: Vec<(String, String)> = query_either(
            "SELECT name, type FROM pragma_table_info($1)",
            "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1",
        )
        .bind(table.name)
        .fetch_all(&self.readers)
        .await?;
        if table.name == "bodies" && !self.shared() {
            columns.push(("received_at".to_owned(), "DATETIME".to_owned()));
        }
        columns.sort();
        let of_kind = |(name, declared): (String, String)| {
            let kind = match (table.name, name.as_str()) {
                // SQLite has no type of its own for it.
                ("reports", "id") => Kind::Id,
                _ => Kind::of(&declared).ok_or(StoreError::Inconsistent { table: table.name, number: 0 })?,
            };
            Ok((name, kind))
        };
        Ok(Layout { table, columns: columns.into_iter().map(of_kind).collect::<Result<_>>()? })
    }

    /// How many rows a table has.
    pub async fn row_count(&self, table: &CopiedTable) -> Result<u64> {
        let (sqlite, postgres) = source(table);
        let count: i64 =
            query_either(format!("SELECT count(*) FROM {sqlite}"), format!("SELECT count(*) FROM {postgres}"))
                .fetch_one(&self.readers)
                .await?;
        Ok(count.unsigned_abs())
    }

    /// The next rows behind a place. `None`: from the beginning.
    pub async fn rows_after(&self, layout: &Layout, place: Option<&Place>) -> Result<TableRows> {
        let read = |row: Row<'_>| layout.columns.iter().map(|(name, kind)| kind.read(row, name)).collect();
        Ok(TableRows(layout.select(place)?.fetch_with(&self.readers, read).await?))
    }

    pub async fn moment(&self) -> Result<Moment> {
        let (head, report, group) = query(
            "SELECT (SELECT value FROM counters WHERE name = 'changes'), \
             (SELECT COALESCE(max(number), 0) FROM reports), (SELECT COALESCE(max(number), 0) FROM groups)",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Moment { head, report, group })
    }

    /// What the copy that fills this database has kept last. `None`: none has begun.
    pub async fn copy_record(&self) -> Result<Option<String>> {
        self.setting(RECORD).await
    }
}

impl Tx {
    /// Stores rows as they are.
    pub async fn insert_rows(&mut self, layout: &Layout, rows: &TableRows) -> Result<()> {
        let table = layout.table;
        let postgres = self.shared();
        // SQLite's bodies have the time of receipt from their reports.
        let stored: Vec<usize> = (0..layout.columns.len())
            .filter(|place| postgres || table.name != "bodies" || layout.columns[*place].0 != "received_at")
            .collect();
        let names: Vec<&str> = stored.iter().map(|place| layout.columns[*place].0.as_str()).collect();
        let numbers = if postgres && table.numbered { " OVERRIDING SYSTEM VALUE" } else { "" };
        let head = format!("INSERT INTO {} ({}){numbers}", table.name, names.join(", "));
        // A database is made with its counter.
        let tail = match table.name {
            "counters" => "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            _ => "",
        };
        let insert = Bulk { head: &head, columns: stored.len(), tail };
        insert
            .execute(self.connection(), &rows.0, |values, row| {
                for place in &stored {
                    values.push(lent(&row[*place]));
                }
            })
            .await?;
        Ok(())
    }

    /// Lets new rows be numbered above those there are. SQLite does so by itself.
    pub async fn continue_numbers(&mut self, table: &CopiedTable) -> Result<()> {
        if table.numbered && self.shared() {
            let name = table.name;
            query(format!(
                "SELECT setval(pg_get_serial_sequence('{name}', 'number'), max(number)) FROM {name} \
                 HAVING count(*) > 0"
            ))
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// As [`Store::copy_record`], under the write lock.
    pub async fn copy_record(&mut self) -> Result<Option<String>> {
        let kept = query("SELECT value FROM settings WHERE name = $1").bind(RECORD);
        Ok(kept.fetch_optional(self.connection()).await?)
    }

    pub async fn keep_copy_record(&mut self, record: &str, now: DateTime<Utc>) -> Result<()> {
        self.keep_setting(RECORD, record, now).await
    }
}

impl Layout {
    pub fn table(&self) -> &'static CopiedTable {
        self.table
    }

    fn select(&self, place: Option<&Place>) -> Result<Statement<'static>> {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let (columns, key, page) = (columns.join(", "), self.table.key, self.table.page);
        let slots: Vec<String> = (1..=key.len()).map(|slot| format!("${slot}")).collect();
        let sql = |from: &str, key: &[String]| {
            let (key, slots) = (key.join(", "), slots.join(", "));
            let after = if place.is_some() { format!("WHERE ({key}) > ({slots})") } else { String::new() };
            format!("SELECT {columns} FROM {from} {after} ORDER BY {key} LIMIT {page}")
        };
        let (sqlite, postgres) = source(self.table);
        let plain: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        // Texts are in the order of their bytes, whatever the database's collation is.
        let collated = |name: &&str| match self.kind(name) {
            Some(Kind::Text) => format!("{name} COLLATE \"C\""),
            _ => (*name).to_owned(),
        };
        let collated: Vec<String> = key.iter().map(collated).collect();
        let mut statement = query_either(sql(&sqlite, &plain), sql(&postgres, &collated));
        for (name, value) in key.iter().zip(place.map_or(&[][..], |place| &place.0)) {
            statement = statement.bind(self.key_value(name, value)?);
        }
        Ok(statement)
    }

    fn kind(&self, column: &str) -> Option<Kind> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, kind)| *kind)
    }

    fn key_value(&self, column: &str, value: &Json) -> Result<Value<'static>> {
        let value = match (self.kind(column), value) {
            (Some(Kind::Integer), Json::Number(number)) => number.as_i64().map(Value::from),
            (Some(Kind::Boolean), Json::Bool(value)) => Some(Value::from(*value)),
            (Some(Kind::Text), Json::String(text)) => Some(Value::from(text.clone())),
            _ => None,
        };
        value.ok_or(StoreError::Inconsistent { table: "settings", number: 0 })
    }
}

/// Where a table's rows are read from, on SQLite and on PostgreSQL.
fn source(table: &CopiedTable) -> (String, String) {
    let postgres = match table.name {
        "settings" => format!("(SELECT * FROM settings WHERE name <> '{RECORD}') AS settings"),
        name => name.to_owned(),
    };
    let sqlite = match table.name {
        "bodies" => "(SELECT bodies.*, reports.received_at AS received_at FROM bodies \
                     JOIN reports ON reports.number = bodies.number) AS bodies"
            .to_owned(),
        _ => postgres.clone(),
    };
    (sqlite, postgres)
}

impl TableRows {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place behind the last of them.
    pub fn end(&self, layout: &Layout) -> Option<Place> {
        let last = self.0.last()?;
        let key = layout.table.key.iter().filter_map(|key| {
            let place = layout.columns.iter().position(|(name, _)| name == key)?;
            match &last[place] {
                Value::Integer(value) => Some(Json::from(*value)),
                Value::Boolean(value) => Some(Json::from(*value)),
                Value::Text(value) => Some(Json::from(value.as_deref())),
                Value::Bytes(_) | Value::Time(_) | Value::Id(_) => None,
            }
        });
        Some(Place(key.collect()))
    }

    /// How many of their texts have NUL characters, which PostgreSQL cannot hold.
    pub fn nul_texts(&self) -> u64 {
        let nul = |value: &&Value<'_>| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        self.0.iter().map(|row| row.iter().filter(nul).count() as u64).sum()
    }

    /// The months of receipt of bodies among them.
    pub fn months(&self, layout: &Layout) -> Vec<Month> {
        let received = layout.columns.iter().position(|(name, _)| name == "received_at");
        let mut months: Vec<Month> = match received {
            Some(place) if layout.table.name.ends_with("bodies") => self
                .0
                .iter()
                .filter_map(|row| if let Value::Time(at) = row[place] { at } else { None })
                .map(Month::of)
                .collect(),
            _ => Vec::new(),
        };
        months.sort_unstable();
        months.dedup();
        months
    }
}

impl Sum {
    pub fn add(&mut self, rows: &TableRows) {
        let mut form = Vec::new();
        for row in &rows.0 {
            form.clear();
            row.iter().for_each(|value| write_canonical(value, &mut form));
            let digest = Digest::of(&form).0;
            for (sum, part) in self.digest.iter_mut().zip(digest.as_chunks::<8>().0) {
                *sum = sum.wrapping_add(u64::from_be_bytes(*part));
            }
            self.rows += 1;
        }
    }

    /// In hexadecimal.
    pub fn digest(&self) -> String {
        self.digest.iter().map(|part| format!("{part:016x}")).collect()
    }
}

/// A value in a form of its own: a letter, then the bytes, with their number where it differs.
fn write_canonical(value: &Value<'_>, form: &mut Vec<u8>) {
    let mut sized = |letter: u8, bytes: &[u8]| {
        form.push(letter);
        form.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        form.extend_from_slice(bytes);
    };
    match value {
        Value::Integer(None) | Value::Boolean(None) | Value::Text(None) | Value::Time(None) => form.push(b'-'),
        Value::Integer(Some(number)) => sized(b'i', &number.to_be_bytes()),
        Value::Boolean(Some(value)) => sized(b'b', &[u8::from(*value)]),
        Value::Text(Some(text)) => sized(b't', sql::storable(Cow::Borrowed(text)).as_bytes()),
        Value::Bytes(bytes) => sized(b'x', bytes),
        // Microseconds are what both databases keep.
        Value::Time(Some(time)) => sized(b'd', &time.timestamp_micros().to_be_bytes()),
        Value::Id(id) => sized(b'u', id.as_bytes()),
    }
}

/// The same value without its bytes copied.
fn lent<'t>(value: &'t Value<'static>) -> Value<'t> {
    match value {
        Value::Text(text) => Value::Text(text.as_deref().map(Cow::Borrowed)),
        Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        other => other.clone(),
    }
}

impl Kind {
    /// By the name that either database has for it.
    fn of(declared: &str) -> Option<Kind> {
        match declared {
            "INTEGER" | "BIGINT" | "bigint" => Some(Kind::Integer),
            "BOOLEAN" | "boolean" => Some(Kind::Boolean),
            "TEXT" | "text" => Some(Kind::Text),
            "BLOB" | "bytea" => Some(Kind::Bytes),
            "DATETIME" | "timestamp with time zone" => Some(Kind::Time),
            "uuid" => Some(Kind::Id),
            _ => None,
        }
    }

    fn read(self, row: Row<'_>, column: &str) -> sql::Result<Value<'static>> {
        Ok(match self {
            Kind::Integer => Value::Integer(row.get(column)?),
            Kind::Boolean => Value::Boolean(row.get(column)?),
            Kind::Text => Value::Text(row.get::<Option<String>>(column)?.map(Cow::Owned)),
            Kind::Bytes => Value::Bytes(Cow::Owned(row.get::<Vec<u8>>(column)?)),
            Kind::Time => Value::Time(row.get(column)?),
            Kind::Id => Value::Id(row.get::<Uuid>(column)?),
        })
    }
}
