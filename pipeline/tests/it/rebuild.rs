//! Reading again changes what comes out otherwise and nothing else, goes on where it was cut short, and can be tried
//! without changing anything.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use pipeline::process::{Reading, read};
use pipeline::rebuild::{self, Order, Progress};
use pipeline::store::{ChangeRow, Rebuild, Selection, Stored};
use schemas::extract::EXTRACTOR;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::dump::dump;
use crate::raw::Raw;
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report};

/// Reports on three distributions, of which every other one is from Linux.
async fn stack(reports: usize) -> (Stack, Raw) {
    let stack = Stack::new().await;
    send(&stack, 0..reports).await;
    let raw = stack.raw().await;
    (stack, raw)
}

async fn send(stack: &Stack, numbers: std::ops::Range<usize>) {
    let mut submissions = Vec::new();
    for number in numbers {
        let distribution = ["Foo", "Foo-Bar", "Acme"][number % 3];
        let os = ["linux", "MSWin32"][number % 2];
        let body = report(distribution, if number < 6 { "1.0" } else { "1.1" }, "pass", "5.36.0", os);
        submissions.push(stack.submission(&id(number), &body, "Ann").await);
    }
    stack.acceptor.accept_all(submissions).await.unwrap();
    stack.work_off().await;
}

/// An extractor that is yet to come: it knows Linux by another name and finds more failures.
fn next(stored: Stored) -> Reading {
    let mut reading = read(stored);
    if let Ok(row) = &mut reading.row
        && row.os == "linux"
    {
        row.os = "gnu-linux".to_owned();
    }
    reading
}

async fn run(stack: &Stack, order: &Order, read: rebuild::Read) -> Rebuild {
    let begun = match rebuild::unfinished(&stack.process, order).await.unwrap() {
        Some(earlier) => earlier,
        None => rebuild::begin(&stack.process, order).await.unwrap(),
    };
    rebuild::run(&stack.process, begun, read, &CancellationToken::new(), |_| ()).await.unwrap()
}

fn flags(_: &str) -> (bool, bool) {
    (false, false)
}

async fn check_counts(raw: &Raw) {
    assert_eq!(AllCounts::stored(raw).await, AllCounts::of(documents(raw).await.values(), flags));
}

#[tokio::test]
async fn the_feed_shows_exactly_the_rows_that_came_out_otherwise_and_their_releases() {
    let (stack, raw) = stack(12).await;
    let before = documents(&raw).await;
    raw.run("UPDATE extracts SET extractor = 0").await;
    // Rows 1 and 7 are on Foo 1.0 and 1.1, row 3 on Acme 1.0.
    raw.run("UPDATE extracts SET document = replace(document, '\"6.1\"', '\"5.0\"') WHERE number IN (1, 3, 7)").await;
    let head = stack.store().head().await.unwrap();

    let done = run(&stack, &Order::default(), read).await;
    assert_eq!((done.reports, done.changes), (12, 6));
    assert!(done.ended_at.is_some());
    let (changes, _) = stack.store().changes(head, 1000).await.unwrap();
    let told: BTreeSet<String> = changes
        .iter()
        .map(|change| match change {
            ChangeRow::Result { document, removed: false, .. } => {
                serde_json::from_str::<Value>(document).unwrap()["id"].as_str().unwrap().to_owned()
            }
            ChangeRow::Summary { removed: false, summary, .. } => {
                format!("{} {}", summary.distribution, summary.version)
            }
            removed => panic!("{removed:?}"),
        })
        .collect();
    let expected = [&id(0), &id(2), &id(6), "Foo 1.0", "Foo 1.1", "Acme 1.0"];
    assert_eq!(told, expected.iter().map(|one| (*one).to_owned()).collect());
    assert_eq!(changes.len(), 6);
    assert_eq!(documents(&raw).await, before);
    check_counts(&raw).await;
    let older: i64 = raw.value(format!("SELECT count(*) FROM extracts WHERE extractor <> {EXTRACTOR}")).await;
    assert_eq!(older, 0, "rows that came out the same are of this extractor now, too");
}

#[tokio::test]
async fn another_extractor_moves_rows_and_counts_and_the_way_back_too() {
    let (stack, raw) = stack(12).await;
    let before = (documents(&raw).await, AllCounts::stored(&raw).await);
    run(&stack, &Order::default(), next).await;
    let documents_then = documents(&raw).await;
    assert_eq!(documents_then.values().filter(|row| row["os"] == "gnu-linux").count(), 6);
    assert!(documents_then.values().all(|row| row["os"] != "linux"));
    check_counts(&raw).await;

    let done = run(&stack, &Order::default(), read).await;
    assert_eq!(done.reports, 12);
    assert_eq!((documents(&raw).await, AllCounts::stored(&raw).await), before);
}

#[tokio::test]
async fn what_was_cut_short_goes_on_where_it_was() {
    let (stack, raw) = stack(600).await;
    raw.run("UPDATE extracts SET os = 'plan9'").await;
    let order = Order::default();
    let begun = rebuild::begin(&stack.process, &order).await.unwrap();
    // Reports that come later are no part of it.
    send(&stack, 600..610).await;
    let stop = CancellationToken::new();
    let stopped = rebuild::run(&stack.process, begun, read, &stop, |progress: Progress| {
        assert_eq!(progress.reports, 256);
        stop.cancel();
    });
    let stopped = stopped.await.unwrap();
    assert_eq!((stopped.position, stopped.reports, stopped.ended_at), (256, 256, None));
    let wrong = "SELECT count(*) FROM extracts WHERE os = 'plan9'";
    assert_eq!(raw.value::<i64>(wrong).await, 344);

    let other =
        Order { selection: Selection { distribution: Some("Foo".into()), ..Selection::default() }, ..Order::default() };
    assert_eq!(
        rebuild::unfinished(&stack.process, &other).await.unwrap(),
        None,
        "another selection is another rebuild"
    );
    let anew = Order { restart: true, ..Order::default() };
    assert_eq!(rebuild::unfinished(&stack.process, &anew).await.unwrap(), None);
    let clear = Order { clear: true, ..Order::default() };
    assert_eq!(rebuild::unfinished(&stack.process, &clear).await.unwrap(), None, "it began without clearing");

    let earlier = rebuild::unfinished(&stack.process, &order).await.unwrap();
    assert_eq!(earlier.as_ref(), Some(&stopped));
    let done = run(&stack, &order, read).await;
    assert_eq!((done.number, done.position, done.reports), (stopped.number, 600, 600));
    assert_eq!(rebuild::unfinished(&stack.process, &order).await.unwrap(), None);
    assert_eq!(stack.store().rebuild(done.number).await.unwrap(), Some(done));
    assert_eq!(raw.value::<i64>(wrong).await, 0);
}

#[tokio::test]
async fn a_clearing_rebuild_goes_on_without_clearing_again_and_a_new_one_takes_the_place_of_the_old() {
    let (stack, raw) = stack(300).await;
    let before = (documents(&raw).await, AllCounts::stored(&raw).await);
    let clear = Order { clear: true, ..Order::default() };
    let begun = rebuild::begin(&stack.process, &clear).await.unwrap();
    assert!(documents(&raw).await.is_empty());
    let stop = CancellationToken::new();
    rebuild::run(&stack.process, begun.clone(), read, &stop, |_| stop.cancel()).await.unwrap();
    for order in [&clear, &Order::default()] {
        let earlier = rebuild::unfinished(&stack.process, order).await.unwrap().expect("it goes on");
        assert_eq!((earlier.number, earlier.position), (begun.number, 256));
    }
    let anew = rebuild::begin(&stack.process, &Order { restart: true, ..Order::default() }).await.unwrap();
    let left: Vec<i64> = stack.store().unfinished_rebuilds().await.unwrap().iter().map(|one| one.number).collect();
    assert_eq!(left, [anew.number]);
    assert_eq!(run(&stack, &Order::default(), read).await.reports, 300);
    assert_eq!((documents(&raw).await, AllCounts::stored(&raw).await), before);
}

#[tokio::test]
async fn only_what_is_selected_is_read() {
    let stack = Stack::new().await;
    send(&stack, 0..6).await;
    stack.process.clock.advance(TimeDelta::hours(1));
    let between = stack.process.clock.now();
    send(&stack, 6..12).await;
    let selected = async |distribution: Option<&str>, version: Option<&str>, since, until| {
        let (distribution, version) = (distribution.map(str::to_owned), version.map(str::to_owned));
        let selection = Selection { distribution, version, since, until };
        let goal = stack.store().last_report().await.unwrap();
        let count = stack.store().count_selected(&selection, 0, goal).await.unwrap();
        let done = run(&stack, &Order { selection, ..Order::default() }, read).await;
        assert_eq!(done.reports, count);
        count
    };
    assert_eq!(selected(None, None, None, None).await, 12);
    assert_eq!(selected(Some("Foo"), None, None, None).await, 4);
    assert_eq!(selected(Some("Foo"), Some("1.1"), None, None).await, 2);
    assert_eq!(selected(Some("foo"), None, None, None).await, 0);
    assert_eq!(selected(None, None, Some(between), None).await, 6);
    assert_eq!(selected(None, None, None, Some(between)).await, 6);
    assert_eq!(selected(Some("Acme"), Some("1.0"), Some(between), None).await, 0);
    assert_eq!(selected(Some("Acme"), None, Some(between), Some(between + TimeDelta::seconds(1))).await, 2);
}

#[tokio::test]
async fn a_shadow_tells_the_difference_by_field_and_changes_nothing() {
    let (stack, raw) = stack(12).await;
    raw.run(format!("UPDATE bodies SET body = {} WHERE number = 2", raw.bytes(&[0]))).await;
    raw.run("UPDATE extracts SET extractor = 0 WHERE number > 6").await;
    let before = dump(&raw).await;
    let stop = CancellationToken::new();
    let seen = rebuild::shadow(stack.store(), &Selection::default(), next, &stop, |_| ()).await.unwrap();
    assert_eq!(dump(&raw).await, before);

    assert!(seen.complete);
    assert_eq!((seen.reports, seen.same, seen.different, seen.appearing.reports), (12, 5, 6, 0));
    assert_eq!((seen.going.reports, seen.going.ids.clone()), (1, vec![id(1)]));
    assert_eq!(seen.extractors, [(0, 6), (EXTRACTOR, 6)].into());
    let told = serde_json::to_value(&seen).unwrap();
    let example = json!({"old": "linux", "new": "gnu-linux", "reports": 6, "ids": [id(0), id(2), id(4)]});
    assert_eq!(told["fields"], json!({"os": {"reports": 6, "examples": [example]}}));

    let selection = Selection { distribution: Some("Foo".to_owned()), ..Selection::default() };
    let seen = rebuild::shadow(stack.store(), &selection, next, &stop, |_| ()).await.unwrap();
    assert_eq!((seen.reports, seen.different), (4, 2));
    stop.cancel();
    let seen = rebuild::shadow(stack.store(), &selection, next, &stop, |_| ()).await.unwrap();
    assert_eq!((seen.reports, seen.complete), (0, false));
    assert_eq!(dump(&raw).await, before);
}
