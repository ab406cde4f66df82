//! What is found in a SQLite file.

use std::path::Path;

use anyhow::Context as _;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::database::Contents;

pub(super) async fn read(path: &Path) -> anyhow::Result<Contents> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.context("the database could not be opened")?;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM groups WHERE settled_at IS NULL").fetch_one(&pool).await?;
    let removed: Vec<(String, i64)> = sqlx::query_as(
        "SELECT lower(hex(reports.id)), change_number FROM extracts JOIN reports ON reports.number = extracts.number \
         WHERE removed",
    )
    .fetch_all(&pool)
    .await?;
    let superseded: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT lower(hex(reports.id)), superseded_bodies.revision, lower(hex(superseded_bodies.digest)) \
         FROM superseded_bodies JOIN reports ON reports.number = superseded_bodies.number",
    )
    .fetch_all(&pool)
    .await?;
    let contents = Contents {
        faults: faults(&pool).await?,
        looked_at: 2,
        open_groups: open,
        removed: removed.into_iter().collect(),
        superseded: superseded.into_iter().map(|(id, revision, digest)| ((id, revision), digest)).collect(),
    };
    pool.close().await;
    Ok(contents)
}

async fn faults(pool: &SqlitePool) -> anyhow::Result<Vec<(String, String)>> {
    let told: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(pool).await?;
    let strangers = sqlx::query("PRAGMA foreign_key_check").fetch_all(pool).await?;
    let mut faults: Vec<(String, String)> =
        (told.into_iter().filter(|line| line != "ok")).map(|line| ("the integrity check".to_owned(), line)).collect();
    if !strangers.is_empty() {
        faults.push(("rows that point at nothing".to_owned(), strangers.len().to_string()));
    }
    Ok(faults)
}
