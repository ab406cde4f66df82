//! Other servers' history: their reports are stored under their own ids, numbers, testers and times.
//!
//! An import works on the database itself, not through the doors: a door gives its own numbers and times, and takes a
//! report only from its tester. It writes in the same way, though: a batch is one transaction with one group, and
//! [`crate::process`] reads it. A server may run meanwhile; then its workers process what is imported.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use schemas::report::Reporter;
use uuid::Uuid;

use crate::accept::chain;
use crate::bodies;
use crate::process::Process;
use crate::queue::ProcessGroup;
use crate::store::{Door, GroupNumber, Month, NewReport, StoreError, TesterNumber, Tx};

pub mod facts;
pub mod reports;
pub mod rows;

/// A report out of another server.
#[derive(Clone, Debug, PartialEq)]
pub struct Historic {
    pub id: ReportId,
    /// The number readers know it by there, where it has one.
    pub number: Option<i64>,
    /// How `bytes` are read.
    pub door: Door,
    pub tester: Sender,
    /// When that server had it, as nearly as it tells.
    pub received_at: DateTime<Utc>,
    pub bytes: Vec<u8>,
}

/// Who sent it, as that server says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A Metabase profile, with the name and address where they are known.
    Profile { profile: Uuid, name: Option<String>, address: Option<String> },
    /// A name and an address: nobody here has proven to be that.
    Named { name: Option<String>, address: String },
}

impl Sender {
    pub fn named(reporter: Reporter) -> Sender {
        Sender::Named { name: reporter.name, address: reporter.email }
    }
}

/// How imported items ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    pub imported: u64,
    /// There already, with the same bytes.
    pub unchanged: u64,
    /// There as a row or in an older form, and replaced by this one.
    pub replaced: u64,
    /// There as somebody submitted it or in a fuller form, and left so.
    pub kept: u64,
    /// Imported under a new number, because theirs was taken.
    pub renumbered: u64,
    /// Left out, by reason.
    pub skipped: BTreeMap<String, u64>,
}

impl Tally {
    pub fn skip(&mut self, reason: impl Into<String>) {
        *self.skipped.entry(reason.into()).or_default() += 1;
    }

    pub fn add(&mut self, other: Tally) {
        self.imported += other.imported;
        self.unchanged += other.unchanged;
        self.replaced += other.replaced;
        self.kept += other.kept;
        self.renumbered += other.renumbered;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
    }

    /// Items seen, however they ended.
    pub fn total(&self) -> u64 {
        self.imported + self.unchanged + self.replaced + self.kept + self.skipped.values().sum::<u64>()
    }
}

/// Who processes what is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processing {
    /// This process, batch by batch: it has the database for itself.
    Here,
    /// The workers of the server that runs on the same database.
    There,
}

/// Writes history. The place it has come to is kept with each batch, in the same transaction.
#[derive(Clone, Debug)]
pub struct Import {
    pub process: Process,
    pub processing: Processing,
    /// Under which name the place is kept.
    pub source: String,
}

/// Reports waiting beyond which an import waits for the workers elsewhere.
const CROWDED: i64 = 20_000;

impl Import {
    /// The place kept by an earlier run that was stopped.
    pub async fn place(&self) -> Result<Option<String>, StoreError> {
        Ok(self.process.store.setting(&self.name()).await?.filter(|place| !place.is_empty()))
    }

    /// Stores a batch, and the place after it. Reports that are there are left or replaced, see [`Tally`].
    pub async fn store(&self, batch: Vec<Historic>, place: &str) -> Result<Tally, StoreError> {
        let batch = tokio::task::spawn_blocking(move || batch.into_iter().map(packed).collect::<Vec<_>>())
            .await
            .expect("packing does not panic");
        let mut tx = self.process.store.begin().await?;
        let now = self.process.clock.now();
        let (tally, group) = write(&mut tx, batch, now).await?;
        if self.processing == Processing::There
            && let Some(group) = group
        {
            tx.enqueue(&ProcessGroup::new(group)).await?;
        }
        tx.keep_setting(&self.name(), place, now).await?;
        match group {
            Some(_) => tx.commit().await?,
            // Without a report to process, the group that was opened is not to stay.
            None => {
                drop(tx);
                self.keep(place).await?;
            }
        }
        match (self.processing, group) {
            (Processing::Here, Some(group)) => self.work_off(group).await,
            (Processing::There, Some(_)) => self.let_workers_catch_up().await?,
            (_, None) => {}
        }
        Ok(tally)
    }

    /// Keeps a place by itself; an empty one is the beginning.
    pub async fn keep(&self, place: &str) -> Result<(), StoreError> {
        let mut tx = self.process.store.begin().await?;
        tx.keep_setting(&self.name(), place, self.process.clock.now()).await?;
        tx.commit().await
    }

    fn name(&self) -> String {
        format!("import.{}", self.source)
    }

    /// A group that fails stays open: the next worker that starts takes it up.
    async fn work_off(&self, group: GroupNumber) {
        if let Err(error) = self.process.process(group, "import").await {
            tracing::warn!(group = group.0, error = %chain(&error), "imported reports wait for a worker");
        }
    }

    async fn let_workers_catch_up(&self) -> Result<(), StoreError> {
        while self.process.store.freshness(self.process.clock.now()).await?.waiting > CROWDED {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        Ok(())
    }
}

/// A report packed, its tester still to be found.
struct Packed {
    number: Option<i64>,
    sender: Sender,
    report: NewReport,
}

fn packed(one: Historic) -> Packed {
    let report = NewReport {
        id: one.id,
        digest: Digest::of(&one.bytes),
        door: one.door,
        tester: TesterNumber(0),
        received_at: one.received_at,
        body: bodies::pack(&one.bytes),
    };
    Packed { number: one.number, sender: one.tester, report }
}

/// Writes a batch into one group. `None`: there is nothing in it to process.
async fn write(
    tx: &mut Tx,
    batch: Vec<Packed>,
    now: DateTime<Utc>,
) -> Result<(Tally, Option<GroupNumber>), StoreError> {
    let mut tally = Tally::default();
    let months: BTreeSet<Month> = batch.iter().map(|one| Month::of(one.report.received_at)).collect();
    for month in months {
        tx.make_month(month).await?;
        tx.reopen_dropped(month).await?;
    }
    let group = tx.open_group(batch.len(), now).await?;
    let batch = with_testers(tx, one_of_each(batch, &mut tally), now).await?;
    let numbered: Vec<(i64, &NewReport)> = batch.iter().filter_map(|one| Some((one.number?, &one.report))).collect();
    let mut inserted: HashMap<ReportId, i64> =
        tx.insert_numbered_reports(group, &numbered).await?.into_iter().collect();
    let rest: Vec<&Packed> = batch.iter().filter(|one| !inserted.contains_key(&one.report.id)).collect();
    let others: Vec<&NewReport> = rest.iter().map(|one| &one.report).collect();
    let others: HashMap<ReportId, i64> = tx.insert_reports(group, &others).await?.into_iter().collect();
    tally.renumbered +=
        rest.iter().filter(|one| one.number.is_some() && others.contains_key(&one.report.id)).count() as u64;
    inserted.extend(others);
    let bodies: Vec<_> = batch.iter().filter_map(|one| Some((*inserted.get(&one.report.id)?, &one.report))).collect();
    tx.insert_bodies(&bodies).await?;
    tally.imported += inserted.len() as u64;

    for one in batch.iter().filter(|one| !inserted.contains_key(&one.report.id)) {
        write_again(tx, &one.report, group, &mut tally).await?;
    }
    let work = tally.imported + tally.replaced;
    if work == 0 {
        return Ok((tally, None));
    }
    tx.size_group(group, usize::try_from(work).expect("a batch fits into memory")).await?;
    Ok((tally, Some(group)))
}

/// A report whose id is stored: what came by a door stays, a row gives way to the report itself, and a row to a newer
/// word of the same row.
async fn write_again(tx: &mut Tx, report: &NewReport, group: GroupNumber, tally: &mut Tally) -> Result<(), StoreError> {
    let stored = tx.report(report.id).await?.ok_or_else(|| StoreError::inconsistent("reports", 0))?;
    if stored.digest == report.digest {
        tally.unchanged += 1;
    } else if stored.door == Door::Cpanstats && tx.withdrawals(&[stored.number]).await?.is_empty() {
        tx.replace_history(&stored, report, group).await?;
        tally.replaced += 1;
    } else {
        tally.kept += 1;
    }
    Ok(())
}

/// The last of each id: a source that tells of one report twice means its latest word.
fn one_of_each(batch: Vec<Packed>, tally: &mut Tally) -> Vec<Packed> {
    let mut seen = HashSet::with_capacity(batch.len());
    let mut kept: Vec<Packed> = batch
        .into_iter()
        .rev()
        .filter(|one| {
            seen.insert(one.report.id) || {
                tally.skip("the same report again in the source");
                false
            }
        })
        .collect();
    kept.reverse();
    kept
}

async fn with_testers(tx: &mut Tx, mut batch: Vec<Packed>, now: DateTime<Utc>) -> Result<Vec<Packed>, StoreError> {
    let mut numbers: HashMap<Sender, TesterNumber> = HashMap::new();
    for one in &mut batch {
        let number = match numbers.get(&one.sender) {
            Some(number) => *number,
            None => {
                let number = tester(tx, &one.sender, now).await?;
                numbers.insert(one.sender.clone(), number);
                number
            }
        };
        one.report.tester = number;
    }
    Ok(batch)
}

async fn tester(tx: &mut Tx, sender: &Sender, now: DateTime<Utc>) -> Result<TesterNumber, StoreError> {
    match sender {
        Sender::Profile { profile, name, address } => {
            let id = profile.to_string();
            // The predecessor calls testers it does not know so (contract §3.1).
            let shown = name.as_deref().unwrap_or("Unknown");
            tx.ensure_tester(&id, "metabase", &id, shown, address.as_deref(), now).await
        }
        Sender::Named { name, address } => {
            let told = name.as_deref().unwrap_or_default();
            let identity = format!("{}\n{told}", address.to_lowercase());
            let shown = name.as_deref().unwrap_or("Unknown");
            let address = Some(address.as_str()).filter(|address| !address.is_empty());
            // The public id is made of who they are, so that two databases give one tester the same.
            let digest = Digest::of(format!("history\n{identity}").as_bytes()).0;
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&digest[..16]);
            let id = uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string();
            tx.ensure_tester(&id, "history", &identity, shown, address, now).await
        }
    }
}
