//! The whole content of a database as text, to tell whether anything in it has changed.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, SqlitePool};

/// Rows by table, each row as SQL would write its values.
pub async fn dump(raw: &SqlitePool) -> BTreeMap<String, Vec<String>> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(raw).await.unwrap();
    let mut content = BTreeMap::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info(?)")
            .bind(&table)
            .fetch_all(raw)
            .await
            .unwrap();
        let sql = format!("SELECT {} AS line FROM \"{table}\" ORDER BY line", columns.join(" || ',' || "));
        content.insert(table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(raw).await.unwrap());
    }
    assert!(content.values().any(|rows| !rows.is_empty()));
    content
}
