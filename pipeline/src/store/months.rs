//! Partitions by month of receipt, where the database has them: the bytes of reports on PostgreSQL.
//!
//! A month's partition is made before its first report comes, and dropped when retention says so. What belongs to a month
//! without one lies in the partition for all others, where it is found as well, only not so cheaply.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use serde::{Serialize, Serializer};

use super::retention::BodyTable;
use super::sql::query;
use super::{Result, Store, Tx};

/// Months for which partitions are made ahead of time, this one included.
const AHEAD: u32 = 3;

/// A month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

impl Month {
    pub fn of(time: DateTime<Utc>) -> Self {
        Month(time.date_naive().with_day(1).expect("each month has a first day"))
    }

    /// The month so many later.
    pub fn after(self, months: u32) -> Self {
        Month(self.0 + Months::new(months))
    }

    /// The month so many earlier. `None`: before all time.
    pub fn before(self, months: u32) -> Option<Self> {
        self.0.checked_sub_months(Months::new(months)).map(Month)
    }

    /// Its first moment.
    pub fn begin(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// The first moment after it.
    pub fn end(self) -> DateTime<Utc> {
        self.after(1).begin()
    }
}

impl fmt::Display for Month {
    /// `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        format!("{text}-01").parse().map(Month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Store {
    /// Makes the partitions of this month and the next. Does nothing where they are there, or the database has none.
    pub async fn make_months(&self, now: DateTime<Utc>) -> Result<()> {
        if !self.shared() {
            return Ok(());
        }
        let missing: Vec<Month> = self.missing_months((0..AHEAD).map(|month| Month::of(now).after(month))).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for month in missing {
            tx.make_month(month).await?;
        }
        tx.commit().await
    }

    async fn missing_months(&self, months: impl Iterator<Item = Month>) -> Result<Vec<Month>> {
        let there = self.months_apart(BodyTable::Bodies).await?;
        Ok(months.filter(|month| !there.contains(month)).collect())
    }

    /// Months that a table has a partition for, in no order. None where the database has no partitions.
    pub async fn months_apart(&self, table: BodyTable) -> Result<Vec<Month>> {
        if !self.shared() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = query(
            "SELECT CAST(child.relname AS TEXT) FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid \
             JOIN pg_class AS parent ON parent.oid = inhparent WHERE parent.relname = $1",
        )
        .bind(table.as_str())
        .fetch_all(&self.readers)
        .await?;
        // That for all others is of no month.
        let month = |name: &String| {
            name.strip_prefix(table.as_str())?.strip_prefix('_')?.replace('_', "-").parse::<Month>().ok()
        };
        Ok(names.iter().filter_map(month).collect())
    }
}

impl Tx {
    /// Makes a month's partitions where they are missing. Reports of that month that came before it stay where they
    /// are, and with them all others of it.
    pub async fn make_month(&mut self, month: Month) -> Result<()> {
        if !self.shared() {
            return Ok(());
        }
        for table in BodyTable::ALL {
            let (begin, end) = (month.0, month.after(1).0);
            let early = format!(
                "SELECT EXISTS (SELECT 1 FROM {table}_other WHERE received_at >= '{begin} 00:00:00+00' \
                 AND received_at < '{end} 00:00:00+00')"
            );
            let early: bool = query(early).fetch_one(self.connection()).await?;
            if !early {
                let name = partition(table, month);
                let sql = format!(
                    "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} \
                     FOR VALUES FROM ('{begin} 00:00:00+00') TO ('{end} 00:00:00+00')"
                );
                query(sql).execute(self.connection()).await?;
                // Bytes are compressed already.
                query(format!("ALTER TABLE {name} ALTER COLUMN body SET STORAGE EXTERNAL"))
                    .execute(self.connection())
                    .await?;
            }
        }
        Ok(())
    }
}

/// Name of a table's partition for a month: `bodies_2026_11`.
pub(super) fn partition(table: BodyTable, month: Month) -> String {
    format!("{table}_{:04}_{:02}", month.0.year(), month.0.month())
}
