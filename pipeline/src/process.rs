//! Step two: the accepted reports of a group are read and counted.
//!
//! Safe to repeat: a report already counted moves nothing, a corrected one moves the counts by the difference. One
//! bad report stands alone with its reason; the others of its group go through.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use schemas::addresses;
use schemas::extract::{self, EXTRACTOR, Extract};
use schemas::report::Reporter;
use schemas::views::jobs::FailureClass;
use schemas::views::{ResultView, State};

mod failure;
mod telling;

use crate::accept::chain;
use crate::bodies;
use crate::clock::Clock;
use crate::difference::Difference;
use crate::events::{Events, Processed};
use crate::measures::Measures;
use crate::queue::ProcessGroup;
use crate::store::{
    AttemptEnd, Counted, GroupNumber, KnownReleases, NewExtract, OldExtract, ReleaseKey, Store, StoreError, Stored,
    StoredReport, Tx,
};
use crate::submission;

pub use failure::{Failure, ProcessError, pause};
pub(crate) use telling::{mark, telling};

/// What processing needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Process {
    pub store: Store,
    pub clock: Clock,
    pub events: Events,
    pub measures: Measures,
}

/// How an attempt at a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// Every report of it has an outcome.
    Done,
    /// The group was cut into groups of one, each with a job of its own.
    Split,
    /// Its only report failed too often and is parked.
    Parked,
    /// Another worker is at it.
    Elsewhere,
}

/// Whether there is something to try.
enum Begun {
    /// The attempt's number, and how many before it speak against the group's reports.
    Attempt { number: i64, failures: i64 },
    /// There is not, and this is how the group stands.
    Not(Attempted),
}

/// After so many attempts that speak against its reports, the group is cut up: one of them may be killing its workers.
const SUSPICIOUS: i64 = 3;

/// After so many such attempts, a report that stands alone is parked.
const HOPELESS: i64 = 6;

/// Whether those that failed for want of something are queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// After a pause.
    Queued,
    /// The caller tries them itself, at once.
    ByCaller,
}

impl Process {
    /// Processes the reports of a group that are still waiting.
    pub async fn process(&self, group: GroupNumber, worker: &str) -> Result<Attempted, ProcessError> {
        let timer = self.measures.process_seconds.start_timer();
        let (attempt, failures) = match self.begin(group, worker).await? {
            Begun::Attempt { number, failures } => (number, failures),
            Begun::Not(ended) => return Ok(ended),
        };
        let tried = async {
            if failures >= SUSPICIOUS
                && let Some(isolated) = self.isolate(group, attempt, failures).await?
            {
                return Ok(isolated);
            }
            let stored = self.store.group_reports(&[group]).await?;
            let readings = self.read(stored).await;
            self.write(&[(group, attempt)], readings).await?;
            Ok(Attempted::Done)
        };
        let attempted = self.noted(&[(group, attempt)], Again::Queued, tried).await?;
        timer.observe_duration();
        Ok(attempted)
    }

    /// Processes groups that nobody has tried yet in one transaction, as intake commits what arrives together: many
    /// small groups cost hardly more than one. When that fails, each has to be tried by itself.
    pub async fn process_together(&self, groups: &[GroupNumber], worker: &str) -> Result<(), ProcessError> {
        let timer = self.measures.process_seconds.start_timer();
        let mut tx = self.store.begin_counting().await?;
        let begun = tx.begin_first_attempts(groups, worker, self.clock.now()).await?;
        tx.commit().await?;
        let attempts: Vec<(GroupNumber, i64)> = begun.iter().map(|group| (*group, 1)).collect();
        let tried = async {
            let stored = self.store.group_reports(&begun).await?;
            let readings = self.read(stored).await;
            self.write(&attempts, readings).await
        };
        self.noted(&attempts, Again::ByCaller, tried).await?;
        timer.observe_duration();
        Ok(())
    }

    /// The attempt is on record before the work starts, so that a worker that vanishes leaves its mark; marks left
    /// before are closed.
    async fn begin(&self, group: GroupNumber, worker: &str) -> Result<Begun, StoreError> {
        let mut tx = self.store.begin_counting().await?;
        if self.store.shared() {
            // Another worker may have had it in hand, with others, until a moment ago.
            if !tx.group_open(group).await? {
                return Ok(Begun::Not(Attempted::Done));
            }
            if tx.attempted_elsewhere(group, worker).await? {
                return Ok(Begun::Not(Attempted::Elsewhere));
            }
        }
        let now = self.clock.now();
        tx.close_attempts(group, worker, now).await?;
        let failures = tx.failed_attempts(group).await?;
        let attempt = tx.begin_attempt(group, worker, now).await?;
        if attempt > 1 {
            tx.retry_group(group, None).await?;
        }
        tx.commit().await?;
        Ok(Begun::Attempt { number: attempt, failures })
    }

    async fn read(&self, stored: Vec<Stored>) -> Vec<Reading> {
        let timer = self.measures.read_seconds.start_timer();
        let readings = tokio::task::spawn_blocking(move || stored.into_iter().map(read).collect())
            .await
            .expect("reading catches its panics");
        timer.observe_duration();
        readings
    }

    /// Tries, and notes the attempts as failed if it does not succeed or panics. Success is noted by what is tried, in
    /// its own transaction.
    async fn noted<T>(
        &self,
        attempts: &[(GroupNumber, i64)],
        again: Again,
        tried: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ProcessError> {
        let failure = match AssertUnwindSafe(tried).catch_unwind().await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => Failure::Store(error),
            Err(cause) => Failure::panicked(cause.as_ref()),
        };
        let class = failure.class();
        self.measures.attempts.with_label_values(&[class.as_str()]).inc_by(attempts.len() as u64);
        let text = chain(&failure);
        tracing::warn!(groups = attempts.len(), class = class.as_str(), error = %text, "an attempt failed");
        let retry_at = self.fail(attempts, again, &failure, &text).await.unwrap_or_else(|error| {
            // They stay on record without an end until the next attempt closes them.
            tracing::error!(groups = attempts.len(), error = %chain(&error), "a failed attempt could not be noted");
            None
        });
        Err(ProcessError { failure, retry_at })
    }

    /// Notes failed attempts. With those that failed for want of something, in the same transaction, the jobs that try
    /// them again; gives when the last of them does.
    async fn fail(
        &self,
        attempts: &[(GroupNumber, i64)],
        again: Again,
        failure: &Failure,
        text: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let (class, reason) = (failure.class(), failure.reason());
        let mut tx = self.store.begin_processing().await?;
        let now = self.clock.now();
        tx.end_attempts(attempts, now, AttemptEnd::Failed { class, reason, text }).await?;
        let mut retry_at = None;
        if class == FailureClass::Transient && again == Again::Queued {
            for (group, attempt) in attempts {
                let wait = pause(*attempt, failure::chance(group.0, *attempt));
                let at = now + wait;
                tx.enqueue_after(&ProcessGroup::new(*group), wait).await?;
                tx.retry_group(*group, Some(at)).await?;
                retry_at = retry_at.max(Some(at));
            }
        }
        tx.commit().await?;
        Ok(retry_at)
    }

    /// Writes what was read, in one transaction with the end of the attempts.
    async fn write(&self, attempts: &[(GroupNumber, i64)], readings: Vec<Reading>) -> Result<(), StoreError> {
        let groups: Vec<GroupNumber> = attempts.iter().map(|(group, _)| *group).collect();
        let oldest = readings.iter().map(|reading| reading.stored.report.received_at).min();
        let now = self.clock.now();
        let mut tx = self.store.begin_counting().await?;
        let mut known = look_up(&mut tx, &readings, now).await?;
        if known.releases.new && self.store.shared() {
            // Others who have reports on them wait for this commit, and not for all that is counted here.
            tx.commit().await?;
            tx = self.store.begin_counting().await?;
            known = look_up(&mut tx, &readings, now).await?;
        }
        // A correction that came since they were read has moved its report to a later group.
        let settled: HashMap<i64, i64> = tx.settle_reports(&groups).await?.into_iter().collect();
        let waited = |report: &StoredReport| settled.get(&report.number) == Some(&report.revision);
        let readings: Vec<Reading> = readings.into_iter().filter(|reading| waited(&reading.stored.report)).collect();
        let read: HashSet<i64> = readings.iter().map(|reading| reading.stored.report.number).collect();
        if let Some(unread) = settled.keys().find(|number| !read.contains(number)) {
            // Its bytes or its tester are not there. It is found and parked as what fails for any other reason is.
            return Err(StoreError::inconsistent("reports", *unread));
        }
        let (rejected, parked) = unreadable(&readings);
        tx.end_reports(State::Rejected, &rejected).await?;
        tx.end_reports(State::Parked, &parked).await?;
        tx.settle_groups(&groups, now).await?;
        tx.end_attempts(attempts, now, AttemptEnd::Done).await?;
        // Last: from their change numbers on, such transactions wait for each other.
        let news = replace_rows(&mut tx, readings, &known, &self.clock).await?;
        tx.commit().await?;

        self.measures.attempts.with_label_values(&["done"]).inc_by(attempts.len() as u64);
        self.measures.processed.inc_by((settled.len() - rejected.len() - parked.len()) as u64);
        self.measures.rejected.inc_by(rejected.len() as u64);
        self.measures.parked.inc_by(parked.len() as u64);
        if let Some(oldest) = oldest {
            let waited = (self.clock.now() - oldest).num_microseconds().unwrap_or(0);
            self.measures.visible_seconds.observe(waited as f64 / 1e6);
        }
        if let Some(news) = news {
            self.events.announce(news);
        }
        Ok(())
    }

    /// Cuts up a group that failed too often, or parks its report when only that is left. `None`: it is to be tried
    /// once more. Nothing but the numbers of its reports is read: a row may be what is damaged.
    async fn isolate(&self, group: GroupNumber, attempt: i64, failures: i64) -> Result<Option<Attempted>, StoreError> {
        let mut tx = self.store.begin_processing().await?;
        let waiting = tx.accepted_reports(group).await?;
        match waiting.as_slice() {
            [] => Ok(None),
            [_] if failures < HOPELESS => Ok(None),
            alone @ [_] => match self.park(tx, group, attempt, failures, alone).await {
                // What is wrong with its row must not keep it from being parked.
                Err(error) if !error.transient() => {
                    tracing::warn!(error = %chain(&error), group = group.0, "a parked report keeps the row it had");
                    self.park(self.store.begin_processing().await?, group, attempt, failures, &[]).await.map(Some)
                }
                parked => parked.map(Some),
            },
            many => self.split(tx, group, attempt, many).await.map(Some),
        }
    }

    /// Cuts a group into groups of one.
    async fn split(
        &self,
        mut tx: Tx,
        group: GroupNumber,
        attempt: i64,
        reports: &[i64],
    ) -> Result<Attempted, StoreError> {
        let now = self.clock.now();
        for report in reports {
            let alone = tx.cut_off(group, *report).await?;
            tx.enqueue(&ProcessGroup::new(alone)).await?;
        }
        let text = "cut up to find the report that fails";
        let end = AttemptEnd::Failed { class: FailureClass::Poison, reason: "cut_up", text };
        tx.end_attempts(&[(group, attempt)], now, end).await?;
        tx.settle_group(group, now).await?;
        tx.commit().await?;
        self.measures.attempts.with_label_values(&["poison"]).inc();
        self.events.jobs().notify_one();
        Ok(Attempted::Split)
    }

    async fn park(
        &self,
        mut tx: Tx,
        group: GroupNumber,
        attempt: i64,
        failures: i64,
        reports: &[i64],
    ) -> Result<Attempted, StoreError> {
        let now = self.clock.now();
        let last =
            tx.last_failure(group).await?.map(|text| format!(", the last time since {text}")).unwrap_or_default();
        let reason = format!("processing failed {failures} times{last}; it is kept, and needs an operator");
        let parked = tx.park_group(group, &reason).await?;
        let end = AttemptEnd::Failed { class: FailureClass::Poison, reason: "parked", text: &reason };
        tx.end_attempts(&[(group, attempt)], now, end).await?;
        tx.settle_group(group, now).await?;
        // What a correction has replaced is no longer what its tester says, nor what a rebuild would count.
        let news = bury(&mut tx, reports, &self.clock).await?;
        tx.commit().await?;
        self.measures.attempts.with_label_values(&["poison"]).inc();
        self.measures.parked.inc_by(parked);
        if let Some(news) = news {
            self.events.announce(news);
        }
        Ok(Attempted::Parked)
    }
}

/// A report's number, and why it could not be read.
type Reason = (i64, String);

/// Reports that are none, which their senders can mend, and those whose stored bytes are no longer what was sent,
/// which only an operator can.
fn unreadable(readings: &[Reading]) -> (Vec<Reason>, Vec<Reason>) {
    let (mut rejected, mut parked) = (Vec::new(), Vec::new());
    for Reading { stored, row } in readings {
        let Err(reason) = row else { continue };
        match bodies::unpack(&stored.body) {
            Ok(_) => rejected.push((stored.report.number, reason.clone())),
            Err(_) => parked.push((stored.report.number, format!("its stored bytes are damaged: {reason}"))),
        }
    }
    (rejected, parked)
}

/// A report, and the row it becomes or the reason why it is none.
pub struct Reading {
    pub stored: Stored,
    pub row: Result<Extract, String>,
}

/// Reads one stored report. Pure but for the bytes it is given.
pub fn read(stored: Stored) -> Reading {
    let row = catch_unwind(AssertUnwindSafe(|| {
        let bytes = bodies::unpack(&stored.body).map_err(|error| chain(&error))?;
        let reporter = Reporter { name: Some(stored.tester_name.clone()), email: String::new() };
        let report = submission::read(stored.report.door, &bytes, reporter).map_err(|error| chain(&error))?;
        Ok(extract::read(&report))
    }));
    let row = row
        .unwrap_or_else(|_| Err("reading it failed in a way assay does not know; please tell its authors".to_owned()));
    Reading { stored, row }
}

/// Puts rows in the place of those these reports had, and moves every count by the difference.
///
/// Rows that come out the same are left alone, so the change feed shows what changed and nothing else. `None` when
/// nothing did.
pub(crate) async fn replace(
    tx: &mut Tx,
    readings: Vec<Reading>,
    clock: &Clock,
) -> Result<Option<Processed>, StoreError> {
    let known = look_up(tx, &readings, clock.now()).await?;
    replace_rows(tx, readings, &known, clock).await
}

/// What the database knows of readings, seen under the write lock.
struct Known {
    /// Reports that were withdrawn since their bytes were read.
    withdrawn: HashSet<i64>,
    releases: KnownReleases,
}

/// Looks up what the database knows of readings, and makes their releases known.
async fn look_up(tx: &mut Tx, readings: &[Reading], now: DateTime<Utc>) -> Result<Known, StoreError> {
    let numbers: Vec<i64> = readings.iter().map(|reading| reading.stored.report.number).collect();
    let withdrawn: HashSet<i64> = tx.withdrawals(&numbers).await?.into_iter().map(|one| one.number).collect();
    let standing = readings.iter().filter(|reading| !withdrawn.contains(&reading.stored.report.number));
    let keys: BTreeSet<ReleaseKey> =
        standing.filter_map(|reading| Some(release_key(reading.row.as_ref().ok()?))).collect();
    let releases = tx.put_releases(&keys.into_iter().collect::<Vec<_>>(), now).await?;
    Ok(Known { withdrawn, releases })
}

/// As [`replace`], once it is known what stands and of which releases.
async fn replace_rows(
    tx: &mut Tx,
    readings: Vec<Reading>,
    known: &Known,
    clock: &Clock,
) -> Result<Option<Processed>, StoreError> {
    let numbers: Vec<i64> = readings.iter().map(|reading| reading.stored.report.number).collect();
    let old: HashMap<i64, OldExtract> =
        tx.old_extracts(&numbers).await?.into_iter().map(|old| (old.counted.number, old)).collect();
    let mut rows = Vec::with_capacity(readings.len());
    let mut same = Vec::new();
    let mut testers = HashSet::new();
    for Reading { stored, row } in readings {
        let number = stored.report.number;
        let new = match row {
            Ok(extract) if !known.withdrawn.contains(&number) => {
                let release = known.releases.number(&release_key(&extract))?;
                new_extract(&stored, extract, release)
            }
            _ => match old.get(&number) {
                Some(old) => tombstone(&stored.report, old),
                None => continue,
            },
        };
        match old.get(&number) {
            Some(old) if same_row(old, &new) => same.push(number),
            _ => {
                testers.insert(stored.tester_id);
                rows.push(new);
            }
        }
    }
    if !same.is_empty() {
        tx.mark_extractor(&same, EXTRACTOR).await?;
    }
    put_rows(tx, &old, rows, testers, clock).await
}

/// Puts tombstones in the place of the rows these reports have, and takes them out of every count. `None` when they had
/// none.
pub(crate) async fn bury(tx: &mut Tx, numbers: &[i64], clock: &Clock) -> Result<Option<Processed>, StoreError> {
    let mut old: HashMap<i64, OldExtract> =
        tx.old_extracts(numbers).await?.into_iter().map(|old| (old.counted.number, old)).collect();
    old.retain(|_, old| !old.removed);
    if old.is_empty() {
        return Ok(None);
    }
    let mut rows = Vec::with_capacity(old.len());
    let mut testers = HashSet::new();
    for (report, tester) in tx.attributed_reports(numbers).await? {
        if let Some(old) = old.get(&report.number) {
            rows.push(tombstone(&report, old));
            testers.insert(tester);
        }
    }
    put_rows(tx, &old, rows, testers, clock).await
}

/// Writes rows and moves the counts from the old ones' to theirs. The change numbers come first: whoever has them is
/// alone with the rows that all share, and two that count never wait for each other in a ring. So comes the time of the
/// change: later numbers have later times, and who asks for what changed since the newest time they saw misses nothing.
async fn put_rows(
    tx: &mut Tx,
    old: &HashMap<i64, OldExtract>,
    rows: Vec<NewExtract>,
    testers: HashSet<String>,
    clock: &Clock,
) -> Result<Option<Processed>, StoreError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let difference = Difference::between(old, &rows);
    let first = tx.take_changes(rows.len() + difference.releases.len()).await?;
    let now = clock.now();
    tx.adjust_summaries(&difference.summaries).await?;
    tx.adjust_cells(&difference.cells).await?;
    tx.adjust_testers(&difference.testers).await?;
    tx.put_extracts(&rows, first, now).await?;
    let after_rows = first + rows.len() as i64;
    // Releases that lost a report are among them.
    let (marked, losing) = mark(tx, old, &rows, &difference.releases, after_rows, now).await?;
    let authors = marked.iter().filter_map(|release| release.author.clone()).chain(losing);
    let authors: HashSet<String> = authors.collect();
    Ok(Some(Processed {
        head: after_rows + difference.releases.len() as i64 - 1,
        releases: marked.into_iter().map(|one| (one.language, one.distribution, one.version)).collect(),
        testers: testers.into_iter().collect(),
        authors: authors.into_iter().collect(),
        everything: false,
    }))
}

fn same_row(old: &OldExtract, new: &NewExtract) -> bool {
    old.removed == new.removed
        && old.counted == new.counted
        && old.telling == new.telling
        && old.document == new.document
}

fn release_key(extract: &Extract) -> ReleaseKey {
    ReleaseKey {
        language: extract.language,
        distribution: extract.distribution.clone(),
        version: extract.version.clone(),
        developer: extract.developer_release,
    }
}

fn new_extract(stored: &Stored, extract: Extract, release: crate::store::ReleaseNumber) -> NewExtract {
    let counted = Counted {
        number: stored.report.number,
        release,
        tester: stored.report.tester,
        grade: extract.grade,
        language_version: extract.language_version.verbatim.clone(),
        development: extract.language_version.development,
        patched: extract.language_version.patched,
        os: extract.os.clone(),
        architecture: extract.architecture.clone(),
    };
    let telling = telling(&extract);
    let document = serde_json::to_string(&result_view(stored, extract)).expect("a view is made of texts and numbers");
    let received_at = stored.report.received_at;
    NewExtract { counted, extractor: EXTRACTOR, received_at, telling, document, removed: false }
}

pub(crate) fn result_view(stored: &Stored, mut extract: Extract) -> ResultView {
    if let Some(detail) = extract.reason.as_mut().and_then(|reason| reason.detail.as_mut()) {
        addresses::hide(detail);
    }
    ResultView {
        id: stored.report.id.to_string(),
        number: stored.report.number,
        distribution: extract.distribution,
        version: extract.version,
        author: extract.author,
        grade: extract.grade,
        language: extract.language.as_str().to_owned(),
        language_version: extract.language_version.verbatim,
        os: extract.os,
        osname: extract.osname,
        os_version: extract.os_version,
        architecture: extract.architecture,
        tester_id: stored.tester_id.clone(),
        tester: addresses::hidden(&stored.tester_name).into_owned(),
        created_at: extract.created_at.unwrap_or(stored.report.received_at),
        received_at: stored.report.received_at,
        reason: extract.reason,
        suite: Some(extract.suite).filter(|suite| *suite != Default::default()),
    }
}

/// A row for what is no longer there: counted nowhere, its document the id alone.
fn tombstone(report: &StoredReport, old: &OldExtract) -> NewExtract {
    NewExtract {
        counted: old.counted.clone(),
        extractor: EXTRACTOR,
        received_at: report.received_at,
        telling: None,
        document: format!(r#"{{"id":"{}"}}"#, report.id),
        removed: true,
    }
}
