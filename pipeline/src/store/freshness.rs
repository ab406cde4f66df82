//! How up to date an answer is.

use chrono::{DateTime, Utc};
use schemas::views::Freshness;

use super::sql::{On, query};
use super::{Result, Store};

impl Store {
    /// The newest change number, what waits, and since when. `now` is what "all" means when nothing waits.
    pub async fn freshness(&self, now: DateTime<Utc>) -> Result<Freshness> {
        freshness(&self.readers, now).await
    }

    /// Newest change number.
    pub async fn head(&self) -> Result<i64> {
        Ok(query("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&self.readers).await?)
    }
}

pub(super) async fn freshness(on: impl Into<On<'_>>, now: DateTime<Utc>) -> Result<Freshness> {
    let (head, waiting, oldest): (i64, i64, Option<DateTime<Utc>>) = query(
        "SELECT (SELECT value FROM counters WHERE name = 'changes'), \
         CAST(COALESCE(sum(reports), 0) AS BIGINT), min(created_at) FROM groups WHERE settled_at IS NULL",
    )
    .fetch_one(on)
    .await?;
    Ok(Freshness { fresh_at: oldest.unwrap_or(now), head, waiting })
}
