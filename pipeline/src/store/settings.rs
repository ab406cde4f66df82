//! Settings that all processes share, kept in the database.

use chrono::{DateTime, Utc};

use super::{Result, Store, Tx};

impl Store {
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?)
    }
}

impl Tx {
    pub async fn put_setting(&mut self, name: &str, value: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "INSERT INTO settings (name, value, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
        )
        .bind(name)
        .bind(value)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
