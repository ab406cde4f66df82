//! Counts equal the rows, after any order of sends, corrections and repetitions (promises 2, 4, 5 and 6).

use std::collections::BTreeMap;

use pipeline::accept::Acceptance;
use pipeline::rebuild;
use proptest::prelude::*;
use proptest::sample::select;
use schemas::grade::Counts;
use serde_json::Value;

use crate::mirror::Mirror;
use crate::raw::Raw;
use crate::recount::{AllCounts, by_release, documents};
use crate::stack::{Stack, id, report};

/// A platform's perl with its maturity and patch state (contract §3.3), written down here by hand.
const PERLS: [(&str, bool, bool); 4] =
    [("5.36.0", false, false), ("5.37.3", true, false), ("5.36.0 RC1", false, true), ("5.37.3 patch 7", true, true)];

fn flags(perl: &str) -> (bool, bool) {
    PERLS.iter().find(|known| known.0 == perl).map(|known| (known.1, known.2)).expect("a perl of this test")
}

/// One report as a tester means it; `None` is bytes no reader can read.
type Body = Option<(&'static str, &'static str, &'static str, &'static str, &'static str)>;

#[derive(Clone, Debug)]
struct Send {
    id: usize,
    tester: &'static str,
    body: Body,
}

#[derive(Clone, Debug)]
enum Step {
    /// Sent together: committed in groups as they fall.
    Send(Vec<Send>),
    /// The oldest so many groups, one after the other.
    Process(usize),
    /// All groups that wait, at the same time.
    ProcessAtOnce,
    /// All groups that wait, in one transaction.
    ProcessTogether,
    /// A reader takes a page of so many rows, and another one begins where it stands.
    Follow(usize),
    /// Everything is read again while things go on.
    Rebuild,
}

fn bodies() -> impl Strategy<Value = Body> {
    let readable = (
        select(vec!["Foo-Bar", "Foo"]),
        select(vec!["1.0", "1.1_02"]),
        select(vec!["pass", "fail", "na", "unknown"]),
        select(PERLS.map(|perl| perl.0).to_vec()),
        select(vec!["linux", "MSWin32"]),
    );
    prop_oneof![8 => readable.prop_map(Some), 1 => Just(None)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let send =
        (0..5_usize, select(vec!["Ann", "Bob"]), bodies()).prop_map(|(id, tester, body)| Send { id, tester, body });
    let step = prop_oneof![
        6 => prop::collection::vec(send, 1..9).prop_map(Step::Send),
        2 => (1..4_usize).prop_map(Step::Process),
        1 => Just(Step::ProcessAtOnce),
        1 => Just(Step::ProcessTogether),
        2 => (1..6_usize).prop_map(Step::Follow),
        1 => Just(Step::Rebuild),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_equal_the_rows_after_any_order_of_events(steps in steps(), group_limit in 1..7_usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(steps, group_limit));
    }
}

/// What is expected of the reports, kept by the simplest rules there are.
#[derive(Default)]
struct Expected {
    reports: BTreeMap<usize, (&'static str, Body, i64)>,
}

impl Expected {
    fn send(&mut self, send: &Send) -> &'static str {
        match self.reports.get_mut(&send.id) {
            None => {
                self.reports.insert(send.id, (send.tester, send.body, 1));
                "accepted"
            }
            Some(known) if known.1 == send.body => "duplicate",
            Some(known) if known.0 != send.tester => "conflict",
            Some(known) => {
                *known = (send.tester, send.body, known.2 + 1);
                "corrected"
            }
        }
    }
}

fn bytes(body: &Body) -> String {
    match body {
        Some((distribution, version, grade, perl, os)) => report(distribution, version, grade, perl, os),
        None => "{ no report".to_owned(),
    }
}

async fn play(steps: Vec<Step>, group_limit: usize) {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), group_limit).await;
    let raw = stack.raw().await;
    let mut expected = Expected::default();
    let mut mirrors = vec![Mirror::default()];
    for step in steps {
        stack.process.clock.advance(chrono::TimeDelta::seconds(1));
        match step {
            Step::Send(sends) => send(&stack, &mut expected, sends).await,
            Step::Process(count) => {
                for group in stack.open_groups().await.into_iter().take(count) {
                    stack.process.process(group, "test").await.unwrap();
                }
            }
            Step::ProcessTogether => {
                stack.process.process_together(&stack.open_groups().await, "test").await.unwrap();
                assert!(stack.open_groups().await.is_empty());
            }
            Step::ProcessAtOnce => {
                let groups = stack.open_groups().await;
                let all = groups.into_iter().map(|group| stack.process.process(group, "test"));
                futures::future::try_join_all(all).await.unwrap();
            }
            Step::Follow(limit) => {
                mirrors[0].follow(stack.store(), limit).await;
                mirrors.push(mirrors[0].clone());
            }
            Step::Rebuild => {
                rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
            }
        }
        check_waiting(&stack, &raw).await;
    }
    stack.work_off().await;
    check_rows(&stack, &raw, &expected).await;
    check_counts(&stack, &raw).await;
    check_mirrors(&stack, &raw, mirrors).await;
    check_rebuild(&stack, &raw).await;
}

async fn send(stack: &Stack, expected: &mut Expected, sends: Vec<Send>) {
    let mut submissions = Vec::new();
    for send in &sends {
        submissions.push(stack.submission(&id(send.id), &bytes(&send.body), send.tester).await);
    }
    let answers = stack.acceptor.accept_all(submissions).await.unwrap();
    for (send, answer) in sends.iter().zip(answers) {
        let told = match answer {
            Acceptance::Accepted => "accepted",
            Acceptance::Duplicate => "duplicate",
            Acceptance::Corrected { revision } => {
                assert_eq!(revision, expected.reports[&send.id].2 + 1, "of {send:?}");
                "corrected"
            }
            Acceptance::Conflict { .. } => "conflict",
            Acceptance::Withdrawn { .. } => unreachable!("nothing is withdrawn here"),
        };
        assert_eq!(told, expected.send(send), "to {send:?}");
    }
}

/// What waits is told exactly, corrections of what waits already not counted twice.
async fn check_waiting(stack: &Stack, raw: &Raw) {
    let sql = "SELECT count(*) FROM reports WHERE state = 'accepted'";
    let waiting: i64 = raw.value(sql).await;
    assert_eq!(stack.store().freshness(stack.process.clock.now()).await.unwrap().waiting, waiting);
}

/// Each report's row is that of its newest revision, and its receipt says what became of it.
async fn check_rows(stack: &Stack, raw: &Raw, expected: &Expected) {
    let documents = documents(raw).await;
    for (number, (tester, body, revision)) in &expected.reports {
        let receipt = stack.receipt(&id(*number)).await;
        assert_eq!(receipt.revision, *revision);
        let document = documents.get(&id(*number));
        match (body, document) {
            (Some((distribution, version, grade, perl, os)), Some(document)) => {
                assert_eq!(receipt.state.as_str(), "processed");
                let found = ["distribution", "version", "grade", "language_version", "osname", "tester"]
                    .map(|name| document[name].as_str().unwrap());
                assert_eq!(found, [*distribution, *version, *grade, *perl, *os, *tester]);
            }
            (None, None) => {
                assert_eq!(receipt.state.as_str(), "rejected");
                assert!(receipt.reason.is_some_and(|reason| reason.contains("not JSON")));
            }
            other => panic!("report {number} has the row {other:?}"),
        }
    }
    let readable = expected.reports.values().filter(|report| report.1.is_some()).count();
    assert_eq!(documents.len(), readable);
}

async fn check_counts(stack: &Stack, raw: &Raw) {
    let documents = documents(raw).await;
    let recount = AllCounts::of(documents.values(), flags);
    assert_eq!(AllCounts::stored(raw).await, recount);
    let sum = |counts: &mut dyn Iterator<Item = &Counts>| counts.fold(Counts::default(), |sum, one| sum + *one);
    assert_eq!(stack.store().totals().await.unwrap(), sum(&mut recount.testers.values()));
    assert_eq!(sum(&mut recount.testers.values()).total(), documents.len() as i64);
}

/// A reader from the beginning and those that stopped somewhere in between end with the same rows.
async fn check_mirrors(stack: &Stack, raw: &Raw, mut mirrors: Vec<Mirror>) {
    let documents = documents(raw).await;
    let summaries = by_release(&AllCounts::stored(raw).await);
    mirrors.push(Mirror::default());
    for (number, mut mirror) in mirrors.into_iter().enumerate() {
        let from = mirror.cursor;
        mirror.follow_to_the_end(stack.store(), 1 + number % 4).await;
        assert_eq!(mirror.documents, documents, "from cursor {from}");
        assert_eq!(mirror.summaries, summaries, "from cursor {from}");
        assert_eq!(mirror.cursor, stack.store().head().await.unwrap(), "from cursor {from}");
    }
}

/// Reading everything again changes nothing, and from the bytes alone all comes out the same.
async fn check_rebuild(stack: &Stack, raw: &Raw) {
    let before: (BTreeMap<String, Value>, AllCounts) = (documents(raw).await, AllCounts::stored(raw).await);
    let head = stack.store().head().await.unwrap();
    let progress = rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(progress.changed, 0);
    assert_eq!(stack.store().head().await.unwrap(), head);

    rebuild::clear(&stack.process).await.unwrap();
    assert_eq!(AllCounts::stored(raw).await, AllCounts::default());
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!((documents(raw).await, AllCounts::stored(raw).await), before);
}
