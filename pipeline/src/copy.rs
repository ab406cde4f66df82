//! Moves a whole database to another one: from SQLite to PostgreSQL, back, or to another of its kind.
//!
//! Ids, numbers, change numbers, times and bytes stay as they are, so that receipts, links and the cursors of mirrors go
//! on. Rows are moved table by table in pages; each is written in one transaction together with the place reached, in the
//! target's own settings. So a copy that was cut short goes on there, and a whole one is known as such.
//!
//! The source must be quiet: nobody can write to it meanwhile, and when it has changed between two runs, the copy is
//! refused. Jobs are not moved: workers queue what is open when they start.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::store::{Layout, Moment, Month, Place, Store, StoreError, Sum, TABLES, TableRows, Tx};

/// A copy on its way.
pub struct Copy<'s> {
    source: &'s Store,
    target: &'s Store,
    clock: Clock,
    record: Record,
    /// Months whose partitions are there.
    months: HashSet<Month>,
    /// Rows of the source.
    total: u64,
    /// Keeps others from writing to the source until this ends.
    _quiet: Tx,
}

/// What the target keeps of the copy that fills it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The source, without a password.
    pub from: String,
    pub begun_at: DateTime<Utc>,
    /// Rows written.
    pub rows: u64,
    /// When the last row was written.
    pub copied_at: Option<DateTime<Utc>>,
    /// When both sides were found to be equal.
    pub verified_at: Option<DateTime<Utc>>,
    /// Of the source when the copy began.
    moment: Moment,
    /// Tables that are whole.
    done: Vec<String>,
    /// The last row written of the table after those.
    place: Option<Place>,
}

/// How far a copy or a comparison has come, in rows of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub rows: u64,
    pub total: u64,
}

/// One table on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    pub table: &'static str,
    pub source: Sum,
    pub target: Sum,
    /// Texts of the source with NUL characters, in whose place PostgreSQL holds U+FFFD. They count as equal.
    pub nul_texts: u64,
}

/// Why a database is not copied, or not further.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("rows could not be moved")]
    Store(#[from] StoreError),
    #[error("the target is not empty: it holds {0}, and no copy of this source; name an empty database instead")]
    Occupied(String),
    #[error("the target holds a copy of {0} that is not finished; finish that one, or name an empty database instead")]
    OtherSource(String),
    #[error(
        "the source has changed since the copy was begun at {0}; stop whatever writes to it, and begin again with an \
         empty target"
    )]
    Changed(DateTime<Utc>),
    #[error("another copy writes to the target at the same time, or it was emptied; run one at a time")]
    Overtaken,
}

impl<'s> Copy<'s> {
    /// Begins to copy `source`, which is called `from`, or goes on with what an earlier run of the same has begun. Both
    /// have this version's schema.
    pub async fn begin(source: &'s Store, target: &'s Store, from: &str, clock: Clock) -> Result<Copy<'s>, CopyError> {
        let quiet = source.begin().await?;
        let moment = source.moment().await?;
        let mut tx = target.begin().await?;
        let record = match tx.copy_record().await?.map(|kept| Record::read(&kept)).transpose()? {
            Some(record) if record.from != from && record.verified_at.is_none() => {
                return Err(CopyError::OtherSource(record.from));
            }
            Some(record) if record.from != from => {
                return Err(CopyError::Occupied(format!("a copy of {}", record.from)));
            }
            Some(record) if record.moment != moment && record.verified_at.is_none() => {
                return Err(CopyError::Changed(record.begun_at));
            }
            Some(record) => record,
            None => {
                if let Some(found) = contents(target).await? {
                    return Err(CopyError::Occupied(found));
                }
                let record = Record::new(from, moment, clock.now());
                tx.keep_copy_record(&record.text(), clock.now()).await?;
                record
            }
        };
        tx.commit().await?;
        let total = row_counts(source).await?;
        Ok(Copy { source, target, clock, record, months: HashSet::new(), total, _quiet: quiet })
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Rows of the source.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Moves all rows that are not there yet.
    pub async fn run(&mut self, mut told: impl FnMut(Progress)) -> Result<(), CopyError> {
        for table in &TABLES {
            if !self.record.done.iter().any(|done| done == table.name) {
                self.move_table(&self.source.layout(table).await?, &mut told).await?;
            }
        }
        if self.source.moment().await? != self.record.moment {
            return Err(CopyError::Changed(self.record.begun_at));
        }
        let copied_at = Some(self.clock.now());
        self.keep(Record { copied_at, ..self.record.clone() }).await
    }

    /// Keeps that both sides were found to be equal.
    pub async fn confirm(&mut self) -> Result<(), CopyError> {
        let verified_at = Some(self.clock.now());
        self.keep(Record { verified_at, ..self.record.clone() }).await
    }

    async fn move_table(&mut self, layout: &Layout, told: &mut impl FnMut(Progress)) -> Result<(), CopyError> {
        loop {
            let rows = self.source.rows_after(layout, self.record.place.as_ref()).await?;
            let mut next = self.record.clone();
            next.rows += rows.len() as u64;
            next.place = rows.end(layout);
            if rows.is_empty() {
                next.done.push(layout.table().name.to_owned());
            }
            self.write(layout, &rows, next).await?;
            told(Progress { rows: self.record.rows, total: self.total });
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes a page together with the place it ends at.
    async fn write(&mut self, layout: &Layout, rows: &TableRows, next: Record) -> Result<(), CopyError> {
        let mut tx = self.begin_write().await?;
        let months = rows.months(layout);
        for month in months.iter().filter(|month| !self.months.contains(month)) {
            tx.make_month(*month).await?;
        }
        match rows.is_empty() {
            true => tx.continue_numbers(layout.table()).await?,
            false => tx.insert_rows(layout, rows).await?,
        }
        tx.keep_copy_record(&next.text(), self.clock.now()).await?;
        tx.commit().await?;
        self.months.extend(months);
        self.record = next;
        Ok(())
    }

    async fn keep(&mut self, next: Record) -> Result<(), CopyError> {
        let mut tx = self.begin_write().await?;
        tx.keep_copy_record(&next.text(), self.clock.now()).await?;
        tx.commit().await?;
        self.record = next;
        Ok(())
    }

    /// A transaction in the target, where nobody else has copied anything since this did.
    async fn begin_write(&self) -> Result<Tx, CopyError> {
        let mut tx = self.target.begin().await?;
        match tx.copy_record().await? {
            Some(kept) if kept == self.record.text() => Ok(tx),
            _ => Err(CopyError::Overtaken),
        }
    }
}

impl Record {
    /// What the target keeps of a copy. `None`: none was begun.
    pub async fn of(target: &Store) -> Result<Option<Record>, CopyError> {
        Ok(target.copy_record().await?.map(|kept| Record::read(&kept)).transpose()?)
    }

    fn new(from: &str, moment: Moment, begun_at: DateTime<Utc>) -> Record {
        let from = from.to_owned();
        Record { from, begun_at, rows: 0, copied_at: None, verified_at: None, moment, done: Vec::new(), place: None }
    }

    fn read(kept: &str) -> Result<Record, StoreError> {
        serde_json::from_str(kept).map_err(|_| StoreError::inconsistent("settings", 0))
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }
}

impl Compared {
    pub fn equal(&self) -> bool {
        self.source == self.target
    }
}

/// Compares all rows of both databases, table by table.
pub async fn compare(
    source: &Store,
    target: &Store,
    mut told: impl FnMut(Progress),
) -> Result<Vec<Compared>, StoreError> {
    let mut progress = Progress { rows: 0, total: row_counts(source).await? };
    let mut compared = Vec::new();
    for table in &TABLES {
        let layout = source.layout(table).await?;
        let told = |rows: &TableRows| {
            progress.rows += rows.len() as u64;
            told(progress);
        };
        let ((source, nul_texts), (target, _)) =
            tokio::try_join!(sum(source, &layout, told), sum(target, &layout, |_| {}))?;
        compared.push(Compared { table: table.name, source, target, nul_texts });
    }
    Ok(compared)
}

/// All rows of a table in one figure, and how many texts of theirs have NUL characters.
async fn sum(store: &Store, layout: &Layout, mut told: impl FnMut(&TableRows)) -> Result<(Sum, u64), StoreError> {
    let (mut sum, mut nul_texts, mut place) = (Sum::default(), 0, None);
    loop {
        let rows = store.rows_after(layout, place.as_ref()).await?;
        if rows.is_empty() {
            return Ok((sum, nul_texts));
        }
        sum.add(&rows);
        nul_texts += rows.nul_texts();
        place = rows.end(layout);
        told(&rows);
    }
}

async fn row_counts(store: &Store) -> Result<u64, StoreError> {
    let mut rows = 0;
    for table in &TABLES {
        rows += store.row_count(table).await?;
    }
    Ok(rows)
}

/// What a database holds, in words. `None`: nothing but its schema.
async fn contents(store: &Store) -> Result<Option<String>, StoreError> {
    let mut found = Vec::new();
    for table in &TABLES {
        // A database is made with its counter, which stands at 0.
        let rows = match table.name {
            "counters" => 0,
            _ => store.row_count(table).await?,
        };
        if rows > 0 {
            found.push(format!("{rows} rows of {}", table.name));
        }
    }
    let head = store.head().await?;
    if head > 0 {
        found.push(format!("change number {head}"));
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}
