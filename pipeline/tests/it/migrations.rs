//! Both sides of the migrations make the same schema, and a database is only opened by a version that knows its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pipeline::accept::Acceptance::Accepted;
use pipeline::store::{Store, StoreError};
use sqlx::migrate::MigrateError;

use crate::raw::Raw;
use crate::stack::{Stack, id, report};

/// A schema as both databases can tell it, in PostgreSQL's words.
#[derive(Debug, PartialEq)]
struct Schema {
    /// By table: name, type, whether it must hold something, and what it holds by itself.
    columns: BTreeMap<String, Vec<Column>>,
    /// Tables whose rows are numbered by the database.
    numbered: BTreeSet<String>,
    /// Primary keys, uniqueness and references.
    keys: BTreeSet<String>,
    /// By name: what is unique, of what, under what condition.
    indexes: BTreeMap<String, String>,
}

type Column = (String, String, bool, Option<String>);

/// Tables of sqlx and of the queue.
const OTHERS: &str = "('assay_migrations', '_sqlx_migrations', 'Jobs', 'Workers', 'sqlite_sequence')";

async fn schema(raw: &Raw) -> Schema {
    match raw {
        Raw::Sqlite(_) => sqlite_schema(raw).await,
        Raw::Postgres(_) => postgres_schema(raw).await,
    }
}

async fn sqlite_schema(raw: &Raw) -> Schema {
    let tables: Vec<String> =
        raw.values(format!("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN {OTHERS}")).await;
    let (mut columns, mut numbered, mut keys) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for table in &tables {
        let sql =
            format!("SELECT name, type, \"notnull\" <> 0, dflt_value FROM pragma_table_info('{table}') ORDER BY cid");
        let of_table: Vec<Column> = raw.rows(sql).await;
        let of_table = of_table.into_iter().map(|(name, kind, required, default)| {
            let kind = postgres_type(table, &name, &kind).to_owned();
            (name, kind, required, default.map(|default| default.to_lowercase()))
        });
        columns.insert(table.clone(), of_table.collect());
        let primary = format!("SELECT name, type FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk");
        let primary: Vec<(String, String)> = raw.rows(primary).await;
        let names: Vec<&str> = primary.iter().map(|(name, _)| name.as_str()).collect();
        keys.insert(format!("{table} PRIMARY KEY ({})", names.join(", ")));
        let unique: Vec<String> =
            raw.values(format!("SELECT name FROM pragma_index_list('{table}') WHERE origin = 'u'")).await;
        for index in unique {
            let of_index: Vec<String> =
                raw.values(format!("SELECT name FROM pragma_index_info('{index}') ORDER BY seqno")).await;
            keys.insert(format!("{table} UNIQUE ({})", of_index.join(", ")));
        }
        let references = format!("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list('{table}')");
        let references: Vec<(String, String, String)> = raw.rows(references).await;
        for (from, other, to) in &references {
            keys.insert(format!("{table} FOREIGN KEY ({from}) REFERENCES {other}({to})"));
        }
        // A key that is one whole number, and nobody else's, is the row's own number, and given by SQLite.
        if let [(name, kind)] = primary.as_slice()
            && kind == "INTEGER"
            && references.iter().all(|(from, _, _)| from != name)
        {
            numbered.insert(table.clone());
        }
    }
    let sql =
        format!("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name NOT IN {OTHERS}");
    let indexes: Vec<(String, String)> = raw.rows(sql).await;
    Schema { columns, numbered, keys, indexes: indexes.into_iter().map(|(name, sql)| (name, plain(&sql))).collect() }
}

async fn postgres_schema(raw: &Raw) -> Schema {
    // Partitions have what their tables have.
    let tables = format!(
        "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
         AND NOT relispartition AND relname NOT IN {OTHERS}"
    );
    let of_columns = format!(
        "SELECT attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod), attnotnull, \
         pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
         WHERE attrelid IN ({tables}) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum"
    );
    let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for (table, name, kind, required, default) in
        raw.rows::<(String, String, String, bool, Option<String>)>(of_columns).await
    {
        columns.entry(table).or_default().push((name, kind, required, default));
    }
    let numbered = "SELECT attrelid::regclass::text FROM pg_attribute WHERE attidentity <> ''";
    let keys = format!(
        "SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE contype IN ('p', 'u', 'f') AND conrelid IN ({tables}) AND conparentid = 0"
    );
    let indexes = format!(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN ({tables}) \
         AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))"
    );
    let indexes: Vec<(String, String)> = raw.rows(indexes).await;
    Schema {
        columns,
        numbered: raw.values(numbered).await.into_iter().collect(),
        keys: raw.values(keys).await.into_iter().collect(),
        indexes: indexes.into_iter().map(|(name, sql)| (name, plain(&sql))).collect(),
    }
}

/// An index's words without what only one database says of it.
fn plain(sql: &str) -> String {
    let alike = [("public.", ""), (" USING btree", ""), ("::text", ""), (" = ANY (ARRAY[", " IN ("), ("])", ")")];
    let text = alike.iter().fold(sql.to_owned(), |text, (from, to)| text.replace(from, to));
    let words: Vec<&str> = text.split(|letter: char| letter.is_whitespace() || "()".contains(letter)).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The type PostgreSQL has for what SQLite calls so.
fn postgres_type(table: &str, column: &str, sqlite: &str) -> &'static str {
    match (sqlite, table, column) {
        ("BLOB", "reports", "id") => "uuid",
        ("BLOB", ..) => "bytea",
        ("INTEGER" | "BIGINT", ..) => "bigint",
        ("DATETIME", ..) => "timestamp with time zone",
        ("TEXT", ..) => "text",
        ("BOOLEAN", ..) => "boolean",
        other => panic!("no type is known for {other:?}"),
    }
}

fn files(side: &str) -> Vec<String> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(side);
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_sides_have_files_of_the_same_names() {
    assert_eq!(files("sqlite"), files("postgres"));
    assert!(!files("sqlite").is_empty());
}

#[tokio::test]
async fn both_sides_make_the_same_tables_columns_keys_and_indexes() {
    let Some(postgres) = Stack::shared().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("assay.db");
    Store::open(&path).await.unwrap().migrate().await.unwrap();
    let mut expected = schema(&Raw::sqlite(&path).await).await;
    let (tables, keys, indexes) = (expected.columns.len(), expected.keys.len(), expected.indexes.len());
    assert!(tables > 10 && keys > 20 && indexes > 10 && expected.numbered.len() > 3, "{expected:?}");

    // What is cut by month has the month's column in each of its keys.
    let received_at = ("received_at".to_owned(), "timestamp with time zone".to_owned(), true, None);
    expected.columns.get_mut("bodies").unwrap().insert(1, received_at);
    for (table, key) in [("bodies", "number"), ("superseded_bodies", "number, revision")] {
        assert!(expected.keys.remove(&format!("{table} PRIMARY KEY ({key})")));
        expected.keys.insert(format!("{table} PRIMARY KEY ({key}, received_at)"));
    }
    // What is written most refers to other rows without the database looking for them.
    for (table, column, other) in [
        ("reports", "tester", "testers"),
        ("reports", "group_number", "groups"),
        ("bodies", "number", "reports"),
        ("extracts", "number", "reports"),
        ("extracts", "release", "releases"),
        ("extracts", "tester", "testers"),
    ] {
        assert!(expected.keys.remove(&format!("{table} FOREIGN KEY ({column}) REFERENCES {other}(number)")));
    }
    let found = schema(&postgres.raw().await).await;
    assert_eq!(found.columns, expected.columns);
    assert_eq!(found.numbered, expected.numbered);
    assert_eq!(found.keys, expected.keys);
    assert_eq!(found.indexes, expected.indexes);
}

#[tokio::test]
async fn migrating_twice_is_as_good_as_once() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let before = schema(&raw).await;
    stack.store().migrate().await.unwrap();
    stack.other_store().await.migrate().await.unwrap();
    assert_eq!(schema(&raw).await, before);
    let steps = stack.store().migrations().await.unwrap();
    assert_eq!(steps.len(), files("sqlite").len());
    assert!(steps.iter().all(|(_, _, applied_at)| applied_at.is_some()), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_that_migrate_at_once_do_it_once() {
    let Some(url) = services::postgres() else { return };
    let database = services::fresh_database(&url);
    let stores: Vec<Store> = (0..6).map(|_| Store::postgres(database.url()).unwrap()).collect();
    let migrating = stores.iter().cloned().map(|store| tokio::spawn(async move { store.migrate().await }));
    for migrated in futures::future::join_all(migrating).await {
        migrated.unwrap().unwrap();
    }
    let raw = Raw::postgres(database.url()).await;
    let applied: Vec<i64> = raw.values("SELECT version FROM assay_migrations ORDER BY installed_on").await;
    assert_eq!(applied.len(), files("postgres").len());
    assert!(applied.is_sorted(), "{applied:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_unless_that_says_it_fits_this_one() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let sql = format!(
        "INSERT INTO assay_migrations (version, description, success, checksum, execution_time) \
         VALUES (29991231000001, 'of a newer version', TRUE, {}, 1)",
        raw.bytes(&[0])
    );
    raw.run(sql).await;
    // As the newer version leaves it that can be rolled out beside this one.
    let other = stack.other_store().await;
    other.migrate().await.unwrap();
    assert_eq!(stack.accept(&id(1), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await, Accepted);
    stack.work_off().await;
    assert_eq!(other.totals().await.unwrap().pass, 1);

    raw.run("UPDATE counters SET value = 29991231000001 WHERE name = 'oldest_schema'").await;
    stack.store().close().await;

    let error = stack.other_store().await.migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(MigrateError::VersionMissing(29_991_231_000_001))), "{error:?}");
    let text = pipeline::accept::chain(&error);
    assert!(text.starts_with("the database could not be brought to this version's schema: "), "{text}");
    assert!(text.contains("29991231000001"), "{text}");
    assert!(!error.transient());
}

#[tokio::test]
async fn a_migration_that_was_applied_in_another_wording_is_refused() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    raw.run(format!("UPDATE assay_migrations SET checksum = {}", raw.bytes(&[0]))).await;
    let error = stack.store().migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(MigrateError::VersionMismatch(_))), "{error:?}");
}
