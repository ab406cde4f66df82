//! Both sides of the migrations say the same, and a database is only opened by a version that knows its schema.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline::store::{Store, StoreError};
use sqlx::migrate::MigrateError;

use crate::stack::Stack;

/// Columns in their order: name, type, and whether it must hold something.
type Tables = BTreeMap<String, Vec<(String, String, bool)>>;

fn folder(side: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(side)
}

fn files(side: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder(side))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The statements of one side, comments left out, each with single spaces.
fn statements(side: &str) -> Vec<String> {
    let mut statements = Vec::new();
    for file in files(side) {
        let text = std::fs::read_to_string(folder(side).join(file)).unwrap();
        let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap()).collect();
        let code = code.join(" ");
        statements.extend(code.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// What stands between the outermost parentheses, cut at its commas.
fn parts(statement: &str) -> Vec<String> {
    let (open, close) = (statement.find('(').unwrap(), statement.rfind(')').unwrap());
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for character in statement[open + 1..close].chars() {
        match character {
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn tables(side: &str) -> Tables {
    let mut tables = Tables::new();
    for statement in statements(side) {
        if let Some((name, column)) = added_column(&statement) {
            tables.get_mut(name).expect("a column is added to a table that is there").push(column_of(column));
        }
        let Some(rest) = statement.strip_prefix("CREATE TABLE ") else { continue };
        let name = rest.split(' ').next().unwrap().to_owned();
        let columns = parts(&statement)
            .into_iter()
            .filter(|part| !part.starts_with("PRIMARY KEY") && !part.starts_with("UNIQUE"));
        let columns = columns.map(|part| column_of(&part));
        assert!(tables.insert(name, columns.collect()).is_none());
    }
    assert!(!tables.is_empty());
    tables
}

/// Name, type, and whether it must hold something.
fn column_of(definition: &str) -> (String, String, bool) {
    let mut words = definition.split(' ');
    let (name, kind) = (words.next().unwrap(), words.next().unwrap());
    (name.to_owned(), kind.to_owned(), definition.contains("NOT NULL"))
}

/// The table that a later migration adds a column to, and the column.
fn added_column(statement: &str) -> Option<(&str, &str)> {
    statement.strip_prefix("ALTER TABLE ")?.split_once(" ADD COLUMN ")
}

/// The type PostgreSQL has for what SQLite calls so.
fn postgres_type(table: &str, column: &str, sqlite: &str) -> &'static str {
    match (sqlite, table, column) {
        ("BLOB", "reports", "id") => "UUID",
        ("BLOB", ..) => "BYTEA",
        ("INTEGER" | "BIGINT", ..) => "BIGINT",
        ("DATETIME", ..) => "TIMESTAMPTZ",
        ("TEXT", ..) => "TEXT",
        ("BOOLEAN", ..) => "BOOLEAN",
        other => panic!("no type is known for {other:?}"),
    }
}

#[test]
fn both_sides_have_files_of_the_same_names() {
    assert_eq!(files("sqlite"), files("postgres"));
    assert!(!files("sqlite").is_empty());
}

#[test]
fn both_sides_have_the_same_tables_columns_and_indexes() {
    let mut expected = tables("sqlite");
    for (table, columns) in &mut expected {
        for (name, kind, _) in columns {
            *kind = postgres_type(table, name, kind).to_owned();
        }
    }
    assert_eq!(tables("postgres"), expected);
    let others = |side: &str| {
        let mut others = statements(side);
        others.retain(|statement| !statement.starts_with("CREATE TABLE ") && added_column(statement).is_none());
        others
    };
    assert_eq!(others("postgres"), others("sqlite"));
}

#[test]
fn both_sides_have_the_same_keys_and_references() {
    let keys = |side: &str| {
        let mut keys = Vec::new();
        for statement in statements(side).iter().filter(|statement| statement.starts_with("CREATE TABLE ")) {
            let table = statement.split(' ').nth(2).unwrap();
            for part in parts(statement) {
                let name = part.split(' ').next().unwrap();
                for word in ["PRIMARY KEY", "UNIQUE", "REFERENCES", "DEFAULT"] {
                    if let Some(at) = part.find(word) {
                        let of_table = matches!(name, "PRIMARY" | "UNIQUE");
                        let rest =
                            part[at..].replace(" AUTOINCREMENT", "").replace(" GENERATED ALWAYS AS IDENTITY", "");
                        keys.push(format!("{table} {} {rest}", if of_table { "" } else { name }));
                    }
                }
            }
        }
        keys
    };
    assert_eq!(keys("postgres"), keys("sqlite"));
    assert!(keys("sqlite").len() > 20);
}

#[tokio::test]
async fn a_migrated_database_has_every_table_and_column() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let expected = tables("sqlite");
    for (table, columns) in expected {
        let found: Vec<(String, String)> = sqlx::query_as("SELECT name, type FROM pragma_table_info(?) ORDER BY cid")
            .bind(&table)
            .fetch_all(&raw)
            .await
            .unwrap();
        let columns: Vec<(String, String)> = columns.into_iter().map(|(name, kind, _)| (name, kind)).collect();
        assert_eq!(found, columns, "of {table}");
    }
}

#[tokio::test]
async fn migrating_twice_is_as_good_as_once() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let schema =
        || sqlx::query_scalar::<_, String>("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name");
    let before = schema().fetch_all(&raw).await.unwrap();
    stack.store().migrate().await.unwrap();
    assert_eq!(schema().fetch_all(&raw).await.unwrap(), before);
    let steps = stack.store().migrations().await.unwrap();
    assert_eq!(steps.len(), files("sqlite").len());
    assert!(steps.iter().all(|(_, _, applied_at)| applied_at.is_some()), "{steps:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let stack = Stack::new().await;
    let sql = "INSERT INTO assay_migrations (version, description, success, checksum, execution_time) \
               VALUES (29991231000001, 'of a newer version', TRUE, x'00', 1)";
    sqlx::query(sql).execute(&stack.raw().await).await.unwrap();
    stack.store().close().await;

    let store = Store::open(&stack.directory.path().join("assay.db")).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(MigrateError::VersionMissing(29_991_231_000_001))), "{error:?}");
    let text = pipeline::accept::chain(&error);
    assert!(text.starts_with("the database could not be brought to this version's schema: "), "{text}");
    assert!(text.contains("29991231000001"), "{text}");
    assert!(!error.transient());
}

#[tokio::test]
async fn a_migration_that_was_applied_in_another_wording_is_refused() {
    let stack = Stack::new().await;
    sqlx::query("UPDATE assay_migrations SET checksum = x'00'").execute(&stack.raw().await).await.unwrap();
    let error = stack.store().migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(MigrateError::VersionMismatch(_))), "{error:?}");
}
