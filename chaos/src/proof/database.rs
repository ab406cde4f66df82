//! A look into the database file itself, reading only: it is whole, tombstones are told, old bodies are kept.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::check::Check;
use crate::ledger::Account;
use crate::mirror::Mirror;

pub(super) async fn check(path: &Path, accounts: &[Account], mirror: &Mirror) -> anyhow::Result<[Check; 3]> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.context("the database could not be opened")?;
    let checks = [whole(&pool).await?, tombstones(&pool, mirror).await?, superseded(&pool, accounts).await?];
    pool.close().await;
    Ok(checks)
}

async fn whole(pool: &SqlitePool) -> anyhow::Result<Check> {
    let mut check = Check::new("database", "the database file is whole, and no group is left open");
    let faults: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(pool).await?;
    check.equal(|| "the integrity check".to_owned(), &faults, &vec!["ok".to_owned()]);
    let strangers = sqlx::query("PRAGMA foreign_key_check").fetch_all(pool).await?;
    check.equal(|| "rows that point at nothing".to_owned(), &strangers.len(), &0);
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM groups WHERE settled_at IS NULL").fetch_one(pool).await?;
    check.equal(|| "open groups".to_owned(), &open, &0);
    Ok(check)
}

/// Every removed row is a tombstone in the mirror with the same number, and the other way round.
async fn tombstones(pool: &SqlitePool, mirror: &Mirror) -> anyhow::Result<Check> {
    let mut check = Check::new("tombstones", "every removed row is removed in the mirror, by the same change");
    let removed: Vec<(String, i64)> = sqlx::query_as(
        "SELECT lower(hex(reports.id)), change_number FROM extracts JOIN reports ON reports.number = extracts.number \
         WHERE removed",
    )
    .fetch_all(pool)
    .await?;
    let removed: BTreeMap<String, i64> = removed.into_iter().collect();
    let mirrored: BTreeMap<String, i64> = (mirror.results.iter().filter(|(_, change)| change.removed))
        .map(|(id, change)| (id.replace('-', ""), change.number))
        .collect();
    for (id, number) in &removed {
        check.equal(|| format!("the tombstone of {id}"), &mirrored.get(id), &Some(number));
    }
    for (id, number) in mirrored.iter().filter(|(id, _)| !removed.contains_key(*id)) {
        check.expect(false, || format!("the mirror has a tombstone of {id} as of {number}, and nobody removed it"));
    }
    Ok(check)
}

/// A correction keeps the bytes it replaces.
async fn superseded(pool: &SqlitePool, accounts: &[Account]) -> anyhow::Result<Check> {
    let mut check = Check::new("history", "every acknowledged revision that was replaced is still stored");
    let stored: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT lower(hex(reports.id)), superseded_bodies.revision, lower(hex(superseded_bodies.digest)) \
         FROM superseded_bodies JOIN reports ON reports.number = superseded_bodies.number",
    )
    .fetch_all(pool)
    .await?;
    let stored: BTreeMap<(String, i64), String> =
        stored.into_iter().map(|(id, revision, digest)| ((id, revision), digest)).collect();
    for account in accounts {
        let Some((last, _)) = account.acknowledged.last_key_value() else { continue };
        for (revision, digest) in account.acknowledged.range(..last) {
            let found = stored.get(&(account.id.replace('-', ""), *revision));
            check.equal(|| format!("revision {revision} of {}", account.id), &found, &Some(digest));
        }
    }
    Ok(check)
}
