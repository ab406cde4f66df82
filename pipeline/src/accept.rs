//! Step one: submissions become stored reports with a job behind them.
//!
//! Group commit: what arrives while a transaction is being written is committed together by the next one, with one
//! fsync and one job. Nobody waits for a group to fill up, so a lone submission is as fast as the disk.

use std::collections::{HashMap, HashSet};

use schemas::ids::{Digest, ReportId};
use tokio::sync::{mpsc, oneshot};

use crate::bodies;
use crate::clock::Clock;
use crate::events::Events;
use crate::measures::Measures;
use crate::queue::ProcessGroup;
use crate::store::{Body, GroupNumber, NewReport, Store, StoreError, StoredReport, Tx};
use crate::submission::Submission;

/// What became of a submission at the door. Each is durable when it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Stored, and waiting to be processed.
    Accepted,
    /// The same bytes were there already: the same receipt.
    Duplicate,
    /// The same tester sent other bytes under this id: both are kept, the newer ones count.
    Corrected { revision: i64 },
    /// Another tester's report has this id.
    Conflict { stored: Digest },
    /// The report was withdrawn, so that it cannot be corrected.
    Withdrawn { stored: Digest },
}

/// Why nothing of a group was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the report could not be stored")]
    Store(#[source] std::sync::Arc<StoreError>),
    #[error("the intake is closed: this process is stopping")]
    Closed,
}

/// The one who commits. Cheap to clone; all clones feed the same groups.
#[derive(Clone, Debug)]
pub struct Acceptor {
    sender: mpsc::Sender<Pending>,
}

/// A submission, packed, and where its answer goes.
struct Pending {
    submission: Submission,
    body: Body,
    answer: oneshot::Sender<Result<Acceptance, AcceptError>>,
}

/// Packed bytes in a group after which the next report begins another: what is processed together is held together.
const HEAVY: usize = 16 * 1024 * 1024;

/// Time for a group to be committed on another machine; beyond that for a lock, which the database itself tells.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(90);

/// Submissions that may wait for the next group before senders are held up.
const WAITING: usize = 1024;

impl Acceptor {
    /// Starts the committer, which ends with the last of its acceptors. `group_limit` is the most reports in a group, at
    /// least 1.
    ///
    /// It has a thread of its own: a group is a few statements one after the other, and between two of them it would wait
    /// for the requests that other threads read and pack.
    pub fn start(store: Store, clock: Clock, events: Events, measures: Measures, group_limit: usize) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a process that starts can have another poller");
        let committing = async move {
            let store = store.of_this_thread().expect("what was connected to once can be connected to again");
            commit_groups(store, clock, events, measures, receiver, group_limit.max(1)).await;
        };
        let thread = std::thread::Builder::new().name("intake".to_owned());
        thread.spawn(move || runtime.block_on(committing)).expect("a process that starts can have another thread");
        Acceptor { sender }
    }

    /// Stores a submission durably.
    pub async fn accept(&self, submission: Submission) -> Result<Acceptance, AcceptError> {
        self.hand_in(submission).await?.await.map_err(|_| AcceptError::Closed)?
    }

    /// Stores many; the answers are in their order.
    pub async fn accept_all(&self, submissions: Vec<Submission>) -> Result<Vec<Acceptance>, AcceptError> {
        let mut answers = Vec::with_capacity(submissions.len());
        for submission in submissions {
            answers.push(self.hand_in(submission).await?);
        }
        let mut acceptances = Vec::with_capacity(answers.len());
        for answer in answers {
            acceptances.push(answer.await.map_err(|_| AcceptError::Closed)??);
        }
        Ok(acceptances)
    }

    async fn hand_in(
        &self,
        mut submission: Submission,
    ) -> Result<oneshot::Receiver<Result<Acceptance, AcceptError>>, AcceptError> {
        // Packed here, so that it happens on as many threads as there are senders; what waits is packed already.
        let body = bodies::pack_aside(std::mem::take(&mut submission.bytes)).await;
        let (answer, answered) = oneshot::channel();
        self.sender.send(Pending { submission, body, answer }).await.map_err(|_| AcceptError::Closed)?;
        Ok(answered)
    }
}

async fn commit_groups(
    store: Store,
    clock: Clock,
    events: Events,
    measures: Measures,
    mut receiver: mpsc::Receiver<Pending>,
    group_limit: usize,
) {
    let mut arrived = Vec::with_capacity(group_limit);
    while receiver.recv_many(&mut arrived, group_limit).await > 0 {
        while !arrived.is_empty() {
            let group = arrived.drain(..lightest(&arrived)).collect();
            commit_and_answer(&store, &clock, &events, &measures, group).await;
        }
    }
}

/// How many of the first make a group that is not too heavy; at least one.
fn lightest(arrived: &[Pending]) -> usize {
    let mut weight = 0;
    let fits = arrived.iter().take_while(|pending| {
        weight += pending.body.bytes.len();
        weight <= HEAVY
    });
    fits.count().max(1)
}

async fn commit_and_answer(
    store: &Store,
    clock: &Clock,
    events: &Events,
    measures: &Measures,
    mut group: Vec<Pending>,
) {
    let timer = measures.accept_seconds.start_timer();
    let reports: Vec<NewReport> =
        group.iter_mut().map(|pending| new_report(&pending.submission, &mut pending.body, clock)).collect();
    let committed = commit_despite_others(store, clock, &reports).await.map_err(std::sync::Arc::new);
    timer.observe_duration();
    if let Err(error) = &committed {
        tracing::error!(error = %chain(error.as_ref()), reports = reports.len(), "a group could not be committed");
    }
    events.jobs().notify_one();
    for (index, pending) in group.into_iter().enumerate() {
        let answer = match &committed {
            Ok(acceptances) => Ok(acceptances[index].clone()),
            Err(error) => Err(AcceptError::Store(std::sync::Arc::clone(error))),
        };
        if let Ok(acceptance) = &answer {
            measures.count_acceptance(pending.submission.door, acceptance, &reports[index].body);
        }
        // A sender who has gone away gets no answer; the report is kept all the same.
        drop(pending.answer.send(answer));
    }
}

fn new_report(submission: &Submission, body: &mut Body, clock: &Clock) -> NewReport {
    let bytes = std::mem::take(&mut body.bytes);
    NewReport {
        id: submission.id,
        digest: submission.digest,
        door: submission.door,
        tester: submission.tester,
        received_at: clock.now(),
        body: Body { dictionary: body.dictionary, size: body.size, bytes },
    }
}

/// Tries of a group that gives way to other processes.
const TRIES: usize = 3;

/// Commits a group, if need be once more: of two transactions that wait for each other's rows, a database that several
/// processes share ends one. What is answered is what the last try found.
async fn commit_despite_others(
    store: &Store,
    clock: &Clock,
    reports: &[NewReport],
) -> Result<Vec<Acceptance>, StoreError> {
    for _ in 1..TRIES {
        match commit_in_time(store, clock, reports).await {
            Err(error) if error.gave_way() => {
                tracing::info!(error = %chain(&error), reports = reports.len(), "a group gave way and is tried again");
            }
            ended => return ended,
        }
    }
    commit_in_time(store, clock, reports).await
}

/// A database on another machine that says nothing any more is given up at some time: the connection may be dead without
/// a word, and others wait behind this group.
async fn commit_in_time(store: &Store, clock: &Clock, reports: &[NewReport]) -> Result<Vec<Acceptance>, StoreError> {
    if !store.shared() {
        return commit_group(store, clock, reports).await;
    }
    let silent = |_| StoreError::Database(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    tokio::time::timeout(LONGEST, commit_group(store, clock, reports)).await.map_err(silent)?
}

/// Commits reports and one job in one transaction; the answers are in the order of the reports.
async fn commit_group(store: &Store, clock: &Clock, reports: &[NewReport]) -> Result<Vec<Acceptance>, StoreError> {
    let mut tx = store.begin_intake().await?;
    let group = tx.open_group(reports.len(), clock.now()).await?;
    let first_of_each = first_of_each(reports);
    let inserted: HashMap<ReportId, i64> = tx.insert_reports(group, &first_of_each).await?.into_iter().collect();
    let bodies: Vec<(i64, &NewReport)> =
        first_of_each.iter().filter_map(|report| inserted.get(&report.id).map(|number| (*number, *report))).collect();
    tx.insert_bodies(&bodies).await?;

    let mut acceptances = Vec::with_capacity(reports.len());
    let mut fresh = inserted.clone();
    for report in reports {
        let acceptance = match fresh.remove(&report.id) {
            Some(_) => Acceptance::Accepted,
            None => accept_again(&mut tx, report, group).await?,
        };
        acceptances.push(acceptance);
    }
    // A report that is corrected within the group is one report to process.
    let work: HashSet<ReportId> = (reports.iter().zip(&acceptances))
        .filter(|(_, acceptance)| matches!(acceptance, Acceptance::Accepted | Acceptance::Corrected { .. }))
        .map(|(report, _)| report.id)
        .collect();
    if !work.is_empty() {
        if work.len() < reports.len() {
            tx.size_group(group, work.len()).await?;
        }
        tx.enqueue(&ProcessGroup::new(group)).await?;
        tx.commit().await?;
    }
    Ok(acceptances)
}

/// The first report of each id: the others are repetitions or corrections within the group.
fn first_of_each(reports: &[NewReport]) -> Vec<&NewReport> {
    let mut seen = HashSet::with_capacity(reports.len());
    reports.iter().filter(|report| seen.insert(report.id)).collect()
}

/// A report whose id is known: the same again, a correction, one that was withdrawn, or somebody else's.
async fn accept_again(tx: &mut Tx, report: &NewReport, group: GroupNumber) -> Result<Acceptance, StoreError> {
    let stored: StoredReport = tx.report(report.id).await?.ok_or_else(|| StoreError::inconsistent("reports", 0))?;
    if stored.digest == report.digest {
        return Ok(Acceptance::Duplicate);
    }
    if !tx.withdrawals(&[stored.number]).await?.is_empty() {
        return Ok(Acceptance::Withdrawn { stored: stored.digest });
    }
    if stored.tester != report.tester {
        return Ok(Acceptance::Conflict { stored: stored.digest });
    }
    tx.correct_report(&stored, report, group).await?;
    Ok(Acceptance::Corrected { revision: stored.revision + 1 })
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
