//! A database that was copied holds the same, to the number and the byte, on SQLite and on PostgreSQL.
//!
//! These tests choose their databases themselves, and so run once, on the embedded profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pipeline::accept::{Acceptance, Acceptor};
use pipeline::clock::Clock;
use pipeline::copy::{self, Compared, Copy, CopyError};
use pipeline::import::facts::{self, Profiles};
use pipeline::import::{Import, Processing, rows};
use pipeline::measures::Measures;
use pipeline::process::Process;
use pipeline::rebuild;
use pipeline::retention::{self, Policy};
use pipeline::store::{Store, TABLES};
use pipeline::tokens::{self, Issue};
use pipeline::uploads;
use schemas::cpanstats::Row;
use schemas::uploads::{Kind, Upload};
use schemas::withdrawal::BodyFate;
use services::Database;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fixtures::captures;
use crate::mirror::Mirror;
use crate::stack::{Profile, Stack, id, report, report_with_text};

/// An empty database of each kind, or nothing, said loudly.
async fn databases() -> Option<(Stack, Store, Database)> {
    if Profile::asked() != Profile::Sqlite {
        services::say("left out on this profile: it chooses both databases itself");
        return None;
    }
    let database = services::fresh_database(&services::postgres()?);
    let store = Store::postgres(database.url()).unwrap();
    store.migrate().await.unwrap();
    Some((Stack::new().await, store, database))
}

async fn sqlite(path: &Path) -> Store {
    let store = Store::open(path).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// An SQLite file, to look at it and to damage it.
async fn raw(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// What is copied of an SQLite file, by table, each row as SQL would write its values.
async fn content(path: &Path) -> BTreeMap<String, Vec<String>> {
    let raw = raw(path).await;
    let mut content = BTreeMap::new();
    for table in &TABLES {
        let columns: Vec<String> = sqlx::query_scalar("SELECT 'quote(' || name || ')' FROM pragma_table_info(?)")
            .bind(table.name)
            .fetch_all(&raw)
            .await
            .unwrap();
        let but = if table.name == "settings" { "WHERE name <> 'copy'" } else { "" };
        let sql = format!("SELECT {} AS line FROM {} {but} ORDER BY line", columns.join(" || ',' || "), table.name);
        content.insert(table.name.to_owned(), sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&raw).await.unwrap());
    }
    content
}

/// Rows of every table: reports by all doors, corrected, withdrawn, purged, parked and waiting; history, uploads, tokens,
/// a rebuild; texts with all kinds of characters.
async fn fill(stack: &Stack) {
    for number in 1..=30 {
        let grade = ["pass", "fail", "na", "unknown"][number % 4];
        let text = format!("Ergebnis Nummer {number}: übel \u{1f42a} \u{0} Ende\n");
        let body = report_with_text(&format!("Foo-Bär{}", number % 3), "1.0", grade, "5.36.0", "linux", &text);
        assert_eq!(stack.accept(&id(number), &body, "Änne").await, Acceptance::Accepted);
    }
    stack.work_off().await;
    for number in [1, 2] {
        stack.accept(&id(number), &report("Foo-Baz", "2.0_01", "na", "5.39.1", "openbsd"), "Änne").await;
    }
    stack.work_off().await;
    stack.withdraw(3, BodyFate::Kept).await;
    stack.withdraw(4, BodyFate::Purged).await;
    import(stack).await;
    let ann = Upload::of_archive("ANN", "Foo-Baz-3.0.tar.gz", Some(stack.process.clock.now()), Kind::Cpan).unwrap();
    uploads::store(&stack.process, vec![ann]).await.unwrap();
    let order = Issue { scopes: Vec::new(), tester: Some("Carla".to_owned()), expires_at: None };
    tokens::issue(stack.store(), &stack.process.clock, &order).await.unwrap();
    rebuild::rebuild(&stack.process, 0, |_| {}).await.unwrap();
    // The row from 2016.
    let policy = Policy { bodies: 100, superseded_bodies: 0 };
    retention::pass(&stack.process, &policy, &CancellationToken::new(), |_| ()).await.unwrap();

    // One whose bytes are damaged is parked.
    stack.accept(&id(40), &report("Foo-Baz", "3.0", "pass", "5.36.0", "linux"), "Bob").await;
    let raw = raw(&file(stack)).await;
    for sql in [
        "UPDATE bodies SET body = x'00' WHERE number = (SELECT max(number) FROM bodies)",
        // As broken smokers send them.
        "UPDATE testers SET name = 'Bo' || char(0) || 'b' WHERE name = 'Bob'",
        "UPDATE attempts SET text = char(0) || 'x' WHERE attempt = 1 AND group_number = 1",
    ] {
        assert_eq!(sqlx::query(sql).execute(&raw).await.unwrap().rows_affected(), 1, "{sql}");
    }
    stack.work_off().await;
    stack.accept(&id(41), &report("Foo-Baz", "3.0", "pass", "5.36.0", "linux"), "Ann").await;
}

/// A row of the predecessor's table, years old, and a legacy fact.
async fn import(stack: &Stack) {
    let row = Row {
        id: Some(200_834),
        guid: id(50),
        state: "pass".to_owned(),
        postdate: "201608".to_owned(),
        tester: "\"J&#246;rg\" <joerg@example.org>".to_owned(),
        dist: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        platform: "x86_64-linux".to_owned(),
        perl: "5.24.0".to_owned(),
        osname: "linux".to_owned(),
        osvers: "4.4".to_owned(),
        fulldate: "201608191234".to_owned(),
        kind: "2".to_owned(),
        uploadid: None,
    };
    let now = stack.process.clock.now();
    let fact = captures().into_iter().find_map(|(_, body)| facts::historic(&body, &Profiles::default(), now).ok());
    let batch = vec![rows::historic(&row, now).unwrap(), fact.expect("a capture is a legacy fact")];
    let import = Import { process: stack.process.clone(), processing: Processing::Here, source: "test".to_owned() };
    assert_eq!(import.store(batch, "2").await.unwrap().imported, 2);
}

fn file(stack: &Stack) -> PathBuf {
    stack.directory.path().join("assay.db")
}

/// Copies to the end and compares.
async fn copied(source: &Store, target: &Store, from: &str) -> Vec<Compared> {
    let mut copy = Copy::begin(source, target, from, clock()).await.unwrap();
    copy.run(|_| {}).await.unwrap();
    let compared = copy::compare(source, target, |_| {}).await.unwrap();
    assert!(compared.iter().all(Compared::equal), "{compared:#?}");
    copy.confirm().await.unwrap();
    compared
}

fn clock() -> Clock {
    Clock::fixed("2026-11-22T08:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn every_table_of_the_database_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("assay.db");
    sqlite(&path).await.close().await;
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .fetch_all(&raw(&path).await)
    .await
    .unwrap();
    let copied: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    // Of the processes that work on a database, and of its schema.
    let left = BTreeSet::from(["Jobs", "Workers", "_sqlx_migrations", "assay_migrations", "heartbeats"]);
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), copied.union(&left).copied().collect());
}

#[tokio::test]
async fn a_database_copied_to_postgres_and_back_is_the_same_to_the_byte() {
    let Some((stack, postgres, _database)) = databases().await else { return };
    fill(&stack).await;
    let compared = copied(stack.store(), &postgres, "here").await;
    let rows = |name: &str| compared.iter().find(|one| one.table == name).unwrap().source.rows;
    assert!(compared.iter().all(|one| one.source.rows > 0), "nothing of it was tried: {compared:#?}");
    assert_eq!((rows("reports"), rows("bodies"), rows("superseded_bodies")), (34, 32, 2));
    assert_eq!(compared.iter().map(|one| one.nul_texts).sum::<u64>(), 2);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("assay.db");
    let back = sqlite(&path).await;
    assert_eq!(copied(&postgres, &back, "there").await.iter().map(|one| one.nul_texts).sum::<u64>(), 0);
    let raw = raw(&file(&stack)).await;
    for sql in [
        "UPDATE testers SET name = 'Bo' || char(65533) || 'b' WHERE identity LIKE 'bob@%'",
        "UPDATE attempts SET text = char(65533) || 'x' WHERE attempt = 1 AND group_number = 1",
    ] {
        assert_eq!(sqlx::query(sql).execute(&raw).await.unwrap().rows_affected(), 1, "{sql}");
    }
    assert_eq!(content(&path).await, content(&file(&stack)).await);
}

#[tokio::test]
async fn a_mirror_goes_on_from_its_cursor_on_the_copy_which_takes_in_and_numbers_on() {
    let Some((stack, postgres, _database)) = databases().await else { return };
    fill(&stack).await;
    let (mut whole, mut moved) = (Mirror::default(), Mirror::default());
    moved.follow(stack.store(), 20).await;
    assert!(moved.cursor > 0 && moved.cursor < stack.store().head().await.unwrap());
    copied(stack.store(), &postgres, "here").await;

    let process = Process { store: postgres.clone(), ..stack.process.clone() };
    let acceptor =
        Acceptor::start(postgres.clone(), process.clock.clone(), process.events.clone(), Measures::new(), 256);
    let new = stack.submission(&id(60), &report("Foo-Baz", "4.0", "pass", "5.36.0", "linux"), "Ann").await;
    assert_eq!(acceptor.accept(new).await.unwrap(), Acceptance::Accepted);
    // The report that waited when the copy was made is processed as well.
    for group in postgres.open_groups(10).await.unwrap() {
        process.process(group, "test").await.unwrap();
    }
    let number = postgres.report(id(60).parse().unwrap()).await.unwrap().unwrap().number;
    assert_eq!(number, stack.store().last_report().await.unwrap() + 1);

    whole.follow_to_the_end(&postgres, 7).await;
    moved.follow_to_the_end(&postgres, 7).await;
    assert_eq!((&moved.documents, &moved.summaries), (&whole.documents, &whole.summaries));
    assert!(whole.documents.contains_key(&id(41)) && whole.documents.contains_key(&id(60)));
}

#[tokio::test]
async fn a_copy_stopped_at_any_page_goes_on_there_and_a_finished_one_does_nothing() {
    let Some((stack, postgres, _database)) = databases().await else { return };
    fill(&stack).await;
    let mut runs = 0;
    loop {
        runs += 1;
        let mut copy = Copy::begin(stack.store(), &postgres, "here", clock()).await.unwrap();
        let (stop, mut pages) = (Notify::new(), 0);
        let told = |_| {
            pages += 1;
            if pages == 3 {
                stop.notify_one();
            }
        };
        tokio::select! {
            biased;
            done = copy.run(told) => {
                done.unwrap();
                break;
            }
            // As a kill would: in the middle of whatever comes next.
            () = stop.notified() => {}
        }
    }
    assert!(runs > 8, "{runs}");
    let compared = copy::compare(stack.store(), &postgres, |_| {}).await.unwrap();
    assert!(compared.iter().all(Compared::equal), "{compared:#?}");

    let mut again = Copy::begin(stack.store(), &postgres, "here", clock()).await.unwrap();
    let rows = again.record().rows;
    assert_eq!(rows, again.total());
    again.run(|_| panic!("there is nothing left to copy")).await.unwrap();
    assert_eq!(again.record().rows, rows);
}

#[tokio::test]
async fn a_target_that_holds_something_else_and_a_source_that_has_changed_are_refused() {
    let Some((stack, postgres, _database)) = databases().await else { return };
    fill(&stack).await;
    let refused = async |source: &Store, target: &Store, from: &str| {
        let Err(error) = Copy::begin(source, target, from, clock()).await else { panic!("it is not refused") };
        error
    };
    let directory = tempfile::tempdir().unwrap();
    let other = sqlite(&directory.path().join("other.db")).await;
    let error = refused(&other, stack.store(), "other").await;
    assert!(matches!(&error, CopyError::Occupied(found) if found.contains("34 rows of reports")), "{error}");
    assert_eq!(stack.store().copy_record().await.unwrap(), None);

    drop(Copy::begin(stack.store(), &postgres, "here", clock()).await.unwrap());
    let error = refused(&other, &postgres, "other").await;
    assert!(matches!(&error, CopyError::OtherSource(found) if found == "here"), "{error}");
    stack.accept(&id(70), &report("Foo-Baz", "5.0", "pass", "5.36.0", "linux"), "Ann").await;
    let error = refused(stack.store(), &postgres, "here").await;
    assert!(matches!(&error, CopyError::Changed(_)), "{error}");
}

#[tokio::test]
async fn a_single_byte_and_a_single_microsecond_are_found_to_differ() {
    let Some((stack, postgres, database)) = databases().await else { return };
    fill(&stack).await;
    copied(stack.store(), &postgres, "here").await;
    let raw = PgPool::connect(database.url()).await.unwrap();
    for (table, damage) in [
        ("bodies", "UPDATE bodies SET body = body || '\\x00' WHERE number = 1"),
        ("reports", "UPDATE reports SET received_at = received_at + interval '1 microsecond' WHERE number = 2"),
        ("releases", "UPDATE releases SET author = '' WHERE number = 1 AND author IS NULL"),
        ("settings", "DELETE FROM settings WHERE name <> 'copy'"),
        ("counters", "UPDATE counters SET value = value + 1 WHERE name = 'changes'"),
    ] {
        let before = different(stack.store(), &postgres).await;
        assert!(!before.contains(table));
        assert_eq!(sqlx::query(damage).execute(&raw).await.unwrap().rows_affected(), 1, "{damage}");
        let after = different(stack.store(), &postgres).await;
        assert_eq!(after.difference(&before).collect::<Vec<_>>(), [&table]);
    }
}

async fn different(source: &Store, target: &Store) -> BTreeSet<&'static str> {
    let compared = copy::compare(source, target, |_| {}).await.unwrap();
    compared.iter().filter(|one| !one.equal()).map(|one| one.table).collect()
}
