//! The whole content of a database as text, to tell whether anything in it has changed.

use std::collections::BTreeMap;

use crate::raw::Raw;

/// Rows by table, each row as SQL would write its values.
pub async fn dump(raw: &Raw) -> BTreeMap<String, Vec<String>> {
    let tables: Vec<String> = raw
        .values(raw.either(
            "SELECT name FROM sqlite_master WHERE type = 'table'",
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'apalis')",
        ))
        .await;
    let mut content = BTreeMap::new();
    for table in tables {
        let sql = match raw {
            Raw::Sqlite(_) => {
                let columns = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
                let columns: Vec<String> = raw.values(columns).await;
                format!("SELECT {} AS line FROM \"{table}\" ORDER BY line", columns.join(" || ',' || "))
            }
            Raw::Postgres(_) => format!("SELECT CAST(row AS TEXT) AS line FROM {table} AS row ORDER BY line"),
        };
        content.insert(table, raw.values(sql).await);
    }
    assert!(content.values().any(|rows: &Vec<String>| !rows.is_empty()));
    content
}
