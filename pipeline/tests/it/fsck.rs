//! Every kind of fault is planted behind the pipeline's back, found, mended where it can be, and gone afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::TimeDelta;
use pipeline::catch_up::CatchUp;
use pipeline::fsck::{Check, Checked, IndexPlace, Order, Report, fsck};
use pipeline::index::{DocumentIndex, Place, Tantivy};
use schemas::extract::Language;
use schemas::views::State;
use serde_json::Value;

use crate::dump::dump;
use crate::elastic::{self, Fresh};
use crate::raw::Raw;
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report};

/// Nine reports of two testers, one corrected and one rejected, all processed.
async fn stack() -> (Stack, Raw) {
    let stack = Stack::new().await;
    for number in 0..8 {
        let grade = ["pass", "fail", "na", "unknown"][number % 4];
        let body = report(["Foo", "Foo-Bar"][number % 2], "1.0", grade, "5.36.0", "linux");
        stack.accept(&id(number), &by_ann(&body), ["Ann", "Bob"][number / 4]).await;
    }
    stack.work_off().await;
    stack.accept(&id(0), &by_ann(&report("Foo", "1.1", "fail", "5.37.3", "linux")), "Ann").await;
    stack.accept(&id(8), "{ no report", "Ann").await;
    stack.work_off().await;
    // apalis keeps jobs that a worker has not marked as done; here nobody has.
    stack.lose_jobs().await;
    let raw = stack.raw().await;
    (stack, raw)
}

/// The report, with an archive of ANN's.
fn by_ann(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["distribution"]["path"] = "ANN/archive.tar.gz".into();
    body.to_string()
}

async fn check(stack: &Stack, order: &Order) -> Report {
    fsck(&stack.process, order, |_| ()).await
}

async fn clean(stack: &Stack) {
    let report = check(stack, &Order { deep: true, ..Order::default() }).await;
    assert!(report.clean, "{report:#?}");
    assert_eq!(report.checks.len(), Check::ALL.len() - 1, "all but the index, which there is none of");
    assert!(report.checks.iter().all(|one| one.checked > 0 || one.name == Check::Jobs), "{report:#?}");
}

async fn one(stack: &Stack, check: Check, repair: bool) -> Checked {
    let order = Order { repair, deep: true, only: vec![check], ..Order::default() };
    let mut report = fsck(&stack.process, &order, |_| ()).await;
    assert_eq!(report.checks.len(), 1);
    report.checks.remove(0)
}

/// Changes the database as no part of assay would, references unchecked.
async fn plant(raw: &Raw, sql: &str) {
    assert!(raw.plant(sql).await > 0, "{sql}");
}

type Derived = (BTreeMap<String, Value>, AllCounts, Vec<String>);

async fn derived(raw: &Raw) -> Derived {
    let whose = "SELECT concat_ws('/', author, archive, told_by) FROM releases ORDER BY number";
    (documents(raw).await, AllCounts::stored(raw).await, raw.values(whose).await)
}

/// Faults that leave the bytes alone, with how many the check finds by itself: everything is as before after a repair.
const DERIVED: [(Check, &str, u64); 21] = [
    (Check::Summaries, "UPDATE summaries SET pass = pass + 1 WHERE release = 2", 1),
    (Check::Summaries, "DELETE FROM summaries WHERE release = 1", 1),
    (Check::Summaries, "INSERT INTO summaries VALUES (1, TRUE, TRUE, 0, 3, 0, 0)", 1),
    (Check::Matrix, "UPDATE matrix_cells SET fail = fail - 1", 3),
    // The newest release; PostgreSQL leaves numbers out.
    (Check::Matrix, "UPDATE matrix_cells SET os = 'plan9' WHERE release = (SELECT max(number) FROM releases)", 2),
    (Check::Sums, "DELETE FROM matrix_cells WHERE release = 2", 1),
    (Check::Testers, "UPDATE testers SET unknown = unknown + 7", 2),
    (Check::Rows, "UPDATE extracts SET document = replace(document, 'linux', 'plan9') WHERE number = 3", 1),
    (Check::Rows, "UPDATE extracts SET document = 'none' WHERE number IN (2, 3)", 2),
    (Check::Rows, "UPDATE extracts SET grade = 'na', patched = TRUE WHERE number = 1", 1),
    (Check::Rows, "UPDATE extracts SET release = 1 WHERE number = 2", 1),
    (Check::Rows, "DELETE FROM extracts WHERE number = 4", 1),
    (Check::Rows, "UPDATE extracts SET removed = TRUE WHERE number = 5", 1),
    (Check::Rows, "UPDATE reports SET state = 'rejected', reason = 'spite' WHERE number = 6", 1),
    (Check::Rows, "UPDATE reports SET state = 'processed' WHERE state = 'rejected'", 1),
    (Check::Authors, "UPDATE releases SET author = 'NOBODY' WHERE number = 1", 1),
    (Check::Authors, "UPDATE releases SET archive = NULL WHERE number > 1", 2),
    (Check::Authors, "UPDATE releases SET told_by = 7", 3),
    // Eight rows and three releases have numbers, and only the second row's is no greater.
    (Check::Changes, "UPDATE counters SET value = 3", 10),
    (Check::Changes, "UPDATE releases SET change_number = 0 WHERE number = 1", 1),
    (
        Check::Changes,
        "UPDATE releases SET change_number = (SELECT max(change_number) FROM extracts) WHERE number = 1",
        2,
    ),
];

#[tokio::test]
async fn what_is_derived_is_found_and_mended() {
    for (of, sql, faults) in DERIVED {
        let (stack, raw) = stack().await;
        clean(&stack).await;
        let before = derived(&raw).await;
        plant(&raw, sql).await;

        let planted = dump(&raw).await;
        let found = one(&stack, of, false).await;
        assert_eq!(dump(&raw).await, planted, "looking changes nothing");
        assert_eq!((found.faults, found.repaired), (faults, 0), "{sql}: {found:?}");
        assert!(!found.examples.is_empty());

        let mended = check(&stack, &Order { repair: true, deep: true, ..Order::default() }).await;
        assert!(mended.clean, "{sql}: {mended:#?}");
        let this = mended.checks.iter().find(|one| one.name == of).unwrap();
        if of != Check::Sums {
            // What the checks before it have mended is no fault any more.
            assert_eq!((this.faults, this.repaired), (faults, faults), "{sql}: {this:?}");
        }
        clean(&stack).await;
        assert_eq!(derived(&raw).await, before, "{sql}");
    }
}

#[tokio::test]
async fn a_mended_count_is_told_to_those_who_follow_the_feed() {
    let (stack, raw) = stack().await;
    plant(&raw, "UPDATE summaries SET pass = pass + 1 WHERE release = 2").await;
    let head = stack.store().head().await.unwrap();
    let mended = one(&stack, Check::Summaries, true).await;
    assert_eq!((mended.faults, mended.repaired), (1, 1));
    let name = stack.store().release_name(pipeline::store::ReleaseNumber(2)).await.unwrap();
    assert_eq!(mended.examples[0].about, format!("release {name}"));
    assert_eq!(mended.examples[0].detail, "stable: 1 pass too many");
    let (changes, _) = stack.store().changes(head, 10).await.unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
}

/// Damage to bytes, the report it hits, and what is said of it.
fn damage(raw: &Raw) -> [(String, usize, &'static str); 5] {
    let (nothing, zeros) = (raw.bytes(&[0]), raw.bytes(&[0; 32]));
    [
        (format!("UPDATE bodies SET body = {nothing} WHERE number = 3"), 3, "zstd"),
        ("UPDATE bodies SET dictionary = 77 WHERE number = 3".to_owned(), 3, "dictionary 77"),
        ("UPDATE bodies SET size = size + 1 WHERE number = 3".to_owned(), 3, "instead of"),
        (format!("UPDATE reports SET digest = {zeros} WHERE number = 3"), 3, "digest"),
        (format!("UPDATE superseded_bodies SET body = {nothing}"), 1, "zstd"),
    ]
}

#[tokio::test]
async fn damaged_bytes_are_named_and_left_alone() {
    for one in 0..5 {
        let (stack, raw) = stack().await;
        let (sql, number, said) = &damage(&raw)[one];
        let before = derived(&raw).await;
        plant(&raw, sql).await;
        let planted = dump(&raw).await;
        for repair in [false, true] {
            let report = check(&stack, &Order { repair, deep: true, ..Order::default() }).await;
            assert!(!report.clean);
            let bodies = &report.checks[0];
            assert_eq!((bodies.name, bodies.faults, bodies.repaired), (Check::Bodies, 1, 0));
            assert!(bodies.examples[0].about.contains(&id(*number - 1)), "{bodies:?}");
            assert!(bodies.examples[0].detail.contains(said), "{bodies:?}");
            assert_eq!(derived(&raw).await, before, "the row is all that is left of it");
        }
        assert_eq!(dump(&raw).await, planted);
    }
}

#[tokio::test]
async fn rows_without_reports_go_and_bytes_without_reports_stay() {
    let (stack, raw) = stack().await;
    plant(&raw, "DELETE FROM reports WHERE number = 4").await;
    plant(&raw, "DELETE FROM bodies WHERE number = 5").await;
    let found = one(&stack, Check::Orphans, false).await;
    let told: Vec<&str> = found.examples.iter().map(|fault| fault.about.as_str()).collect();
    assert_eq!(told, ["body 4", &format!("report {}", id(4)), "row 4"]);

    let head = stack.store().head().await.unwrap();
    let mended = one(&stack, Check::Orphans, true).await;
    assert_eq!((mended.faults, mended.repaired), (3, 1), "{mended:?}");
    assert_eq!(documents(&raw).await.len(), 7);
    let (changes, _) = stack.store().changes(head, 10).await.unwrap();
    assert_eq!(changes.len(), 2, "the tombstone and its release: {changes:?}");
    for counts in [Check::Summaries, Check::Matrix, Check::Testers, Check::Sums, Check::Changes] {
        assert_eq!(one(&stack, counts, false).await.faults, 0, "{counts}");
    }
    assert_eq!(raw.value::<i64>("SELECT count(*) FROM bodies WHERE number = 4").await, 1);
}

#[tokio::test]
async fn a_superseded_body_without_a_report_is_named() {
    let (stack, raw) = stack().await;
    plant(&raw, "UPDATE superseded_bodies SET number = 99").await;
    let found = one(&stack, Check::Orphans, true).await;
    assert_eq!((found.faults, found.repaired), (1, 0));
    assert_eq!(found.examples[0].about, "superseded body 99");
}

#[tokio::test]
async fn what_refers_to_something_that_is_not_there_is_named() {
    let (stack, raw) = stack().await;
    let plants = [
        ("UPDATE reports SET tester = 99 WHERE number = 2", "its tester is not there"),
        ("UPDATE reports SET group_number = 99 WHERE number = 3", "its group is not there"),
        ("UPDATE extracts SET release = 99 WHERE number = 4", "the release of its row is not there"),
        ("UPDATE extracts SET tester = 99 WHERE number = 5", "the tester of its row is not there"),
    ];
    for (sql, _) in plants {
        plant(&raw, sql).await;
    }
    let found = one(&stack, Check::Orphans, false).await;
    let told: Vec<(&str, &str)> =
        found.examples.iter().map(|fault| (fault.about.as_str(), fault.detail.as_str())).collect();
    let names = [1, 2, 3, 4].map(|number| format!("report {}", id(number)));
    let expected: Vec<(&str, &str)> =
        names.iter().zip(plants).map(|(name, (_, detail))| (name.as_str(), detail)).collect();
    assert_eq!((found.faults, told), (4, expected));
}

#[tokio::test]
async fn a_release_of_which_nothing_is_counted_yet_is_no_fault() {
    let (stack, raw) = stack().await;
    let release = "INSERT INTO releases (language, distribution, version, developer, changed_at) \
                   SELECT 'perl', 'Foo-New', '1.0', FALSE, created_at FROM testers LIMIT 1";
    plant(&raw, release).await;
    clean(&stack).await;
    assert_eq!(stack.readers.distribution(Language::Perl, "Foo-New").await.unwrap(), None, "and nobody sees it");
}

#[tokio::test]
async fn what_waits_without_a_job_is_queued_again() {
    let (stack, _) = stack().await;
    stack.accept(&id(20), &report("Foo", "2.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.accept(&id(21), &report("Foo", "2.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.process.clock.advance(TimeDelta::minutes(2));
    assert_eq!(one(&stack, Check::Jobs, false).await.faults, 0, "both have a job");
    stack.lose_jobs().await;
    // The second has an attempt under way; the first has nobody.
    let group = stack.open_groups().await[1];
    let mut tx = stack.store().begin().await.unwrap();
    tx.begin_attempt(group, "w", stack.process.clock.now() - TimeDelta::minutes(5)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(one(&stack, Check::Jobs, false).await.faults, 1);
    stack.process.clock.advance(TimeDelta::minutes(20));
    assert_eq!(one(&stack, Check::Jobs, false).await.faults, 2, "an attempt that long has vanished");

    let mended = one(&stack, Check::Jobs, true).await;
    assert_eq!((mended.faults, mended.repaired), (2, 2), "{mended:?}");
    assert_eq!(stack.jobs().await, 2);
    assert_eq!(stack.open_groups().await.len(), 2);
}

#[tokio::test]
async fn reports_that_wait_in_a_settled_group_get_another() {
    let (stack, raw) = stack().await;
    plant(&raw, "UPDATE reports SET state = 'accepted' WHERE number = 3").await;
    let mended = one(&stack, Check::Jobs, true).await;
    assert_eq!((mended.faults, mended.repaired), (1, 1), "{mended:?}");
    stack.work_off().await;
    assert_eq!(stack.receipt(&id(2)).await.state, State::Processed);
    stack.lose_jobs().await;
    clean(&stack).await;
}

#[tokio::test]
async fn jobs_and_groups_that_have_nothing_to_do_are_ended() {
    let (stack, raw) = stack().await;
    stack.accept(&id(20), &report("Foo", "2.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    assert_eq!(one(&stack, Check::Jobs, false).await.faults, 0, "a job is done a moment after its group");
    stack.process.clock.advance(TimeDelta::minutes(2));
    plant(&raw, "UPDATE groups SET settled_at = NULL WHERE number = 1").await;
    // Of a queue in Redis, which its workers tidy up, only the groups are asked for that it brings up.
    let in_database = stack.queue().is_none();
    let faults = if in_database { 3 } else { 1 };
    if in_database {
        plant(&raw, "INSERT INTO Jobs (job, id, job_type) VALUES ('nothing', 'odd', 'process-group')").await;
    }
    let found = one(&stack, Check::Jobs, false).await;
    let told: Vec<&str> = found.examples.iter().map(|fault| fault.detail.as_str()).collect();
    assert_eq!(found.faults, faults, "{told:?}");
    assert_eq!(told[0], "it is open and no report of it waits");
    assert_eq!(told.contains(&"its order cannot be read"), in_database, "{told:?}");
    let mended = one(&stack, Check::Jobs, true).await;
    assert_eq!((mended.faults, mended.repaired), (faults, faults), "{mended:?}");
    assert_eq!(stack.jobs().await, if in_database { 0 } else { 1 });
    assert!(stack.open_groups().await.is_empty());
}

/// An index of the stack's rows, and the order to check it.
async fn indexed(stack: &Stack) -> Order {
    indexed_at(stack, Place::Directory(index_directory(stack))).await
}

fn index_directory(stack: &Stack) -> PathBuf {
    stack.directory.path().join("index")
}

async fn indexed_at(stack: &Stack, place: Place) -> Order {
    let catch_up = CatchUp::new(stack.process.clone(), place.open().unwrap());
    while catch_up.step().await.unwrap() > 0 {}
    let index = Some(IndexPlace { place, writable: true });
    Order { repair: false, deep: false, only: vec![Check::Index], index }
}

async fn mend_index(stack: &Stack, order: &Order, faults: u64) {
    let found = check(stack, order).await.checks.remove(0);
    assert_eq!((found.faults, found.repaired), (faults, 0), "{found:?}");
    let order = Order { repair: true, ..order.clone() };
    let mended = check(stack, &order).await;
    let found = &mended.checks[0];
    assert_eq!((found.faults, found.repaired), (faults, faults), "{found:?}");
    let again = check(stack, &Order { repair: false, ..order }).await;
    assert!(again.clean && again.checks[0].checked == 8 && again.checks[0].notes.is_empty(), "{again:?}");
}

#[tokio::test]
async fn documents_that_are_missing_or_too_many_are_put_right() {
    let (stack, _) = stack().await;
    let order = indexed(&stack).await;
    let place = order.index.clone().unwrap();
    assert!(check(&stack, &order).await.clean);
    {
        // Read beside the process that writes.
        let index = Tantivy::open(&index_directory(&stack)).unwrap();
        let mark = index.mark().unwrap();
        index.put(Vec::new(), vec![2, 3], mark).unwrap();
        let found = check(&stack, &order).await.checks.remove(0);
        let told: Vec<&str> = found.examples.iter().map(|fault| fault.about.as_str()).collect();
        assert_eq!(told, [format!("report {}", id(1)), format!("report {}", id(2))]);
        let locked =
            Order { repair: true, index: Some(IndexPlace { writable: false, ..place.clone() }), ..order.clone() };
        let left = check(&stack, &locked).await.checks.remove(0);
        assert_eq!((left.faults, left.repaired), (2, 0), "it belongs to another process");
        assert!(left.notes[0].contains("server"), "{left:?}");
    }
    mend_index(&stack, &order, 2).await;
    {
        let raw = stack.raw().await;
        // As if the row had been removed without a word to the index.
        plant(&raw, "UPDATE extracts SET removed = TRUE WHERE number = 8").await;
    }
    let found = check(&stack, &order).await.checks.remove(0);
    assert_eq!((found.faults, found.examples[0].about.as_str()), (1, "document 8"));
}

#[tokio::test]
async fn documents_in_a_search_engine_are_put_right_beside_those_who_write_them() {
    for url in elastic::engines() {
        let fresh = Fresh::at(&url);
        let (stack, _) = stack().await;
        let order = indexed_at(&stack, Place::Engine(fresh.address.clone())).await;
        assert!(check(&stack, &order).await.clean);
        let mark = fresh.mark().unwrap();
        fresh.put(Vec::new(), vec![2, 3], mark).unwrap();
        mend_index(&stack, &order, 2).await;

        // One that was received in another month, too, and one that nobody sent.
        fresh.put(vec![elastic::document(4, "stray"), elastic::document(4000, "stray")], Vec::new(), mark).unwrap();
        let months = fresh.contents().unwrap().numbers.iter().filter(|number| **number == 4).count();
        assert_eq!(months, 2);
        mend_index(&stack, &order, 2).await;
        assert_eq!(fresh.contents().unwrap().numbers, (1..=8).collect::<Vec<i64>>());
    }
}

#[tokio::test]
async fn an_index_that_lags_is_no_fault_and_one_that_cannot_be_read_is_begun_anew() {
    let (stack, _) = stack().await;
    let order = indexed(&stack).await;
    let directory = index_directory(&stack);
    stack.accept(&id(30), &report("Foo", "3.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let lagging = check(&stack, &order).await;
    assert!(lagging.clean && lagging.checks[0].notes[0].starts_with("complete up to change"), "{lagging:?}");

    std::fs::write(directory.join("meta.json"), "{").unwrap();
    let found = check(&stack, &order).await.checks.remove(0);
    assert_eq!(found.faults, 1);
    assert!(found.examples[0].detail.contains("damaged"), "{found:?}");
    let mended = check(&stack, &Order { repair: true, ..order.clone() }).await;
    assert!(mended.clean, "{mended:?}");
    assert_eq!(check(&stack, &order).await.checks[0].checked, 9);
}

#[tokio::test]
async fn what_cannot_be_checked_is_not_clean() {
    let (stack, raw) = stack().await;
    plant(&raw, "UPDATE extracts SET grade = 'odd' WHERE number = 1").await;
    let report = check(&stack, &Order::default()).await;
    assert!(!report.clean);
    let rows = report.checks.iter().find(|one| one.name == Check::Rows).unwrap();
    assert!(rows.failure.is_some(), "{rows:?}");
    assert!(report.checks.iter().any(|one| one.name == Check::Bodies && one.failure.is_none()));
}
