//! A withdrawn report is counted nowhere and its tombstone is in the feed; what was withdrawn stays so (promises 4 to 6).

use std::collections::BTreeMap;

use pipeline::accept::Acceptance;
use pipeline::rebuild;
use pipeline::retention::{self, Ending, Policy};
use pipeline::store::{ChangeRow, Month, Release, WithdrawalSelection};
use pipeline::uploads;
use pipeline::withdraw::{self, Order, Restored, Tally};
use proptest::prelude::*;
use proptest::sample::select;
use schemas::extract::Language;
use schemas::grade::Counts;
use schemas::ids::Digest;
use schemas::uploads::{Kind, Upload};
use schemas::views::{State, SummaryView};
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy};
use tokio_util::sync::CancellationToken;

use crate::mirror::Mirror;
use crate::raw::Raw;
use crate::recount::{AllCounts, by_release, documents};
use crate::stack::{Stack, id, report};

fn by_tester(body: BodyFate) -> Order {
    Order {
        kind: WithdrawnAs::Retracted,
        reason: "a broken compiler, says ann@example.org".to_owned(),
        by: WithdrawnBy::Tester,
        who: "ann".to_owned(),
        body,
    }
}

fn by_operator(body: BodyFate) -> Order {
    Order { kind: WithdrawnAs::Invalid, by: WithdrawnBy::Operator, who: "token".to_owned(), ..by_tester(body) }
}

async fn withdraw_one(stack: &Stack, name: &str, order: &Order) -> Tally {
    let number = stack.store().report(name.parse().unwrap()).await.unwrap().unwrap().number;
    withdraw::withdraw(&stack.process, &[number], order).await.unwrap()
}

async fn restore(stack: &Stack, name: &str) -> Restored {
    let number = stack.store().report(name.parse().unwrap()).await.unwrap().unwrap().number;
    withdraw::restore(&stack.process, number).await.unwrap()
}

const DONE: Tally = Tally { withdrawn: 1, already: 0, overruled: 0 };
const AGAIN: Tally = Tally { withdrawn: 0, already: 1, overruled: 0 };

#[tokio::test]
async fn a_retracted_report_leaves_counts_lists_and_a_tombstone() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.accept(&id(2), &report("Foo-Bar", "1.1", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let head = stack.store().head().await.unwrap();
    let mut news = stack.process.events.processed();

    assert_eq!(withdraw_one(&stack, &id(1), &by_tester(BodyFate::Kept)).await, DONE);
    let (rows, after) = stack.store().changes(head, 10).await.unwrap();
    let [ChangeRow::Result { removed: true, document, number }, ChangeRow::Summary { removed: true, summary, .. }] =
        rows.as_slice()
    else {
        panic!("{rows:?}")
    };
    assert_eq!(*document, format!(r#"{{"id":"{}"}}"#, id(1)));
    assert_eq!((*number, summary.version.as_str(), after), (head + 1, "1.0", head + 2));
    assert_eq!(news.recv().await.unwrap().head, after);
    let raw = stack.raw().await;
    let counts = AllCounts::stored(&raw).await;
    assert_eq!(counts.summaries.keys().map(|key| key[1].as_str()).collect::<Vec<_>>(), ["1.1"]);
    assert_eq!((counts.cells.len(), stack.store().totals().await.unwrap().total()), (1, 1));

    let receipt = stack.receipt(&id(1)).await;
    let withdrawn = receipt.withdrawn.unwrap();
    assert_eq!(
        (receipt.state, withdrawn.kind, withdrawn.by),
        (State::Processed, WithdrawnAs::Retracted, WithdrawnBy::Tester)
    );
    assert_eq!((withdrawn.reason.as_str(), withdrawn.at), ("a broken compiler, says ann@…", stack.process.clock.now()));
    let reread = stack.readers.report(id(1).parse().unwrap()).await.unwrap().unwrap();
    assert!(reread.view.result.is_none() && reread.view.withdrawn.is_some());
    assert!(reread.text.contains("All tests successful"), "the bytes are kept");

    // Given again, it changes nothing.
    stack.process.clock.advance(chrono::TimeDelta::hours(1));
    assert_eq!(withdraw_one(&stack, &id(1), &by_tester(BodyFate::Kept)).await, AGAIN);
    assert_eq!(stack.store().head().await.unwrap(), after);
    assert_eq!(stack.receipt(&id(1)).await.withdrawn.unwrap().at, withdrawn.at);
}

#[tokio::test]
async fn a_report_that_waits_is_withdrawn_before_it_is_counted() {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 2).await;
    let body = report("Foo-Bar", "1.0", "fail", "5.36.0", "linux");
    let both = [stack.submission(&id(1), &body, "Ann").await, stack.submission(&id(2), &body, "Ann").await];
    stack.acceptor.accept_all(both.to_vec()).await.unwrap();
    let waiting = async || stack.store().freshness(stack.process.clock.now()).await.unwrap().waiting;
    let before = waiting().await;
    for body in [BodyFate::Kept, BodyFate::Purged] {
        withdraw_one(&stack, &id(1), &by_tester(body)).await;
        assert_eq!(waiting().await, before - 1);
    }
    stack.work_off().await;
    assert_eq!(waiting().await, 0);
    assert_eq!(documents(&stack.raw().await).await.keys().collect::<Vec<_>>(), [&id(2)]);
    assert_eq!(stack.receipt(&id(1)).await.state, State::Processed);
    // Nothing was told of it, so there is nothing to take back.
    assert_eq!(stack.store().head().await.unwrap(), 2);
}

#[tokio::test]
async fn a_correction_that_waits_is_withdrawn_with_what_it_corrects() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    withdraw_one(&stack, &id(1), &by_tester(BodyFate::Kept)).await;
    assert!(stack.open_groups().await.is_empty());
    assert_eq!(stack.store().totals().await.unwrap(), Counts::default());

    assert_eq!(restore(&stack, &id(1)).await, Restored::Accepted);
    stack.work_off().await;
    assert_eq!(stack.store().totals().await.unwrap(), Counts { pass: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_report_withdrawn_while_a_worker_reads_it_makes_no_row() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    withdraw_one(&stack, &id(1), &by_tester(BodyFate::Kept)).await;
    // As if the worker's group were still open: the rows are guarded by the withdrawal itself, whatever the state says.
    let raw = stack.raw().await;
    raw.run("UPDATE reports SET state = 'accepted'").await;
    raw.run("UPDATE groups SET settled_at = NULL").await;
    stack.work_off().await;
    assert!(documents(&raw).await.is_empty());
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::default());
    let rows: i64 = raw.value("SELECT count(*) FROM extracts").await;
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_purged_report_has_no_bytes_left_but_its_digest() {
    let stack = Stack::new().await;
    let first = report("Foo-Bar", "1.0", "fail", "5.36.0", "linux");
    let second = report("Foo-Bar", "1.0", "pass", "5.36.0", "linux");
    stack.accept(&id(1), &first, "Ann").await;
    stack.work_off().await;
    stack.accept(&id(1), &second, "Ann").await;
    stack.work_off().await;
    withdraw_one(&stack, &id(1), &by_operator(BodyFate::Purged)).await;

    let raw = stack.raw().await;
    let sql = "SELECT (SELECT count(*) FROM bodies), (SELECT count(*) FROM superseded_bodies)";
    assert_eq!(raw.row::<(i64, i64)>(sql).await, (0, 0));
    let original = stack.readers.original(id(1).parse().unwrap()).await.unwrap().unwrap();
    assert!(original.purged() && original.bytes.is_empty());
    let view = stack.readers.report(id(1).parse().unwrap()).await.unwrap().unwrap().view;
    assert!(view.report.is_null() && view.details.is_none());
    assert_eq!(view.digest, Digest::of(second.as_bytes()).to_string());
    assert_eq!(restore(&stack, &id(1)).await, Restored::Purged);
    assert_eq!(rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap().changed, 0);
    // The digest still tells the same report from another.
    assert_eq!(stack.accept(&id(1), &second, "Ann").await, Acceptance::Duplicate);
    let stored = Digest::of(second.as_bytes());
    assert_eq!(stack.accept(&id(1), &first, "Ann").await, Acceptance::Withdrawn { stored });
}

#[tokio::test]
async fn a_tester_does_not_soften_what_an_operator_found() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    assert_eq!(withdraw_one(&stack, &id(1), &by_tester(BodyFate::Kept)).await, DONE);
    assert_eq!(withdraw_one(&stack, &id(1), &by_operator(BodyFate::Kept)).await, DONE);
    let overruled = withdraw_one(&stack, &id(1), &by_tester(BodyFate::Purged)).await;
    assert_eq!(overruled, Tally { overruled: 1, ..Tally::default() });
    let withdrawn = stack.receipt(&id(1)).await.withdrawn.unwrap();
    assert_eq!((withdrawn.kind, withdrawn.body), (WithdrawnAs::Invalid, BodyFate::Kept));
}

#[tokio::test]
async fn a_selection_is_withdrawn_in_pieces_and_touches_nobody_else() {
    let stack = Stack::new().await;
    let start = stack.process.clock.now();
    for number in 0..12 {
        let tester = if number % 3 == 0 { "Bob" } else { "Ann" };
        stack.accept(&id(number), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), tester).await;
        stack.process.clock.advance(chrono::TimeDelta::minutes(1));
    }
    stack.work_off().await;
    let ann = stack.tester("Ann").await.number;
    let minute = |minutes| Some(start + chrono::TimeDelta::minutes(minutes));
    // Ann sent 1 2 4 5 7 8 10 11, one a minute; 2 to 9 are meant.
    let selection = WithdrawalSelection {
        tester: Some(ann),
        received_since: minute(2),
        received_before: minute(10),
        ..WithdrawalSelection::default()
    };
    let order = by_operator(BodyFate::Kept);
    withdraw_one(&stack, &id(5), &order).await;
    let found = stack.store().withdrawable(&selection, order.kind, order.body).await.unwrap();
    assert_eq!((found.matched, found.already), (5, 1));
    let first = withdraw::withdraw_selected(&stack.process, &selection, &order, 3).await.unwrap();
    assert_eq!(first, Tally { withdrawn: 3, ..Tally::default() });
    let rest = withdraw::withdraw_selected(&stack.process, &selection, &order, 3).await.unwrap();
    assert_eq!(rest, Tally { withdrawn: 1, ..Tally::default() });
    let none = withdraw::withdraw_selected(&stack.process, &selection, &order, 3).await.unwrap();
    assert_eq!(none, Tally::default());

    let standing = documents(&stack.raw().await).await;
    let mut expected = [0, 1, 3, 6, 9, 10, 11].map(id).to_vec();
    expected.sort();
    assert_eq!(standing.into_keys().collect::<Vec<_>>(), expected);
    // To purge them is more than was done.
    let purged = by_operator(BodyFate::Purged);
    assert_eq!(stack.store().withdrawable(&selection, purged.kind, purged.body).await.unwrap().already, 0);
    let tally = withdraw::withdraw_selected(&stack.process, &selection, &purged, 100).await.unwrap();
    assert_eq!(tally.withdrawn, 5);
    let left: i64 = stack.raw().await.value("SELECT count(*) FROM bodies").await;
    assert_eq!(left, 7);
}

/// One of a few reports, as a tester means it: version, grade, system, and the archive's path. Text enough to tell two
/// apart.
type Content = (&'static str, &'static str, &'static str, Option<&'static str>);

/// What reports may say of whose a release is: not all of them of the same author, nor of the same archive.
const PATHS: [Option<&str>; 4] =
    [None, Some("ANN/Foo-Bar.tar.gz"), Some("ANN/Foo-Bar.zip"), Some("authors/id/B/BO/BOB/Foo-Bar.tar.gz")];

/// Author and archive, or neither.
type Whose = Option<(&'static str, &'static str)>;

fn whose(path: Option<&'static str>) -> Whose {
    let path = path?;
    path.strip_prefix("authors/id/B/BO/").unwrap_or(path).split_once('/')
}

#[derive(Clone, Debug)]
enum Step {
    Send {
        id: usize,
        tester: &'static str,
        content: Content,
    },
    Retract {
        id: usize,
        purge: bool,
    },
    Invalidate {
        id: usize,
    },
    Restore {
        id: usize,
    },
    Process(usize),
    ProcessTogether,
    Follow(usize),
    Rebuild,
    /// A month passes, and the bytes go of those that are older than another.
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content = (
        select(vec!["1.0", "1.1"]),
        select(vec!["pass", "fail", "na", "unknown"]),
        select(vec!["linux", "MSWin32"]),
        select(PATHS.to_vec()),
    );
    let send = (0..4_usize, select(vec!["Ann", "Bob"]), content).prop_map(|(id, tester, content)| Step::Send {
        id,
        tester,
        content,
    });
    let step = prop_oneof![
        8 => send,
        3 => (0..4_usize, prop::bool::weighted(0.2)).prop_map(|(id, purge)| Step::Retract { id, purge }),
        1 => (0..4_usize).prop_map(|id| Step::Invalidate { id }),
        3 => (0..4_usize).prop_map(|id| Step::Restore { id }),
        3 => (1..4_usize).prop_map(Step::Process),
        1 => Just(Step::ProcessTogether),
        2 => (1..6_usize).prop_map(Step::Follow),
        1 => Just(Step::Rebuild),
        2 => Just(Step::Drop),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_those_of_what_stands_after_any_order_of_sends_and_withdrawals(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

/// What is expected of one report.
#[derive(Clone, Debug)]
struct Known {
    /// Which of all it was, in the order of acceptance, as its number tells.
    place: usize,
    tester: &'static str,
    content: Content,
    withdrawn: Option<(WithdrawnAs, BodyFate)>,
    /// How many months had passed.
    received: u32,
    dropped: bool,
}

/// What is expected of all, kept by the simplest rules there are.
#[derive(Default)]
struct Expected(BTreeMap<usize, Known>, u32);

impl Expected {
    fn send(&mut self, id: usize, tester: &'static str, content: Content) -> &'static str {
        match self.0.get_mut(&id) {
            None => {
                let (place, received) = (self.0.len(), self.1);
                self.0.insert(id, Known { place, tester, content, withdrawn: None, received, dropped: false });
                "accepted"
            }
            Some(known) if known.content == content => "duplicate",
            Some(known) if known.withdrawn.is_some() => "withdrawn",
            Some(known) if known.tester != tester => "conflict",
            Some(known) => {
                known.content = content;
                known.dropped = false;
                "corrected"
            }
        }
    }

    fn retract(&mut self, id: usize, purge: bool) -> Tally {
        let known = self.0.get_mut(&id).unwrap();
        let fate = if purge { BodyFate::Purged } else { BodyFate::Kept };
        match known.withdrawn {
            Some((WithdrawnAs::Invalid, _)) => return Tally { overruled: 1, ..Tally::default() },
            Some((_, BodyFate::Purged)) => return AGAIN,
            Some(_) if !purge => return AGAIN,
            _ => known.withdrawn = Some((WithdrawnAs::Retracted, fate)),
        }
        DONE
    }

    fn invalidate(&mut self, id: usize) -> Tally {
        let known = self.0.get_mut(&id).unwrap();
        let fate = known.withdrawn.map_or(BodyFate::Kept, |(_, fate)| fate);
        match known.withdrawn.replace((WithdrawnAs::Invalid, fate)) {
            Some((WithdrawnAs::Invalid, _)) => AGAIN,
            _ => DONE,
        }
    }

    fn restore(&mut self, id: usize) -> Restored {
        let known = self.0.get_mut(&id).unwrap();
        match known.withdrawn {
            None => Restored::Standing,
            Some((_, BodyFate::Purged)) => Restored::Purged,
            Some(_) if known.dropped => Restored::Dropped,
            Some(_) => {
                known.withdrawn = None;
                Restored::Accepted
            }
        }
    }

    fn drop(&mut self) {
        self.1 += 1;
        let months = self.1;
        self.0.values_mut().filter(|known| known.received + 1 < months).for_each(|known| known.dropped = true);
    }

    /// Whose a release is: the word of the first of those that stand and say.
    fn whose(&self, release: &str) -> Whose {
        let standing = self.0.values().filter(|known| known.withdrawn.is_none() && known.content.0 == release);
        let told = standing.filter_map(|known| Some((known.place, whose(known.content.3)?)));
        told.min().map(|(_, whose)| whose)
    }

    /// The recount: what stands, and nothing else. `only_dropped` leaves out what has bytes.
    fn counts(&self, testers: &BTreeMap<&str, String>, only_dropped: bool) -> AllCounts {
        let mut all = AllCounts::default();
        for Known { tester, content: (version, grade, os, _), .. } in
            self.0.values().filter(|known| known.withdrawn.is_none() && (known.dropped || !only_dropped))
        {
            let is = |name: &str| i64::from(*grade == name);
            let one = Counts { pass: is("pass"), fail: is("fail"), na: is("na"), unknown: is("unknown") };
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            *all.summaries.entry(words(&["Foo-Bar", version, "false", "false"])).or_default() += one;
            let cell = words(&["Foo-Bar", version, "5.36.0", &os.to_lowercase(), "x86_64-linux"]);
            *all.cells.entry(cell).or_default() += one;
            *all.testers.entry(vec![testers[tester].clone()]).or_default() += one;
        }
        all
    }
}

async fn play(steps: Vec<Step>) {
    let stack = Stack::with_groups(tempfile::tempdir().unwrap(), 3).await;
    let raw = stack.raw().await;
    let mut expected = Expected::default();
    let mut mirrors = vec![Mirror::default()];
    for step in &steps {
        stack.process.clock.advance(chrono::TimeDelta::seconds(1));
        match step {
            Step::Send { id, tester, content } => send(&stack, &mut expected, *id, tester, *content).await,
            Step::Retract { id: one, purge } if expected.0.contains_key(one) => {
                let order = by_tester(if *purge { BodyFate::Purged } else { BodyFate::Kept });
                assert_eq!(withdraw_one(&stack, &id(*one), &order).await, expected.retract(*one, *purge), "{step:?}");
            }
            Step::Invalidate { id: one } if expected.0.contains_key(one) => {
                let order = by_operator(BodyFate::Kept);
                assert_eq!(withdraw_one(&stack, &id(*one), &order).await, expected.invalidate(*one), "{step:?}");
            }
            Step::Restore { id: one } if expected.0.contains_key(one) => {
                assert_eq!(restore(&stack, &id(*one)).await, expected.restore(*one), "{step:?}");
            }
            Step::Retract { .. } | Step::Invalidate { .. } | Step::Restore { .. } => {}
            Step::Process(count) => {
                for group in stack.open_groups().await.into_iter().take(*count) {
                    stack.process.process(group, "test").await.unwrap();
                }
            }
            Step::ProcessTogether => {
                stack.process.process_together(&stack.open_groups().await, "test").await.unwrap();
            }
            Step::Follow(limit) => {
                mirrors[0].follow(stack.store(), *limit).await;
                mirrors.push(mirrors[0].clone());
            }
            Step::Rebuild => drop(rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap()),
            Step::Drop => {
                drop_old(&stack).await;
                expected.drop();
            }
        }
        let sql = "SELECT count(*) FROM reports WHERE state = 'accepted'";
        let waiting: i64 = raw.value(sql).await;
        assert_eq!(stack.store().freshness(stack.process.clock.now()).await.unwrap().waiting, waiting, "{step:?}");
    }
    stack.work_off().await;
    check(&stack, &raw, &expected, mirrors).await;
}

async fn drop_old(stack: &Stack) {
    stack.work_off().await;
    let clock = &stack.process.clock;
    clock.advance(Month::of(clock.now()).end() - clock.now());
    let policy = Policy { bodies: 1, superseded_bodies: 1 };
    let handled = retention::pass(&stack.process, &policy, &CancellationToken::new(), |_| ()).await.unwrap().unwrap();
    assert!(handled.iter().all(|one| one.ending == Ending::Dropped), "{handled:?}");
    stack.store().make_months(clock.now()).await.unwrap();
}

async fn send(stack: &Stack, expected: &mut Expected, one: usize, tester: &'static str, content: Content) {
    let (version, grade, os, path) = content;
    let mut body: serde_json::Value = serde_json::from_str(&report("Foo-Bar", version, grade, "5.36.0", os)).unwrap();
    if let Some(path) = path {
        body["distribution"]["path"] = path.into();
    }
    let body = body.to_string();
    let told = match stack.accept(&id(one), &body, tester).await {
        Acceptance::Accepted => "accepted",
        Acceptance::Duplicate => "duplicate",
        Acceptance::Corrected { .. } => "corrected",
        Acceptance::Conflict { .. } => "conflict",
        Acceptance::Withdrawn { .. } => "withdrawn",
    };
    assert_eq!(told, expected.send(one, tester, content), "to {one} {content:?} of {tester}");
}

/// The tables, the readers of the feed, and what a rebuild makes of the stored bytes alone are all as expected.
async fn check(stack: &Stack, raw: &Raw, expected: &Expected, mirrors: Vec<Mirror>) {
    let mut testers = BTreeMap::new();
    for name in ["Ann", "Bob"] {
        testers.insert(name, stack.tester(name).await.id);
    }
    let counts = expected.counts(&testers, false);
    assert_eq!(AllCounts::stored(raw).await, counts);
    let before = documents(raw).await;
    let standing = expected.0.iter().filter(|(_, known)| known.withdrawn.is_none());
    let mut standing: Vec<String> = standing.map(|(number, _)| id(*number)).collect();
    standing.sort();
    assert_eq!(before.keys().cloned().collect::<Vec<_>>(), standing);
    for (number, known) in &expected.0 {
        let receipt = stack.receipt(&id(*number)).await;
        let withdrawn = receipt.withdrawn.map(|withdrawn| (withdrawn.kind, withdrawn.body));
        assert_eq!((receipt.state, withdrawn), (State::Processed, known.withdrawn), "of report {number}");
        let purged = known.withdrawn.is_some_and(|(_, fate)| fate == BodyFate::Purged);
        assert_eq!(receipt.dropped.is_some(), known.dropped && !purged, "of report {number}");
    }
    for mut mirror in mirrors {
        mirror.follow_to_the_end(stack.store(), 3).await;
        assert_eq!(mirror.documents, before);
        assert_eq!(mirror.summaries, by_release(&counts));
    }
    check_authors(stack, expected).await;
    assert_eq!(rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap().changed, 0);
    rebuild::clear(&stack.process).await.unwrap();
    assert_eq!(AllCounts::stored(raw).await, expected.counts(&testers, true));
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!((documents(raw).await, AllCounts::stored(raw).await), (before, counts));
    check_authors(stack, expected).await;
}

/// Every release shows the word of the first report of those that stand, and that is the last the feed tells of it.
async fn check_authors(stack: &Stack, expected: &Expected) {
    let shown = stack.store().distribution_releases(Language::Perl, "Foo-Bar").await.unwrap();
    let (changes, _) = stack.store().changes(0, 10_000).await.unwrap();
    for Release { summary: SummaryView { version: release, author, .. }, archive, .. } in shown {
        let expected = expected.whose(&release);
        assert_eq!(author.as_deref().zip(archive.as_deref()), expected, "of {release}");
        assert_eq!((author.is_some(), archive.is_some()), (expected.is_some(), expected.is_some()), "of {release}");
        let told = changes.iter().rev().find_map(|change| match change {
            ChangeRow::Summary { summary, .. } if summary.version == release => Some(summary.author.clone()),
            _ => None,
        });
        assert_eq!(told, Some(author), "in the feed, of {release}");
    }
}

#[tokio::test]
async fn a_release_shows_the_word_of_the_first_report_that_stands_until_its_upload_is_known() {
    let stack = Stack::new().await;
    let mut expected = Expected::default();
    let [none, ann, zip, bob] = PATHS;
    for (number, path) in [none, bob, ann, zip].into_iter().enumerate() {
        send(&stack, &mut expected, number, "Ann", ("1.0", "pass", "linux", path)).await;
    }
    // The last come first: it does not matter in which order they are processed.
    for group in stack.open_groups().await.into_iter().rev() {
        stack.process.process(group, "test").await.unwrap();
    }
    check_authors(&stack, &expected).await;
    assert_eq!(expected.whose("1.0"), Some(("BOB", "Foo-Bar.tar.gz")));

    // The teller says otherwise of the archive alone, is about another release, and is taken back.
    for (version, path) in [("1.0", zip), ("1.1", zip)] {
        send(&stack, &mut expected, 1, "Ann", (version, "pass", "linux", path)).await;
        stack.work_off().await;
        check_authors(&stack, &expected).await;
    }
    expected.retract(2, false);
    withdraw_one(&stack, &id(2), &by_tester(BodyFate::Kept)).await;
    check_authors(&stack, &expected).await;
    // Now the very first names somebody.
    send(&stack, &mut expected, 0, "Ann", ("1.0", "pass", "linux", bob)).await;
    stack.work_off().await;
    check_authors(&stack, &expected).await;

    let upload = Upload::of_archive("CLEO", "Foo-Bar-1.0.tar.gz", None, Kind::Cpan);
    uploads::store(&stack.process, vec![upload.expect("an archive's name")]).await.unwrap();
    for number in [0, 2, 3] {
        withdraw_one(&stack, &id(number), &by_tester(BodyFate::Kept)).await;
        let release = stack.store().release(Language::Perl, "Foo-Bar", "1.0").await.unwrap().expect("the release");
        let shown = release.summary.author.as_deref().zip(release.archive.as_deref());
        assert_eq!(shown, Some(("CLEO", "Foo-Bar-1.0.tar.gz")), "without report {number}");
    }
}
