//! Bytes that are dropped by their month of receipt, and what is remembered of them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::groups::GroupNumber;
use super::months::{Month, partition};
use super::sql::{self, Record, Row, query, query_either};
use super::{Result, Store, Tx};

/// A table that holds bytes by the month in which their report was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyTable {
    /// The newest of each report.
    Bodies,
    /// Those that corrections have replaced.
    SupersededBodies,
}

/// A month whose bytes were dropped, all of them or those before it was cut short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DroppedMonth {
    pub table: BodyTable,
    pub month: Month,
    /// Bodies that went.
    pub bodies: i64,
    /// What they took, packed as they were.
    pub bytes: i64,
    pub begun_at: DateTime<Utc>,
    /// When the last of them went. `None`: some may be left, or have come since.
    pub ended_at: Option<DateTime<Utc>>,
}

impl DroppedMonth {
    /// When the bytes went, as far as is known.
    pub fn at(&self) -> DateTime<Utc> {
        self.ended_at.unwrap_or(self.begun_at)
    }
}

/// Longest wait for a table to be free while intake waits as well. Readers hold it for milliseconds, and a dump of the
/// database for hours.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '300ms'";

const DROPPED: &str = "SELECT place, month, bodies, bytes, begun_at, ended_at FROM dropped_months";

/// That a month has been dropped, or is being. One of which nothing has gone yet does not count.
const GONE: &str = "(bodies > 0 OR ended_at IS NOT NULL)";

const HAS_BODY: &str = "SELECT EXISTS (SELECT 1 FROM bodies WHERE number = $1)";

/// The condition that a report's newest bytes were dropped, if they are not there: bytes of a report without an outcome
/// never are.
pub(super) fn may_be_dropped() -> String {
    format!(
        "reports.state IN ('processed', 'rejected') AND EXISTS (SELECT 1 FROM dropped_months WHERE place = 'bodies' \
         AND reports.received_at >= begins_at AND reports.received_at < ends_at AND {GONE})"
    )
}

impl Store {
    /// What is known of all months that were dropped, by table and month.
    pub async fn dropped_months(&self) -> Result<Vec<DroppedMonth>> {
        Ok(query(format!("{DROPPED} ORDER BY place, month")).fetch_all(&self.readers).await?)
    }

    /// Whether the month of a moment was dropped.
    pub async fn dropped_month(&self, table: BodyTable, at: DateTime<Utc>) -> Result<Option<DroppedMonth>> {
        let sql = format!("{DROPPED} WHERE place = $1 AND month = $2 AND {GONE}");
        let statement = query(sql).bind(table.as_str()).bind(Month::of(at).to_string());
        Ok(statement.fetch_optional(&self.readers).await?)
    }

    /// Months before `end` that reports were received in or that have a partition, in their order. Those that are
    /// dropped and done with are left out.
    pub async fn months_to_drop(&self, table: BodyTable, end: Month) -> Result<Vec<Month>> {
        let done: Vec<String> =
            query("SELECT month FROM dropped_months WHERE place = $1 AND ended_at IS NOT NULL ORDER BY month")
                .bind(table.as_str())
                .fetch_all(&self.readers)
                .await?;
        let mut months = self.months_apart(table).await?;
        let mut from = DateTime::UNIX_EPOCH;
        // From month to month by the index, since there may be a great many reports in each.
        while let Some(first) = self.first_receipt(from, end.begin()).await? {
            months.push(Month::of(first));
            from = Month::of(first).end();
        }
        months.retain(|month| *month < end && !done.contains(&month.to_string()));
        months.sort_unstable();
        months.dedup();
        Ok(months)
    }

    async fn first_receipt(&self, from: DateTime<Utc>, end: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let sql = "SELECT min(received_at) FROM reports WHERE received_at >= $1 AND received_at < $2";
        Ok(query(sql).bind(from).bind(end).fetch_one(&self.readers).await?)
    }

    /// How many reports of a month have no outcome yet, or are parked.
    pub async fn unsettled_reports(&self, month: Month) -> Result<i64> {
        let sql = "SELECT count(*) FROM reports WHERE received_at >= $1 AND received_at < $2 \
                   AND state NOT IN ('processed', 'rejected')";
        Ok(query(sql).bind(month.begin()).bind(month.end()).fetch_one(&self.readers).await?)
    }

    /// How many bodies a table has of a month, and how many bytes they take.
    pub async fn month_content(&self, table: BodyTable, month: Month) -> Result<(i64, i64)> {
        let sqlite = format!(
            "SELECT count(*), COALESCE(sum(length({table}.body)), 0) FROM reports JOIN {table} \
             ON {table}.number = reports.number WHERE reports.received_at >= $1 AND reports.received_at < $2"
        );
        let postgres = format!(
            "SELECT count(*), CAST(COALESCE(sum(length(body)), 0) AS BIGINT) FROM {table} \
             WHERE received_at >= $1 AND received_at < $2"
        );
        let statement = query_either(sqlite, postgres).bind(month.begin()).bind(month.end());
        Ok(statement.fetch_one(&self.readers).await?)
    }

    /// The next reports of a month that have an outcome and bytes in a table: when they were received, and their
    /// numbers.
    pub async fn droppable_reports(
        &self,
        table: BodyTable,
        month: Month,
        after: Option<(DateTime<Utc>, i64)>,
        limit: i64,
    ) -> Result<Vec<(DateTime<Utc>, i64)>> {
        let (at, number) = after.unwrap_or((month.begin(), 0));
        let sql = |place: &str| {
            format!(
                "SELECT received_at, number FROM reports WHERE (received_at, number) > ($1, $2) AND received_at < $3 \
                 AND state IN ('processed', 'rejected') AND EXISTS (SELECT 1 FROM {table} \
                 WHERE {table}.number = reports.number{place}) ORDER BY received_at, number LIMIT $4"
            )
        };
        let place = format!(
            " AND {table}.received_at = reports.received_at AND {table}.received_at >= $1 AND {table}.received_at < $3"
        );
        let statement = query_either(sql(""), sql(&place)).bind(at).bind(number).bind(month.end()).bind(limit);
        Ok(statement.fetch_all(&self.readers).await?)
    }

    /// Whether the newest bytes of a report are there.
    pub async fn has_body(&self, number: i64) -> Result<bool> {
        Ok(query(HAS_BODY).bind(number).fetch_one(&self.readers).await?)
    }
}

impl Tx {
    /// The greatest number of a group; 0 for none. To be asked by who is alone in everything: then nobody has a group
    /// in hand that is not seen yet, and all that are made later have greater numbers.
    pub async fn last_group(&mut self) -> Result<GroupNumber> {
        let last = query("SELECT COALESCE(max(number), 0) FROM groups").fetch_one(self.connection()).await?;
        Ok(GroupNumber(last))
    }

    /// Whether a report of a month has come, or been handed in again, in a group after this one.
    pub async fn month_disturbed(&mut self, month: Month, since: GroupNumber) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM reports WHERE group_number > $1 AND received_at >= $2 \
                   AND received_at < $3)";
        let statement = query(sql).bind(since.0).bind(month.begin()).bind(month.end());
        Ok(statement.fetch_one(self.connection()).await?)
    }

    /// Drops a month's partition. Fails as busy when the table is not free within a moment: everybody waits behind
    /// this.
    pub async fn drop_partition(&mut self, table: BodyTable, month: Month) -> Result<()> {
        if self.shared() {
            query(LOCK_TIMEOUT).execute(self.connection()).await?;
            let sql = format!("DROP TABLE IF EXISTS {}", partition(table, month));
            query(sql).execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Drops a month's bytes of those of these reports that have an outcome, and gives how many bodies and bytes went.
    pub async fn drop_bodies(&mut self, table: BodyTable, month: Month, numbers: &[i64]) -> Result<(i64, i64)> {
        let these = "number IN (SELECT number FROM reports WHERE number IN (SELECT value FROM json_each($1)) \
                     AND state IN ('processed', 'rejected') AND received_at >= $2 AND received_at < $3)";
        // PostgreSQL looks only where bytes of the month can be.
        let placed = format!("{these} AND received_at >= $2 AND received_at < $3");
        let content = |these: &str| {
            format!("SELECT count(*), CAST(COALESCE(sum(length(body)), 0) AS BIGINT) FROM {table} WHERE {these}")
        };
        let delete = |these: &str| format!("DELETE FROM {table} WHERE {these}");
        let numbers = super::list(numbers);
        let (begin, end) = (month.begin(), month.end());
        let content = query_either(content(these), content(&placed)).bind(&numbers).bind(begin).bind(end);
        let content = content.fetch_one(self.connection()).await?;
        let delete = query_either(delete(these), delete(&placed)).bind(&numbers).bind(begin).bind(end);
        delete.execute(self.connection()).await?;
        Ok(content)
    }

    /// Remembers that so many bodies of a month went.
    pub async fn note_dropped(
        &mut self,
        table: BodyTable,
        month: Month,
        (bodies, bytes): (i64, i64),
        now: DateTime<Utc>,
    ) -> Result<()> {
        query(
            "INSERT INTO dropped_months (place, month, begins_at, ends_at, bodies, bytes, begun_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (place, month) DO UPDATE SET \
             bodies = dropped_months.bodies + excluded.bodies, bytes = dropped_months.bytes + excluded.bytes",
        )
        .bind(table.as_str())
        .bind(month.to_string())
        .bind(month.begin())
        .bind(month.end())
        .bind(bodies)
        .bind(bytes)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Remembers that nothing of a month is left.
    pub async fn end_dropping(&mut self, table: BodyTable, month: Month, now: DateTime<Utc>) -> Result<()> {
        self.note_dropped(table, month, (0, 0), now).await?;
        query("UPDATE dropped_months SET ended_at = $3 WHERE place = $1 AND month = $2")
            .bind(table.as_str())
            .bind(month.to_string())
            .bind(now)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Remembers that bytes of a month come after it was dropped, so that they go as well.
    pub(crate) async fn reopen_dropped(&mut self, month: Month) -> Result<()> {
        query("UPDATE dropped_months SET ended_at = NULL WHERE month = $1 AND ended_at IS NOT NULL")
            .bind(month.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// As [`Store::has_body`], in this transaction.
    pub async fn has_body(&mut self, number: i64) -> Result<bool> {
        Ok(query(HAS_BODY).bind(number).fetch_one(self.connection()).await?)
    }
}

impl BodyTable {
    pub const ALL: [BodyTable; 2] = [BodyTable::Bodies, BodyTable::SupersededBodies];

    pub fn as_str(self) -> &'static str {
        match self {
            BodyTable::Bodies => "bodies",
            BodyTable::SupersededBodies => "superseded_bodies",
        }
    }
}

impl fmt::Display for BodyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Record for DroppedMonth {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let (place, month): (&str, &str) = (row.get("place")?, row.get("month")?);
        let damaged = || sqlx::Error::Decode(format!("month {month} of {place}").into());
        Ok(DroppedMonth {
            table: BodyTable::ALL.into_iter().find(|table| table.as_str() == place).ok_or_else(damaged)?,
            month: month.parse().map_err(|_| damaged())?,
            bodies: row.get("bodies")?,
            bytes: row.get("bytes")?,
            begun_at: row.get("begun_at")?,
            ended_at: row.get("ended_at")?,
        })
    }
}
