//! The change feed is complete, in commit order, and tells of what is no longer there (promise 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pipeline::store::ChangeRow;
use schemas::extract::Language;

use crate::mirror::Mirror;
use crate::raw::Raw;
use crate::recount::{AllCounts, by_release, documents};
use crate::stack::{Stack, id, report};

/// Writes down each change number as it is given: in the same transaction, so that rows stand in commit order.
const SQLITE_LOG: &str = "\
    CREATE TABLE given (at INTEGER PRIMARY KEY AUTOINCREMENT, number BIGINT, last BIGINT);
    CREATE TRIGGER extract_inserted AFTER INSERT ON extracts BEGIN INSERT INTO given (number, last)
        SELECT new.change_number, value FROM counters WHERE name = 'changes'; END;
    CREATE TRIGGER extract_updated AFTER UPDATE OF change_number ON extracts BEGIN INSERT INTO given (number, last)
        SELECT new.change_number, value FROM counters WHERE name = 'changes'; END;
    CREATE TRIGGER release_updated AFTER UPDATE OF change_number ON releases BEGIN INSERT INTO given (number, last)
        SELECT new.change_number, value FROM counters WHERE name = 'changes'; END";

const POSTGRES_LOG: &str = "\
    CREATE TABLE given (at BIGINT GENERATED ALWAYS AS IDENTITY, number BIGINT, last BIGINT);
    CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO given (number, last) SELECT new.change_number, value FROM counters WHERE name = 'changes';
        RETURN NULL; END $$;
    CREATE TRIGGER extract_written AFTER INSERT OR UPDATE OF change_number ON extracts
        FOR EACH ROW EXECUTE FUNCTION write_down();
    CREATE TRIGGER release_updated AFTER UPDATE OF change_number ON releases
        FOR EACH ROW EXECUTE FUNCTION write_down()";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn change_numbers_are_contiguous_and_in_commit_order_under_concurrent_writers() {
    let stack = Arc::new(Stack::with_groups(tempfile::tempdir().unwrap(), 3).await);
    let raw = stack.raw().await;
    raw.run(raw.either(SQLITE_LOG, POSTGRES_LOG)).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(watch(Arc::clone(&stack), Arc::clone(&done)));

    let writers: Vec<_> = (0..8).map(|writer| tokio::spawn(write(Arc::clone(&stack), writer))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    stack.work_off().await;
    done.store(true, Ordering::SeqCst);
    let (mirror, polls) = reader.await.unwrap();

    let head = stack.store().head().await.unwrap();
    assert!(head > 8 * 5 * 2, "only {head} changes: no correction was processed");
    assert!(polls > 10, "the reader looked only {polls} times");
    check_log(&raw, head).await;
    assert_eq!(mirror.documents, documents(&raw).await);
    assert_eq!(mirror.summaries, by_release(&AllCounts::stored(&raw).await));
    assert_eq!(mirror.documents.len(), 8 * 5);
}

const ROUNDS: usize = 24;

/// One of those who accept and process at the same time: new reports, corrections, and groups of the others, too.
async fn write(stack: Arc<Stack>, writer: usize) {
    for round in 0..ROUNDS {
        let grade = ["pass", "fail", "na", "unknown"][(writer + round) % 4];
        let version = format!("1.{}", round % 3);
        let body = report("Foo-Bar", &version, grade, "5.36.0", "linux");
        stack.accept(&id(100 * writer + round % 5), &body, "Ann").await;
        for group in stack.open_groups().await.into_iter().take(2) {
            stack.process.process(group, "test").await.unwrap();
        }
    }
}

/// Follows the feed all the while, and looks back each time: nothing new may turn up behind the cursor.
async fn watch(stack: Arc<Stack>, done: Arc<AtomicBool>) -> (Mirror, usize) {
    let mut mirror = Mirror::default();
    let mut polls = 0;
    loop {
        let last = done.load(Ordering::SeqCst);
        let taken = mirror.follow(stack.store(), 5).await;
        let (all, _) = stack.store().changes(0, 10_000).await.unwrap();
        let numbers = all.iter().map(ChangeRow::number);
        let late: Vec<i64> =
            numbers.filter(|number| *number <= mirror.cursor && !mirror.seen.contains(number)).collect();
        assert!(late.is_empty(), "numbers {late:?} turned up behind {}", mirror.cursor);
        polls += 1;
        if last && taken == 0 {
            return (mirror, polls);
        }
    }
}

/// In each transaction the numbers follow those of the one before, none left out and none given twice.
async fn check_log(raw: &Raw, head: i64) {
    let given: Vec<(i64, i64)> = raw.rows("SELECT number, last FROM given ORDER BY at").await;
    let mut end = 0;
    for transaction in given.chunk_by(|a, b| a.1 == b.1) {
        let last = transaction[0].1;
        let mut numbers: Vec<i64> = transaction.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (end + 1..=last).collect::<Vec<_>>(), "in the transaction up to {last}");
        end = last;
    }
    assert_eq!(end, head);
}

#[tokio::test]
async fn a_report_corrected_away_leaves_a_removed_summary_behind() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let mut early = Mirror::default();
    early.follow_to_the_end(stack.store(), 10).await;
    assert_eq!(early.summaries.keys().collect::<Vec<_>>(), [&("Foo-Bar".to_owned(), "1.0".to_owned())]);

    stack.accept(&id(1), &report("Foo-Bar", "1.1", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let (rows, head) = stack.store().changes(early.cursor, 10).await.unwrap();
    assert_eq!(head, 5);
    let told: Vec<(i64, String)> = rows.iter().map(|row| (row.number(), told(row))).collect();
    let expected = [(3, "result 1.1"), (4, "removed summary 1.0"), (5, "summary 1.1")];
    assert_eq!(told, expected.map(|(number, text)| (number, text.to_owned())));
    // A reader who begins now is told of the removal too, and one who knew the release forgets it.
    let (from_the_beginning, _) = stack.store().changes(0, 10).await.unwrap();
    assert_eq!(from_the_beginning, rows);
    early.follow_to_the_end(stack.store(), 10).await;
    assert_eq!(early.summaries.keys().collect::<Vec<_>>(), [&("Foo-Bar".to_owned(), "1.1".to_owned())]);
}

#[tokio::test]
async fn a_report_that_cannot_be_read_any_more_leaves_a_removed_row_and_summary() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    stack.accept(&id(1), "no report", "Ann").await;
    stack.work_off().await;
    let (rows, _) = stack.store().changes(2, 10).await.unwrap();
    let [ChangeRow::Result { number: 3, removed: true, document }, ChangeRow::Summary { number: 4, removed: true, .. }] =
        rows.as_slice()
    else {
        panic!("{rows:?}")
    };
    assert_eq!(*document, format!(r#"{{"id":"{}"}}"#, id(1)));
}

#[tokio::test]
async fn what_comes_out_the_same_makes_no_change() {
    let stack = Stack::new().await;
    let body = report("Foo-Bar", "1.0", "fail", "5.36.0", "linux");
    stack.accept(&id(1), &body, "Ann").await;
    stack.work_off().await;
    // Other bytes, the same meaning.
    stack.accept(&id(1), &format!("{body} "), "Ann").await;
    stack.work_off().await;
    assert_eq!(stack.receipt(&id(1)).await.revision, 2);
    assert_eq!(stack.store().head().await.unwrap(), 2);
}

#[tokio::test]
async fn the_news_names_every_release_that_changed_and_its_author() {
    let stack = Stack::new().await;
    let with_path = |version: &str, path: Option<&str>| {
        let mut report: serde_json::Value =
            serde_json::from_str(&report("Foo-Bar", version, "fail", "5.36.0", "linux")).unwrap();
        if let Some(path) = path {
            report["distribution"]["path"] = path.into();
        }
        report.to_string()
    };
    stack.accept(&id(1), &with_path("1.0", Some("AUTHOR/Foo-Bar-1.0.tar.gz")), "Ann").await;
    stack.work_off().await;
    let mut news = stack.process.events.processed();
    let tester = stack.tester("Ann").await.id;

    // One that does not name the author, and one that leaves its release.
    stack.accept(&id(2), &with_path("1.0", None), "Ann").await;
    stack.work_off().await;
    let told = news.recv().await.unwrap();
    let release = |version: &str| (Language::Perl, "Foo-Bar".to_owned(), version.to_owned());
    assert_eq!((told.releases.as_slice(), told.head), ([release("1.0")].as_slice(), 4));
    assert_eq!(
        (told.authors.as_slice(), told.testers.as_slice()),
        (["AUTHOR".to_owned()].as_slice(), [tester].as_slice())
    );
    stack.accept(&id(2), &with_path("1.1", None), "Ann").await;
    stack.work_off().await;
    let told = news.recv().await.unwrap();
    let mut releases = told.releases.clone();
    releases.sort();
    assert_eq!((releases, told.head), (vec![release("1.0"), release("1.1")], 7));
    assert_eq!(*stack.process.events.head().borrow(), 7);
}

fn told(row: &ChangeRow) -> String {
    match row {
        ChangeRow::Result { removed, document, .. } => {
            let document: serde_json::Value = serde_json::from_str(document).unwrap();
            format!("{}result {}", if *removed { "removed " } else { "" }, document["version"].as_str().unwrap())
        }
        ChangeRow::Summary { removed, summary, .. } => {
            format!("{}summary {}", if *removed { "removed " } else { "" }, summary.version)
        }
    }
}
