//! Change numbers become visible in their order while eight writers, each with a connection of its own, dawdle inside
//! their transactions (promise 5).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pipeline::accept::{AcceptError, Acceptance, Acceptor};
use pipeline::bodies;
use pipeline::process::Process;
use pipeline::store::{
    ChangeRow, Counted, Door, NewExtract, NewReport, OldExtract, ReleaseKey, ReleaseNumber, Store, StoreError,
    SummaryDelta, Tester, TesterNumber, Tx,
};
use pipeline::submission::Submission;
use pipeline::withdraw::{self, Order, Restored};
use schemas::extract::Language;
use schemas::grade::{Counts, Grade};
use schemas::ids::{Digest, ReportId};
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy};

use crate::mirror::Mirror;
use crate::recount::{AllCounts, by_release, documents};
use crate::stack::{Stack, id, report};

const WRITERS: usize = 8;
const ROUNDS: usize = 25;
/// Reports that each writer has to itself.
const REPORTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_skipped_while_eight_writers_dawdle_inside_their_transactions() {
    let stack = Stack::new().await;
    for number in 0..WRITERS * REPORTS {
        stack.accept(&id(number), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    }
    stack.work_off().await;
    let start = stack.store().head().await.unwrap();
    let left = Arc::new(AtomicUsize::new(WRITERS));
    let follower = tokio::spawn(follow(stack.other_store().await, Arc::clone(&left)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = stack.other_store().await;
        let left = Arc::clone(&left);
        writers.push(tokio::spawn(async move {
            let given = write(&store, writer, Chance(writer as u64 + 1)).await;
            left.fetch_sub(1, Ordering::SeqCst);
            given
        }));
    }
    let mut given = Vec::new();
    for writer in writers {
        given.extend(writer.await.unwrap());
    }
    let (mirror, late) = follower.await.unwrap();

    assert_eq!(late, Vec::<i64>::new(), "turned up behind the cursor");
    // Each number was given once, and none was left out.
    given.sort_unstable();
    let head = stack.store().head().await.unwrap();
    assert!(given.len() >= WRITERS * ROUNDS, "only {} changes", given.len());
    assert_eq!(given, (start + 1..=head).collect::<Vec<_>>());
    let raw = stack.raw().await;
    assert_eq!(mirror.documents, documents(&raw).await);
    assert_eq!(mirror.summaries, by_release(&AllCounts::stored(&raw).await));
    assert_eq!(mirror.cursor, head);
    assert_eq!(mirror.documents.len(), WRITERS * REPORTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_skipped_while_eight_processes_correct_withdraw_and_restore_the_same_reports() {
    let stack = Stack::new().await;
    let ann = stack.tester("Ann").await;
    let left = Arc::new(AtomicUsize::new(WRITERS));
    let follower = tokio::spawn(follow(stack.other_store().await, Arc::clone(&left)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        // As another process would: with nothing in common but the database.
        let process = stack.other_process().await;
        let (ann, left) = (ann.clone(), Arc::clone(&left));
        writers.push(tokio::spawn(async move {
            let done = live(&process, &ann, Chance(100 + writer as u64)).await;
            left.fetch_sub(1, Ordering::SeqCst);
            done
        }));
    }
    let mut done = [0; 4];
    for writer in writers {
        let counts = writer.await.unwrap();
        done.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let (mut mirror, late) = follower.await.unwrap();
    stack.work_off().await;
    mirror.follow_to_the_end(stack.store(), 4).await;

    assert!(done.iter().all(|count| *count > 10), "accepted, processed, withdrawn, restored: {done:?}");
    assert_eq!(late, Vec::<i64>::new(), "turned up behind the cursor");
    let raw = stack.raw().await;
    let (documents, counts) = (documents(&raw).await, AllCounts::stored(&raw).await);
    assert_eq!(counts, AllCounts::of(documents.values(), |_| (false, false)));
    assert_eq!(mirror.summaries, by_release(&counts));
    assert_eq!(mirror.documents, documents);
    assert_eq!(mirror.cursor, stack.store().head().await.unwrap());
}

/// Who goes on from the greatest number seen misses no report: what is settled before a number stays so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reports_appear_in_the_order_of_their_numbers_while_eight_take_them_in() {
    let stack = Stack::new().await;
    let ann = stack.tester("Ann").await;
    let raw = stack.raw().await;
    let left = Arc::new(AtomicUsize::new(WRITERS));
    let reader = tokio::spawn({
        let left = Arc::clone(&left);
        async move {
            let (mut seen, mut late) = (BTreeSet::new(), Vec::new());
            loop {
                let done = left.load(Ordering::SeqCst) == 0;
                let greatest = seen.last().copied().unwrap_or(0);
                let numbers: Vec<i64> = raw.values("SELECT number FROM reports").await;
                late.extend(numbers.iter().copied().filter(|number| *number < greatest && !seen.contains(number)));
                seen.extend(numbers);
                if done {
                    return (seen, late);
                }
            }
        }
    });
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (store, left, ann) = (stack.other_store().await, Arc::clone(&left), ann.number);
        writers.push(tokio::spawn(async move {
            let committed = take_in(&store, writer, ann, Chance(200 + writer as u64)).await;
            left.fetch_sub(1, Ordering::SeqCst);
            committed
        }));
    }
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.unwrap();
    }
    let (seen, late) = reader.await.unwrap();
    assert_eq!(late, Vec::<i64>::new(), "turned up behind the greatest");
    assert_eq!(seen.len(), committed);
    assert!(committed > WRITERS * ROUNDS, "only {committed} reports");
}

/// Commits groups of new reports, dawdling inside each transaction, and tells how many reports there were. Some groups
/// are given up.
async fn take_in(store: &Store, writer: usize, tester: TesterNumber, mut chance: Chance) -> usize {
    let mut committed = 0;
    for round in 0..ROUNDS {
        let one = |place: usize| NewReport {
            id: id(10_000 * (writer + 1) + 10 * round + place).parse().unwrap(),
            digest: Digest::of(b"text"),
            door: Door::V4,
            tester,
            received_at: "2026-11-21T08:00:00Z".parse().unwrap(),
            body: bodies::pack(b"text"),
        };
        let reports: Vec<NewReport> = (0..=chance.below(3) as usize).map(one).collect();
        let given_up = chance.below(5) == 0;
        loop {
            match take_in_group(store, &reports, given_up, &mut chance).await {
                Ok(()) => break,
                // Another writer had the file for longer than this one would wait.
                Err(error) if error.transient() => continue,
                Err(error) => panic!("{error:?}"),
            }
        }
        committed += if given_up { 0 } else { reports.len() };
    }
    committed
}

async fn take_in_group(
    store: &Store,
    reports: &[NewReport],
    given_up: bool,
    chance: &mut Chance,
) -> Result<(), StoreError> {
    let mut tx = store.begin_intake().await?;
    chance.dawdle().await;
    let group = tx.open_group(reports.len(), "2026-11-21T08:00:00Z".parse().unwrap()).await?;
    let numbers = tx.insert_reports(group, &reports.iter().collect::<Vec<_>>()).await?;
    chance.dawdle().await;
    let number = |report: &NewReport| numbers.iter().find(|(id, _)| *id == report.id).expect("it is new").1;
    let bodies: Vec<(i64, &NewReport)> = reports.iter().map(|report| (number(report), report)).collect();
    tx.insert_bodies(&bodies).await?;
    chance.dawdle().await;
    match given_up {
        true => Ok(()),
        false => tx.commit().await,
    }
}

/// Sends, processes, withdraws and restores a few reports that others have in hand, too; gives how often each did
/// something. What fails because another had the file for too long is left for a later round.
async fn live(process: &Process, ann: &Tester, mut chance: Chance) -> [usize; 4] {
    let Process { store, clock, events, measures } = process.clone();
    let acceptor = Acceptor::start(store.clone(), clock, events, measures, 4);
    let mut done = [0; 4];
    for _ in 0..60 {
        let name: ReportId = id(chance.below(6) as usize).parse().unwrap();
        let grade = ["pass", "fail", "na", "unknown"][chance.below(4) as usize];
        let body = report("Foo-Bar", &format!("1.{}", chance.below(3)), grade, "5.36.0", "linux");
        match acceptor.accept(Submission::new(name, Door::V4, ann, Bytes::from(body))).await {
            Ok(Acceptance::Accepted | Acceptance::Corrected { .. }) => done[0] += 1,
            Ok(Acceptance::Duplicate | Acceptance::Withdrawn { .. }) => {}
            Ok(Acceptance::Conflict { .. }) => panic!("all are Ann's"),
            Err(AcceptError::Store(error)) if error.transient() => continue,
            Err(error) => panic!("{error:?}"),
        }
        chance.dawdle().await;
        for group in store.open_groups(2).await.unwrap() {
            // A failed attempt leaves the group open; at the end, none may be.
            done[1] += usize::from(process.process(group, "test").await.is_ok());
        }
        let number = store.report(name).await.unwrap().unwrap().number;
        let withdrawn = match chance.below(4) {
            0 => withdraw::withdraw(process, &[number], &order()).await.map(|tally| done[2] += tally.withdrawn),
            1 => withdraw::restore(process, number)
                .await
                .map(|restored| done[3] += usize::from(restored == Restored::Accepted)),
            _ => Ok(()),
        };
        assert!(withdrawn.as_ref().err().is_none_or(StoreError::transient), "{withdrawn:?}");
    }
    done
}

fn order() -> Order {
    Order {
        kind: WithdrawnAs::Retracted,
        reason: "why".to_owned(),
        by: WithdrawnBy::Tester,
        who: "ann".to_owned(),
        body: BodyFate::Kept,
    }
}

/// Numbers that differ without being unforeseeable: xorshift (Marsaglia, 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    async fn dawdle(&mut self) {
        tokio::time::sleep(Duration::from_micros(self.below(3000))).await;
    }
}

/// Changes reports again and again, and gives the numbers of the changes that were committed.
async fn write(store: &Store, writer: usize, mut chance: Chance) -> Vec<i64> {
    let mut given = Vec::new();
    let mut round = 0;
    while round < ROUNDS {
        match change(store, writer, round, &mut chance).await {
            Ok(numbers) => given.extend(numbers),
            // Another writer had the file for longer than this one would wait.
            Err(error) if error.transient() => continue,
            Err(error) => panic!("{error:?}"),
        }
        round += 1;
        chance.dawdle().await;
    }
    given
}

/// One transaction: a new row for a few of the writer's reports, sometimes given up when all is written.
async fn change(store: &Store, writer: usize, round: usize, chance: &mut Chance) -> Result<Vec<i64>, StoreError> {
    let mut tx = store.begin_counting().await?;
    chance.dawdle().await;
    let version = format!("1.{}", chance.below(3));
    let release = release(&mut tx, &version).await?;
    let mut reports = HashMap::new();
    for one in 0..=chance.below(REPORTS as u64 - 1) as usize {
        let name = id(writer * REPORTS + one);
        reports.insert(tx.report(name.parse().unwrap()).await?.unwrap().number, name);
    }
    let old = tx.old_extracts(&reports.keys().copied().collect::<Vec<_>>()).await?;
    let row = |old: &OldExtract| {
        let document = format!(r#"{{"id":"{}","version":"{version}","round":{round}}}"#, reports[&old.counted.number]);
        row(old.counted.number, release, Grade::ALL[round % 4], document)
    };
    let rows: Vec<NewExtract> = old.iter().map(row).collect();
    let mut releases: Vec<ReleaseNumber> = old.iter().map(|old| old.counted.release).chain([release]).collect();
    releases.sort();
    releases.dedup();
    chance.dawdle().await;
    let first = tx.take_changes(rows.len() + releases.len()).await?;
    chance.dawdle().await;
    let mut deltas: Vec<SummaryDelta> = Vec::new();
    for (old, new) in old.iter().zip(&rows) {
        deltas.push(delta(old.counted.release, -Counts::one(old.counted.grade)));
        deltas.push(delta(new.counted.release, Counts::one(new.counted.grade)));
    }
    for delta in deltas {
        tx.adjust_summaries(&[delta]).await?;
    }
    chance.dawdle().await;
    let now = "2026-11-21T08:00:00Z".parse().unwrap();
    tx.put_extracts(&rows, first, now).await?;
    tx.mark_releases(&releases, first + rows.len() as i64, now).await?;
    chance.dawdle().await;
    if chance.below(5) == 0 {
        // Dropped: the numbers it took are given again.
        return Ok(Vec::new());
    }
    tx.commit().await?;
    Ok((first..first + (rows.len() + releases.len()) as i64).collect())
}

async fn release(tx: &mut Tx, version: &str) -> Result<ReleaseNumber, StoreError> {
    let key = ReleaseKey {
        language: Language::Perl,
        distribution: "Foo-Bar".to_owned(),
        version: version.to_owned(),
        developer: false,
    };
    let put = tx.put_releases(&[key], "2026-11-21T08:00:00Z".parse().unwrap()).await?;
    Ok(*put.numbers.values().next().expect("the release was put"))
}

fn row(number: i64, release: ReleaseNumber, grade: Grade, document: String) -> NewExtract {
    NewExtract {
        counted: Counted {
            number,
            release,
            tester: TesterNumber(1),
            grade,
            language_version: "5.36.0".to_owned(),
            development: false,
            patched: false,
            os: "linux".to_owned(),
            architecture: "x86_64-linux".to_owned(),
        },
        extractor: 1,
        received_at: "2026-11-21T08:00:00Z".parse().unwrap(),
        telling: None,
        document,
        removed: false,
    }
}

fn delta(release: ReleaseNumber, counts: Counts) -> SummaryDelta {
    SummaryDelta { release, development: false, patched: false, counts }
}

/// Follows the feed until all writers are done, and looks back each time. Gives the numbers that turned up behind it.
async fn follow(store: Store, left: Arc<AtomicUsize>) -> (Mirror, Vec<i64>) {
    let mut mirror = Mirror::default();
    let mut late = Vec::new();
    loop {
        let done = left.load(Ordering::SeqCst) == 0;
        let taken = mirror.follow(&store, 4).await;
        let (all, _) = store.changes(0, 1000).await.unwrap();
        let numbers = all.iter().map(ChangeRow::number);
        late.extend(numbers.filter(|number| *number <= mirror.cursor && !mirror.seen.contains(number)));
        if done && taken == 0 {
            return (mirror, late);
        }
    }
}
