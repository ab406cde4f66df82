//! Old bytes go by month, and nothing else goes with them: rows, counts, lists and receipts stay, whatever comes meanwhile
//! or afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::accept::Acceptance;
use pipeline::catch_up::CatchUp;
use pipeline::clock::Clock;
use pipeline::fsck::{self, Check, fsck};
use pipeline::import::{Import, Processing, rows};
use pipeline::index::{DocumentIndex, Order as Ranking, Tantivy};
use pipeline::jobs::Jobs;
use pipeline::rebuild;
use pipeline::retention::{self, Ending, Handled, Pace, Policy};
use pipeline::search;
use pipeline::store::{BodyTable, DroppedMonth};
use pipeline::withdraw::{self, Restored};
use schemas::cpanstats::Row;
use schemas::query::parse;
use schemas::views::State;
use schemas::withdrawal::BodyFate;
use tokio_util::sync::CancellationToken;

use crate::dump::dump;
use crate::raw::Raw;
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report, report_with_text};

/// The newest bytes are kept for so many months, replaced ones for ever.
fn months(bodies: u32) -> Policy {
    Policy { bodies, superseded_bodies: 0 }
}

fn body(number: usize) -> String {
    let grade = ["pass", "fail", "na", "unknown"][number % 4];
    report_with_text("Foo-Bar", "1.0", grade, "5.36.0", "linux", &format!("Ergebnis Nummer {number}\n"))
}

/// Moves the clock to a moment, and prepares the months as a worker does.
async fn at(stack: &Stack, moment: &str) {
    let moment: DateTime<Utc> = moment.parse().unwrap();
    stack.process.clock.advance(moment - stack.process.clock.now());
    stack.store().make_months(moment).await.unwrap();
}

async fn send(stack: &Stack, numbers: std::ops::Range<usize>) {
    let mut submissions = Vec::new();
    for number in numbers {
        submissions.push(stack.submission(&id(number), &body(number), "Ann").await);
    }
    stack.acceptor.accept_all(submissions).await.unwrap();
    stack.work_off().await;
}

/// Reports 0 to 3 of November 2026, 4 to 7 of December, 8 to 11 of January, all processed; it is the first of February.
async fn stack() -> (Stack, Raw) {
    let stack = Stack::new().await;
    for (month, first) in [("2026-11-21T08:00:00Z", 0), ("2026-12-31T23:59:59Z", 4), ("2027-01-01T00:00:00Z", 8)] {
        at(&stack, month).await;
        send(&stack, first..first + 4).await;
    }
    at(&stack, "2027-02-01T00:00:00Z").await;
    stack.lose_jobs().await;
    let raw = stack.raw().await;
    (stack, raw)
}

async fn pass(stack: &Stack, policy: Policy) -> Vec<Handled> {
    let pass = retention::pass(&stack.process, &policy, &CancellationToken::new(), |_| ()).await.unwrap();
    pass.expect("nobody else drops anything")
}

/// Table, month, bodies and ending of what was handled.
fn told(handled: &[Handled]) -> Vec<(String, i64, Ending)> {
    handled.iter().map(|one| (format!("{} {}", one.table, one.month), one.bodies, one.ending)).collect()
}

/// Numbers of the reports, from 0 on, whose bytes are there.
async fn there(raw: &Raw) -> Vec<i64> {
    raw.values("SELECT number - 1 FROM bodies ORDER BY number").await
}

/// All that there is, but for bytes and what retention notes of them.
async fn all_but_bytes(raw: &Raw) -> BTreeMap<String, Vec<String>> {
    let mut content = dump(raw).await;
    content.retain(|table, _| !table.contains("bodies") && !table.contains("dropped_months"));
    assert!(content.len() > 10, "{:?}", content.keys());
    content
}

async fn checked(stack: &Stack) -> fsck::Report {
    fsck(&stack.process, &fsck::Order { deep: true, ..fsck::Order::default() }, |_| ()).await
}

async fn clean(stack: &Stack) {
    stack.lose_jobs().await;
    let report = checked(stack).await;
    assert!(report.clean, "{report:#?}");
}

/// What `fsck` finds among the orphans, and what it notes of them.
async fn orphans(stack: &Stack) -> (Vec<(String, String)>, Vec<String>) {
    let order = fsck::Order { only: vec![Check::Orphans], ..fsck::Order::default() };
    let mut report = fsck(&stack.process, &order, |_| ()).await;
    let found = report.checks.remove(0);
    (found.examples.into_iter().map(|fault| (fault.about, fault.detail)).collect(), found.notes)
}

async fn dropped_month(stack: &Stack, number: usize) -> Option<String> {
    let original = stack.readers.original(id(number).parse().unwrap()).await.unwrap().expect("a report");
    assert_eq!(original.bytes.is_empty(), original.dropped.is_some());
    let receipt = stack.receipt(&id(number)).await;
    assert_eq!(receipt.dropped, original.dropped);
    original.dropped.map(|dropped| dropped.month)
}

#[tokio::test]
async fn a_month_goes_once_as_many_whole_months_have_followed_it_as_are_kept() {
    let (stack, raw) = stack().await;
    let before = all_but_bytes(&raw).await;
    assert_eq!(pass(&stack, Policy::default()).await, []);
    assert_eq!(pass(&stack, months(3)).await, []);
    assert_eq!(there(&raw).await.len(), 12);

    let gone = pass(&stack, months(1)).await;
    let expected = [("bodies 2026-11", 4, Ending::Dropped), ("bodies 2026-12", 4, Ending::Dropped)];
    assert_eq!(told(&gone), expected.map(|(what, bodies, ending)| (what.to_owned(), bodies, ending)));
    assert!(gone.iter().all(|one| one.bytes > 100), "{gone:?}");
    assert_eq!(there(&raw).await, [8, 9, 10, 11], "the first moment of January is kept, the last of December not");
    assert_eq!(pass(&stack, months(1)).await, [], "nothing is left to do");

    at(&stack, "2027-02-28T23:59:59Z").await;
    assert_eq!(pass(&stack, months(1)).await, []);
    at(&stack, "2027-03-01T00:00:00Z").await;
    assert_eq!(pass(&stack, months(1)).await.len(), 1);
    assert_eq!(there(&raw).await, [0; 0]);
    assert_eq!(all_but_bytes(&raw).await, before, "all else is as it was");
    clean(&stack).await;

    let marks = stack.store().dropped_months().await.unwrap();
    let now = stack.process.clock.now();
    let DroppedMonth { month, bodies, begun_at, ended_at, .. } = &marks[2];
    assert_eq!((month.to_string().as_str(), *bodies, *begun_at, *ended_at), ("2027-01", 4, now, Some(now)));
    assert_eq!(dropped_month(&stack, 0).await.as_deref(), Some("2026-11"));
    assert_eq!(dropped_month(&stack, 11).await.as_deref(), Some("2027-01"));
    let raw_bytes: i64 = marks.iter().map(|mark| mark.bytes).sum();
    assert_eq!(stack.process.measures.dropped_bytes.get(), raw_bytes.unsigned_abs());
}

#[tokio::test]
async fn a_look_at_what_would_go_changes_nothing() {
    let (stack, raw) = stack().await;
    let before = dump(&raw).await;
    let due = retention::due(stack.store(), &months(1), stack.process.clock.now()).await.unwrap();
    assert_eq!(dump(&raw).await, before);
    let gone = pass(&stack, months(1)).await;
    assert_eq!(due.len(), 2);
    for (due, gone) in due.iter().zip(&gone) {
        assert_eq!((due.table, due.month, due.bodies, due.bytes), (gone.table, gone.month, gone.bodies, gone.bytes));
        assert_eq!(due.waiting, 0);
    }
    assert_eq!(retention::due(stack.store(), &months(1), stack.process.clock.now()).await.unwrap(), []);
}

#[tokio::test]
async fn on_postgres_a_month_goes_with_its_partition() {
    let (stack, raw) = stack().await;
    let Raw::Postgres(_) = raw else { return };
    let partitions = async || -> Vec<String> {
        raw.values("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'bodies'::regclass ORDER BY 1")
            .await
    };
    assert!(partitions().await.contains(&"bodies_2026_12".to_owned()));
    pass(&stack, months(1)).await;
    let left = partitions().await;
    assert_eq!(left, ["bodies_2027_01", "bodies_2027_02", "bodies_2027_03", "bodies_2027_04", "bodies_other"]);
    let kept: i64 = raw.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'superseded_bodies'::regclass").await;
    assert_eq!(kept, 7, "the other table is kept as it is told to be");
}

#[tokio::test]
async fn a_month_waits_until_each_report_of_it_has_its_outcome() {
    let (stack, raw) = stack().await;
    // One that could not be processed, and one that was corrected and waits.
    let jobs = Jobs {
        store: stack.process.store.clone(),
        clock: stack.process.clock.clone(),
        events: stack.process.events.clone(),
    };
    stack.accept(&id(1), &body(31), "Ann").await;
    jobs.park(stack.open_groups().await[0], "for a test").await.unwrap();
    stack.accept(&id(5), &body(35), "Ann").await;
    let due = retention::due(stack.store(), &months(1), stack.process.clock.now()).await.unwrap();
    assert_eq!(due.iter().map(|due| (due.bodies, due.waiting)).collect::<Vec<_>>(), [(4, 1), (4, 1)]);
    let ends = |handled: Vec<Handled>| handled.into_iter().map(|one| one.ending).collect::<Vec<_>>();
    assert_eq!(ends(pass(&stack, months(1)).await), [Ending::Waiting, Ending::Waiting]);
    assert_eq!(there(&raw).await.len(), 12, "not even those that have theirs");
    assert_eq!(stack.store().dropped_months().await.unwrap(), []);

    stack.work_off().await;
    assert_eq!(ends(pass(&stack, months(1)).await), [Ending::Waiting, Ending::Dropped]);
    assert_eq!(there(&raw).await, [0, 1, 2, 3, 8, 9, 10, 11]);
    jobs.retry_all().await.unwrap();
    stack.work_off().await;
    assert_eq!(ends(pass(&stack, months(1)).await), [Ending::Dropped]);
    assert_eq!(documents(&raw).await[&id(1)]["grade"], "unknown", "it was read before its bytes went");
    clean(&stack).await;
}

#[tokio::test]
async fn a_report_without_bytes_is_known_by_its_digest_and_can_be_corrected() {
    let (stack, raw) = stack().await;
    pass(&stack, months(1)).await;
    let before = stack.receipt(&id(2)).await;
    assert_eq!(stack.accept(&id(2), &body(2), "Ann").await, Acceptance::Duplicate);
    assert_eq!(stack.receipt(&id(2)).await, before);
    assert_eq!(there(&raw).await.len(), 4, "the same bytes again are not kept");
    assert!(matches!(stack.accept(&id(2), &body(3), "Bob").await, Acceptance::Conflict { .. }));

    // The month's partition is gone.
    assert_eq!(stack.accept(&id(2), &body(21), "Ann").await, Acceptance::Corrected { revision: 2 });
    assert_eq!(dropped_month(&stack, 2).await, None);
    assert_eq!(pass(&stack, months(1)).await[0].ending, Ending::Waiting);
    stack.work_off().await;
    assert_eq!(documents(&raw).await[&id(2)]["grade"], "fail");
    assert_eq!(AllCounts::stored(&raw).await, recount(&raw).await);
    let reread = stack.readers.report(id(2).parse().unwrap()).await.unwrap().unwrap();
    assert!(reread.text.contains("Nummer 21") && reread.view.dropped.is_none(), "{reread:?}", reread = reread.view);
    let (faults, notes) = orphans(&stack).await;
    assert!(faults.is_empty() && notes[0].starts_with("1 dropped months may have bytes left"), "{faults:?} {notes:?}");

    let gone = pass(&stack, months(1)).await;
    assert_eq!(told(&gone), [("bodies 2026-11".to_owned(), 1, Ending::Dropped)]);
    assert_eq!(dropped_month(&stack, 2).await.as_deref(), Some("2026-11"));
    assert_eq!(documents(&raw).await[&id(2)]["grade"], "fail");
    assert_eq!(stack.store().dropped_months().await.unwrap()[0].bodies, 5);
    // Corrected once more: nothing was there to be kept as replaced.
    assert_eq!(stack.accept(&id(2), &body(22), "Ann").await, Acceptance::Corrected { revision: 3 });
    stack.work_off().await;
    assert_eq!(raw.value::<i64>("SELECT count(*) FROM superseded_bodies").await, 0);
    pass(&stack, months(1)).await;
    clean(&stack).await;
}

/// Counts made anew from the rows.
async fn recount(raw: &Raw) -> AllCounts {
    AllCounts::of(documents(raw).await.values(), |_| (false, false))
}

#[tokio::test]
async fn replaced_bytes_have_a_time_of_their_own() {
    let (stack, raw) = stack().await;
    for number in [0, 1, 9] {
        stack.accept(&id(number), &body(number + 1), "Ann").await;
        stack.work_off().await;
        stack.accept(&id(number), &body(number + 2), "Ann").await;
        stack.work_off().await;
    }
    let replaced = "SELECT count(*) FROM superseded_bodies";
    assert_eq!(raw.value::<i64>(replaced).await, 6);
    let handled = pass(&stack, Policy { bodies: 0, superseded_bodies: 1 }).await;
    let expected = [("superseded_bodies 2026-11", 4), ("superseded_bodies 2026-12", 0)];
    assert_eq!(
        told(&handled),
        expected.map(|(what, bodies)| (what.to_owned(), bodies, Ending::Dropped)),
        "the first two reports are of November"
    );
    assert_eq!(raw.value::<i64>(replaced).await, 2);
    assert_eq!(there(&raw).await.len(), 12);
    assert_eq!(dropped_month(&stack, 0).await, None, "the newest bytes are there");
    clean(&stack).await;
    // A correction of an old month brings replaced bytes into it again.
    stack.accept(&id(1), &body(7), "Ann").await;
    stack.work_off().await;
    assert_eq!(raw.value::<i64>(replaced).await, 3);
    assert_eq!(pass(&stack, Policy { bodies: 0, superseded_bodies: 1 }).await[0].bodies, 1);
    clean(&stack).await;
}

#[tokio::test]
async fn bytes_that_are_lost_and_bytes_that_are_left_are_not_taken_for_dropped_ones() {
    let (stack, raw) = stack().await;
    pass(&stack, months(1)).await;
    clean(&stack).await;
    // Of a month that is kept.
    raw.plant("DELETE FROM bodies WHERE number = 9").await;
    // Of a report that is still to be read.
    stack.accept(&id(3), &body(33), "Ann").await;
    raw.plant("DELETE FROM bodies WHERE number = 4").await;
    // A pass would have taken these along.
    let columns = raw.either("number, dictionary, size, body", "number, received_at, dictionary, size, body");
    let values = raw.either("7, 0, 1, x'00'", "7, '2026-12-31T23:59:59Z', 0, 1, '\\x00'");
    raw.plant(format!("INSERT INTO bodies ({columns}) VALUES ({values})")).await;
    // All that is left of one that was dropped.
    raw.plant("DELETE FROM extracts WHERE number = 1").await;
    let (faults, _) = orphans(&stack).await;
    let expected = [
        (0, "its bytes were dropped, and its row is not there"),
        (3, "its bytes are not there"),
        (6, "its bytes are still there, though its month was dropped"),
        (8, "its bytes are not there"),
    ];
    assert_eq!(faults, expected.map(|(number, detail)| (format!("report {}", id(number)), detail.to_owned())));
    assert!(stack.readers.original(id(8).parse().unwrap()).await.is_err(), "lost bytes are no dropped ones");
    assert!(stack.readers.original(id(3).parse().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_rebuild_leaves_the_rows_of_reports_without_bytes_as_they_are() {
    let (stack, raw) = stack().await;
    pass(&stack, months(1)).await;
    let before = all_but_bytes(&raw).await;
    let begun = rebuild::begin(&stack.process, &rebuild::Order::default()).await.unwrap();
    let read = pipeline::process::read;
    let done = rebuild::run(&stack.process, begun, read, &CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!((done.reports, done.skipped, done.changes), (4, 8, 0));
    assert_eq!(stack.store().rebuild(done.number).await.unwrap().unwrap().skipped, 8);
    let stop = CancellationToken::new();
    let shadow = rebuild::shadow(stack.store(), &Default::default(), read, &stop, |_| ()).await.unwrap();
    assert_eq!((shadow.reports, shadow.skipped, shadow.same), (4, 8, 4));
    let mut after = all_but_bytes(&raw).await;
    let of = |content: &mut BTreeMap<String, Vec<String>>| content.remove(raw.either("rebuilds", "public.rebuilds"));
    let mut before = before;
    assert_eq!(of(&mut before), Some(Vec::new()));
    assert_eq!(of(&mut after).map(|rows| rows.len()), Some(1));
    assert_eq!(after, before);
}

#[tokio::test]
async fn clearing_keeps_what_cannot_be_made_again_counted_all_the_time() {
    let (stack, raw) = stack().await;
    // One whose release is told by it, one on a release of its own, and one that was withdrawn.
    let told = |number: usize, version: &str| {
        let mut body: serde_json::Value = serde_json::from_str(&body(number)).unwrap();
        body["distribution"]["path"] = "ANN/Foo-Bar.tar.gz".into();
        body["distribution"]["version"] = version.into();
        body.to_string()
    };
    stack.accept(&id(1), &told(1, "1.0"), "Ann").await;
    stack.accept(&id(5), &told(5, "0.9"), "Ann").await;
    stack.work_off().await;
    stack.withdraw(4, BodyFate::Kept).await;
    pass(&stack, months(1)).await;
    send(&stack, 12..16).await;
    stack.accept(&id(12), &told(12, "2.0"), "Ann").await;
    stack.work_off().await;
    let whose = "SELECT concat_ws('/', distribution, version, author, archive, told_by) FROM releases ORDER BY 1";
    let derived = async || (documents(&raw).await, AllCounts::stored(&raw).await, raw.values::<String>(whose).await);
    let before = derived().await;
    assert_eq!(before.0.len(), 15);

    rebuild::clear(&stack.process).await.unwrap();
    let kept = derived().await;
    assert_eq!(kept.0.len(), 7, "those that were dropped and not withdrawn");
    assert!(kept.0.iter().all(|(id, document)| before.0[id] == *document));
    assert_eq!(kept.1, recount(&raw).await);
    assert_eq!(kept.2, ["Foo-Bar/0.9/ANN/Foo-Bar.tar.gz/6", "Foo-Bar/1.0/ANN/Foo-Bar.tar.gz/2"]);
    let again = rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(again.reports, 8);
    assert_eq!(derived().await, before);
    clean(&stack).await;
}

#[tokio::test]
async fn a_withdrawn_report_without_bytes_cannot_be_put_back() {
    let (stack, raw) = stack().await;
    stack.withdraw(0, BodyFate::Kept).await;
    stack.withdraw(1, BodyFate::Purged).await;
    pass(&stack, months(1)).await;
    let before = dump(&raw).await;
    assert_eq!(withdraw::restore(&stack.process, 1).await.unwrap(), Restored::Dropped);
    assert_eq!(withdraw::restore(&stack.process, 2).await.unwrap(), Restored::Purged);
    assert_eq!(dump(&raw).await, before);
    let original = stack.readers.original(id(1).parse().unwrap()).await.unwrap().unwrap();
    assert!(original.purged() && original.dropped.is_none(), "purging comes first");
    assert_eq!(stack.receipt(&id(1)).await.dropped, None);
    clean(&stack).await;
}

#[tokio::test]
async fn the_index_finds_a_report_without_text_by_its_fields() {
    let (stack, _) = stack().await;
    let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::in_memory().unwrap());
    let catch_up = CatchUp::new(stack.process.clone(), Arc::clone(&index));
    while catch_up.step().await.unwrap() > 0 {}
    pass(&stack, months(1)).await;
    let hits = async |query: &str| {
        let query = parse(query).unwrap();
        let clock = stack.process.clock.clone();
        let found = search::search(stack.store(), &index, &clock, query, Ranking::Newest, 0, 100).await.unwrap();
        assert_eq!(found.total as usize, found.items.len());
        found.items.iter().map(|hit| (hit.result.number, !hit.highlights.is_empty())).collect::<Vec<_>>()
    };
    assert_eq!(hits("Ergebnis").await.len(), 12, "words are found until the index is made anew");
    assert_eq!(hits("Nummer AND grade:fail").await, [(10, true), (6, false), (2, false)]);
    index.clear().unwrap();
    while catch_up.step().await.unwrap() > 0 {}
    assert_eq!(index.documents().unwrap(), 12);
    assert_eq!(hits("Ergebnis").await.len(), 4);
    assert_eq!(hits("grade:fail").await.len(), 3);
}

#[tokio::test]
async fn what_was_cut_short_goes_on_at_the_next_pass() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    // Nobody has prepared the month, so that they lie in no partition of its own.
    send(&stack, 0..600).await;
    stack.process.clock.advance(TimeDelta::days(100));
    let stop = CancellationToken::new();
    let told_stop = stop.clone();
    let policy = months(1);
    let cut = retention::pass(&stack.process, &policy, &stop, |gone| {
        if gone > 0 {
            told_stop.cancel();
        }
    });
    let cut = cut.await.unwrap().unwrap();
    assert_eq!(told(&cut), [("bodies 2026-11".to_owned(), 256, Ending::Stopped)]);
    assert_eq!(there(&raw).await.len(), 344);
    assert_eq!(dropped_month(&stack, 0).await.as_deref(), Some("2026-11"));
    assert_eq!(dropped_month(&stack, 599).await, None);
    let (faults, notes) = orphans(&stack).await;
    assert!(faults.is_empty() && notes.len() == 1, "{faults:?} {notes:?}");
    let begun_at = stack.process.clock.now();

    stack.process.clock.advance(TimeDelta::hours(1));
    // By a worker, until it is told to stop.
    let stop = CancellationToken::new();
    let pace = Pace { first: Duration::ZERO, every: Duration::from_millis(10) };
    let worker = tokio::spawn(retention::keep_up(stack.process.clone(), months(1), pace, stop.clone()));
    while !there(&raw).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while stack.store().dropped_months().await.unwrap()[0].ended_at.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    worker.await.unwrap();
    let mark = stack.store().dropped_months().await.unwrap().remove(0);
    assert_eq!((mark.bodies, mark.begun_at), (600, begun_at));
    assert_eq!(mark.ended_at, Some(stack.process.clock.now()));
    assert_eq!(mark.table, BodyTable::Bodies);
    clean(&stack).await;
}

#[tokio::test]
async fn history_that_is_imported_into_a_dropped_month_is_counted_and_goes_as_well() {
    let (stack, raw) = stack().await;
    pass(&stack, months(1)).await;
    let row = Row {
        id: Some(200_834),
        guid: id(50),
        state: "fail".to_owned(),
        postdate: "202611".to_owned(),
        tester: "\"Bob\" <bob@example.org>".to_owned(),
        dist: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        platform: "x86_64-linux".to_owned(),
        perl: "5.36.0".to_owned(),
        osname: "linux".to_owned(),
        osvers: "6.1".to_owned(),
        fulldate: "202611191234".to_owned(),
        kind: "2".to_owned(),
        uploadid: None,
    };
    let now = stack.process.clock.now();
    let import = Import { process: stack.process.clone(), processing: Processing::Here, source: "test".to_owned() };
    let batch = vec![rows::historic(&row, now).unwrap()];
    assert_eq!(import.store(batch, "1").await.unwrap().imported, 1);
    stack.work_off().await;
    assert_eq!(documents(&raw).await.len(), 13);
    assert_eq!(dropped_month(&stack, 50).await, None);
    assert_eq!(told(&pass(&stack, months(1)).await), [("bodies 2026-11".to_owned(), 1, Ending::Dropped)]);
    assert_eq!(dropped_month(&stack, 50).await.as_deref(), Some("2026-11"));
    clean(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_of_what_comes_and_is_corrected_while_months_go() {
    let stack = Stack::new().await;
    send(&stack, 0..300).await;
    at(&stack, "2026-12-01T00:00:00Z").await;
    send(&stack, 300..600).await;
    at(&stack, "2027-03-01T00:00:00Z").await;
    let raw = stack.raw().await;
    let done = CancellationToken::new();
    let load = async {
        let mut rounds = 0;
        while !done.is_cancelled() || rounds < 3 {
            for number in (rounds % 7..600).step_by(40) {
                let corrected = report("Foo-Bar", &format!("2.{rounds}"), "pass", "5.36.0", "linux");
                stack.accept(&id(number), &corrected, "Ann").await;
                let new = report("Foo-Bar", "3.0", "na", "5.36.0", "linux");
                stack.accept(&id(1000 + 1000 * rounds + number), &new, "Ann").await;
                // Readers see either the text or that it is gone.
                stack.readers.report(id(number + 1).parse().unwrap()).await.unwrap().expect("a report");
                stack.receipt(&id(number)).await;
            }
            stack.work_off().await;
            rounds += 1;
        }
        rounds
    };
    let drop = async {
        for _ in 0..3 {
            pass(&stack, months(1)).await;
        }
        done.cancel();
    };
    let (rounds, ()) = tokio::join!(load, drop);
    let rows = documents(&raw).await;
    assert_eq!(rows.values().filter(|row| row["version"] == "3.0").count(), rows.len() - 600);
    // What was corrected last stands as it was corrected: it was read before its bytes went.
    for number in ((rounds - 1) % 7..600).step_by(40) {
        assert_eq!(rows[&id(number)]["version"], format!("2.{}", rounds - 1), "{number}");
        assert_eq!(stack.receipt(&id(number)).await.state, State::Processed);
    }
    assert_eq!(AllCounts::stored(&raw).await, recount(&raw).await);
    for ending in pass(&stack, months(1)).await {
        assert_eq!(ending.ending, Ending::Dropped);
    }
    let old: i64 = raw.value("SELECT count(*) FROM bodies WHERE number <= 600").await;
    assert_eq!(old, 0);
    clean(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_others_read_for_long_is_left_for_later_and_intake_goes_on() {
    let (stack, raw) = stack().await;
    let Raw::Postgres(pool) = &raw else { return };
    // As a dump of the database does.
    let mut dump = pool.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM bodies").execute(&mut *dump).await.unwrap();
    let stop = CancellationToken::new();
    let (policy, process) = (months(2), stack.process.clone());
    let dropping = tokio::spawn(async move { retention::pass(&process, &policy, &stop, |_| ()).await });
    let mut taken = 0;
    while !dropping.is_finished() {
        stack.accept(&id(100 + taken), &body(taken), "Ann").await;
        stack.readers.original(id(0).parse().unwrap()).await.unwrap().unwrap();
        taken += 1;
    }
    assert!(taken > 10, "{taken} reports were taken while the table was waited for");
    let ended = dropping.await.unwrap().unwrap().unwrap();
    assert_eq!(told(&ended), [("bodies 2026-11".to_owned(), 0, Ending::Busy)]);
    assert_eq!(stack.store().dropped_months().await.unwrap(), []);
    dump.rollback().await.unwrap();
    stack.work_off().await;
    assert_eq!(told(&pass(&stack, months(2)).await), [("bodies 2026-11".to_owned(), 4, Ending::Dropped)]);
    clean(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_that_is_just_being_committed_is_waited_for() {
    let (stack, raw) = stack().await;
    let Raw::Postgres(pool) = &raw else { return };
    let group = "INSERT INTO groups (reports, created_at) VALUES (1, now()) RETURNING number";
    let mut intake = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(1634955129, 1)").execute(&mut *intake).await.unwrap();
    let number: i64 = sqlx::query_scalar(group).fetch_one(&mut *intake).await.unwrap();
    sqlx::query("UPDATE reports SET state = 'accepted', revision = 2, group_number = $1 WHERE number = 2")
        .bind(number)
        .execute(&mut *intake)
        .await
        .unwrap();
    // A group of somebody else's has a greater number, and is seen earlier.
    let other: i64 = sqlx::query_scalar(group).fetch_one(pool).await.unwrap();
    assert!(other > number);
    let process = stack.process.clone();
    let stop = CancellationToken::new();
    let policy = months(2);
    let dropping = tokio::spawn(async move { retention::pass(&process, &policy, &stop, |_| ()).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while raw.value::<i64>(waiting).await == 0 {
        assert!(!dropping.is_finished(), "it did not wait for the intake");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    intake.commit().await.unwrap();
    let ended = dropping.await.unwrap().unwrap().unwrap();
    assert_eq!(told(&ended), [("bodies 2026-11".to_owned(), 0, Ending::Waiting)]);
    assert_eq!(there(&raw).await.len(), 12);
}

#[tokio::test]
async fn one_process_at_a_time_drops_bytes() {
    let (stack, raw) = stack().await;
    let Raw::Postgres(_) = raw else { return };
    let turn = stack.store().take_turn(retention::TURN).await.unwrap().expect("it is free");
    let other = stack.other_process().await;
    let stop = CancellationToken::new();
    assert_eq!(retention::pass(&other, &months(1), &stop, |_| ()).await.unwrap(), None);
    turn.end().await;
    assert_eq!(retention::pass(&other, &months(1), &stop, |_| ()).await.unwrap().unwrap().len(), 2);
    let ended = retention::pass(&stack.process, &months(1), &stop, |_| ()).await.unwrap();
    assert_eq!(ended, Some(Vec::new()), "who is done lets the others go on");
}

#[tokio::test]
async fn the_months_of_a_clock_are_those_of_utc() {
    let clock = Clock::fixed("2026-12-31T23:59:59.999999Z".parse().unwrap());
    assert_eq!(months(1).first_kept(BodyTable::Bodies, clock.now()).unwrap().to_string(), "2026-11");
    clock.advance(TimeDelta::microseconds(1));
    assert_eq!(months(1).first_kept(BodyTable::Bodies, clock.now()).unwrap().to_string(), "2026-12");
}
