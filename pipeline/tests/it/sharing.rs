//! Processes that share a PostgreSQL database: work is shared and counted once, whoever vanishes is taken over, and
//! what is in each other's way gives way.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::accept::{Acceptance, Acceptor};
use pipeline::clock::Clock;
use pipeline::fsck::{self, fsck};
use pipeline::jobs::Jobs;
use pipeline::process::Attempted;
use pipeline::queue::Gate;
use pipeline::rebuild;
use pipeline::store::{Door, Store};
use pipeline::submission::Submission;
use schemas::views::State;
use sqlx::PgPool;

use crate::mirror::Mirror;
use crate::queue::{PATIENCE, Running, eventually};
use crate::raw::Raw;
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report, report_with_text};

fn body(version: &str) -> String {
    report("Foo-Bar", version, "fail", "5.36.0", "linux")
}

async fn accept(stack: &Stack, numbers: std::ops::Range<usize>) {
    let mut submissions = Vec::new();
    for number in numbers {
        submissions.push(stack.submission(&id(number), &body(&format!("1.{}", number % 3)), "Ann").await);
    }
    let answers = stack.acceptor.accept_all(submissions).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Acceptance::Accepted));
}

async fn counted(stack: &Stack) -> i64 {
    stack.store().totals().await.unwrap().total()
}

/// Takes in what another process would, with a store of its own.
async fn other_acceptor(stack: &Stack) -> Acceptor {
    let process = stack.other_process().await;
    Acceptor::start(process.store, process.clock, process.events, process.measures, 4)
}

fn pool(raw: &Raw) -> &PgPool {
    match raw {
        Raw::Postgres(pool) => pool,
        Raw::Sqlite(_) => unreachable!("the stack is shared"),
    }
}

/// Waits until somebody waits for a lock in the database.
async fn somebody_waits(raw: &Raw) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for a lock", async || raw.value::<i64>(waiting).await > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_work_and_count_nothing_twice() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let (one, two) = (stack.other_process().await, stack.other_process().await);
    let gate = Gate::new(2);
    let workers = [Running::with(one.clone(), "one", &gate).await, Running::with(two.clone(), "two", &gate).await];
    assert_eq!(stack.store().living_workers().await.unwrap(), ["one", "two"]);
    let mut sent = 0;
    let named = async || -> BTreeSet<String> {
        raw.values("SELECT DISTINCT worker FROM attempts WHERE outcome = 'done'").await.into_iter().collect()
    };
    // Who fetches first is left to chance, so there is work until both have had some.
    while sent < 200 || named().await.len() < 2 {
        assert!(sent < 20_000, "only {:?} did anything", named().await);
        accept(&stack, sent..sent + 20).await;
        sent += 20;
    }
    eventually("all reports counted", async || counted(&stack).await == sent as i64).await;
    for worker in workers {
        worker.stop(PATIENCE).await;
    }
    assert_eq!(stack.store().living_workers().await.unwrap(), [""; 0], "who stops says so");
    assert_eq!(one.measures.processed.get() + two.measures.processed.get(), sent as u64, "no report was settled twice");
    let documents = documents(&raw).await;
    assert_eq!(documents.len(), sent);
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
    let twice = "SELECT group_number FROM attempts WHERE outcome = 'done' GROUP BY group_number HAVING count(*) > 1";
    assert_eq!(raw.values::<i64>(twice).await, [0; 0]);
    assert!(stack.open_groups().await.is_empty());
}

/// Groups have releases, cells and testers in common, and each round brings releases that nobody knows yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_count_at_the_same_time_and_nobody_is_ended_for_another() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let senders = [other_acceptor(&stack).await, other_acceptor(&stack).await];
    let processes = futures::future::join_all((0..4).map(|_| stack.other_process())).await;
    let (rounds, reports) = (12, 40);
    for round in 0..rounds {
        for number in 0..reports {
            let version = format!("{round}.{}", number % 5);
            let platform = ["linux", "freebsd"][number % 2];
            let body = report("Foo-Bar", &version, ["pass", "fail"][number / 2 % 2], "5.36.0", platform);
            let tester = ["Ann", "Bob", "Cid"][number % 3];
            let submission = stack.submission(&id(round * reports + number), &body, tester).await;
            senders[number % 2].accept(submission).await.unwrap();
        }
        let groups = stack.open_groups().await;
        // The same groups to all, in different orders.
        let working = processes.iter().enumerate().map(|(place, process)| {
            let (process, worker) = (process.clone(), format!("worker {place}"));
            let mut groups = groups.clone();
            let turn = place * groups.len() / 4;
            groups.rotate_left(turn);
            tokio::spawn(async move {
                for together in groups.chunks(5) {
                    process.process_together(together, &worker).await.unwrap();
                }
            })
        });
        for worked in working.collect::<Vec<_>>() {
            worked.await.unwrap();
        }
        assert!(stack.open_groups().await.is_empty());
    }
    let documents = documents(&raw).await;
    assert_eq!(documents.len(), rounds * reports);
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
    let processed: u64 = processes.iter().map(|process| process.measures.processed.get()).sum();
    assert_eq!(processed, (rounds * reports) as u64, "no report was settled twice");
    let shares = processes.iter().filter(|process| process.measures.processed.get() > 0).count();
    assert!(shares > 1, "one did it all");
    let outcomes = "SELECT DISTINCT outcome FROM attempts";
    assert_eq!(raw.values::<String>(outcomes).await, ["done"]);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(raw.value::<i64>(deadlocks).await, 0);
    let mut mirror = Mirror::default();
    mirror.follow_to_the_end(stack.store(), 7).await;
    assert_eq!(mirror.documents, documents);
    assert_eq!(mirror.cursor, stack.store().head().await.unwrap());
}

/// One that has its change numbers holds up another only at its own: what is read and settled goes on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_counts_waits_for_another_only_where_the_change_numbers_begin() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    for number in 0..2 {
        stack.accept(&id(number), &body("1.0"), "Ann").await;
    }
    let groups = stack.open_groups().await;
    let mut first = stack.store().begin_counting().await.unwrap();
    assert_eq!(first.settle_reports(&groups[..1]).await.unwrap().len(), 1);
    first.take_changes(1).await.unwrap();
    let (process, group) = (stack.other_process().await, groups[1]);
    let counting = tokio::spawn(async move { process.process(group, "two").await.unwrap() });
    let waits = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the other has come to its change numbers", async || {
        raw.values::<String>(waits).await.iter().any(|query| query.starts_with("UPDATE counters"))
    })
    .await;
    // Whoever moves rows in another order waits for both.
    let moving = tokio::spawn({
        let store = stack.other_store().await;
        async move { store.begin_processing().await.unwrap().commit().await.unwrap() }
    });
    eventually("the mover waits", async || {
        raw.values::<String>(waits).await.iter().any(|query| query.contains("pg_advisory_xact_lock("))
    })
    .await;
    assert!(!counting.is_finished() && !moving.is_finished());
    drop(first);
    assert_eq!(counting.await.unwrap(), Attempted::Done);
    moving.await.unwrap();
    assert_eq!(stack.store().head().await.unwrap(), 2, "the numbers of the one that was given up are given again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_vanished_worker_had_in_hand_is_taken_over_once_it_is_taken_for_gone() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    // It has fetched the job, begun, and shown that it is alive a moment ago.
    let gone = stack.other_store().await;
    gone.note_worker("gone").await.unwrap();
    stack.let_fetch("gone").await;
    let mut tx = gone.begin_processing().await.unwrap();
    tx.begin_attempt(group, "gone", stack.process.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    gone.close().await;

    let process = stack.other_process().await;
    assert_eq!(process.process(group, "two").await.unwrap(), Attempted::Elsewhere);
    let worker = Running::with(process.clone(), "two", &Gate::new(2)).await;
    // Long enough that it has looked for lost work at least once; its job is queued again and left alone.
    stack.pass_lease().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let receipt = stack.receipt(&id(0)).await;
    assert_eq!((receipt.state, receipt.attempts.len()), (State::Processing, 1), "{receipt:?}");
    assert_eq!(process.store.living_workers().await.unwrap(), ["gone", "two"]);

    raw.run("UPDATE heartbeats SET seen_at = seen_at - 30 WHERE worker = 'gone'").await;
    stack.pass_lease().await;
    eventually("the report counted", async || counted(&stack).await == 1).await;
    worker.stop(PATIENCE).await;
    let attempts = stack.receipt(&id(0)).await.attempts;
    let told: Vec<_> = attempts.iter().map(|one| (one.worker.as_str(), one.reason.as_deref())).collect();
    assert_eq!(told, [("gone", Some("worker_vanished")), ("two", None)]);
    assert_eq!(attempts[1].outcome.as_deref(), Some("done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_and_groups_of_a_worker_that_lives_are_left_alone_when_another_starts() {
    let Some(stack) = Stack::shared().await else { return };
    accept(&stack, 0..1).await;
    let group = stack.open_groups().await[0];
    for (worker, alive) in [("living", true), ("gone", false)] {
        if alive {
            stack.store().note_worker(worker).await.unwrap();
        }
        let mut tx = stack.store().begin_processing().await.unwrap();
        tx.begin_attempt(group, worker, stack.process.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    let worker = Running::with(stack.other_process().await, "two", &Gate::new(0)).await;
    let attempts = stack.receipt(&id(0)).await.attempts;
    let ended: Vec<_> = attempts.iter().map(|one| (one.worker.as_str(), one.ended_at.is_some())).collect();
    assert_eq!(ended, [("living", false), ("gone", true)]);
    worker.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_gives_back_what_it_had_fetched_and_not_begun() {
    let Some(stack) = Stack::shared().await else { return };
    accept(&stack, 0..20).await;
    let gate = Gate::new(1);
    let held = Running::with(stack.other_process().await, "one", &gate).await;
    eventually("all jobs fetched or done", async || stack.fetched_jobs().await == 0 && counted(&stack).await == 20)
        .await;
    gate.resize(0);
    accept(&stack, 20..40).await;
    stack.let_fetch("one").await;
    assert!(stack.fetched_jobs().await > 0);
    held.stop(PATIENCE).await;
    assert_eq!(stack.fetched_jobs().await, 0, "nothing is left with who is gone");
    assert!(!stack.open_groups().await.is_empty());

    let worker = Running::with(stack.other_process().await, "two", &Gate::new(2)).await;
    eventually("all reports counted", async || counted(&stack).await == 40).await;
    worker.stop(PATIENCE).await;
}

/// The older revision has been read and waits to be counted while its correction arrives elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_waits_for_the_older_revision_to_be_counted_and_then_takes_its_place() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    stack.accept(&id(0), &body("1.0"), "Ann").await;
    let first = stack.open_groups().await[0];
    let mut tx = stack.store().begin_processing().await.unwrap();
    assert_eq!(tx.accepted_reports(first).await.unwrap().len(), 1);
    let elsewhere = other_acceptor(&stack).await;
    let correction = stack.submission(&id(0), &body("1.1"), "Ann").await;
    let correcting = tokio::spawn(async move { elsewhere.accept(correction).await.unwrap() });
    somebody_waits(&raw).await;
    assert!(!correcting.is_finished());
    // As the end of processing does.
    tx.settle_reports(&[first]).await.unwrap();
    tx.settle_groups(&[first], stack.process.clock.now()).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(correcting.await.unwrap(), Acceptance::Corrected { revision: 2 });
    assert_eq!(stack.receipt(&id(0)).await.state, State::Accepted);
    stack.work_off().await;
    assert_eq!(documents(&raw).await[&id(0)]["version"], "1.1");
    assert_eq!(counted(&stack).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_revisions_that_are_sent_and_processed_at_the_same_time_the_newest_counts() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let senders = [other_acceptor(&stack).await, other_acceptor(&stack).await];
    let processes = [stack.other_process().await, stack.other_process().await];
    let mut newest = [0; 3];
    for round in 1..=40 {
        let mut sending = Vec::new();
        for (number, newest) in newest.iter_mut().enumerate() {
            *newest = round;
            let submission = stack.submission(&id(number), &body(&format!("1.{round}")), "Ann").await;
            let sender = senders[(round + number) % 2].clone();
            sending.push(tokio::spawn(async move { sender.accept(submission).await.unwrap() }));
        }
        let working = processes.clone().map(|process| {
            tokio::spawn(async move {
                for group in process.store.open_groups(3).await.unwrap() {
                    // A failed attempt leaves the group open; at the end, none may be.
                    drop(process.process(group, "test").await);
                }
            })
        });
        for sent in sending {
            let revision = i64::try_from(round).unwrap();
            let expected = if round == 1 { Acceptance::Accepted } else { Acceptance::Corrected { revision } };
            assert_eq!(sent.await.unwrap(), expected);
        }
        for worked in working {
            worked.await.unwrap();
        }
    }
    stack.work_off().await;
    let documents = documents(&raw).await;
    for (number, newest) in newest.iter().enumerate() {
        assert_eq!(documents[&id(number)]["version"], format!("1.{newest}"));
        assert_eq!(stack.receipt(&id(number)).await.revision, *newest as i64);
    }
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents.values(), |_| (false, false)));
    let clean = fsck(&stack.process, &fsck::Order { deep: true, ..fsck::Order::default() }, |_| ()).await;
    let faults: Vec<_> = clean.checks.iter().filter(|check| check.name != fsck::Check::Jobs).collect();
    assert!(faults.iter().all(|check| check.faults == 0 && check.failure.is_none()), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_ended_for_a_deadlock_is_committed_by_another_try() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    stack.accept(&id(0), &body("1.0"), "Ann").await;
    stack.work_off().await;
    // The one that looks for a deadlock is the one that is ended. Those who connect from now on look after a while,
    // and the one below only when the test has failed.
    let name: String = raw.value("SELECT current_database()::text").await;
    raw.run(format!("ALTER DATABASE {name} SET deadlock_timeout = '3s'")).await;
    let mut other = pool(&raw).begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL deadlock_timeout = '60s'").execute(&mut *other).await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM reports FOR UPDATE").execute(&mut *other).await.unwrap();
    let elsewhere = other_acceptor(&stack).await;
    let (new, correction) =
        (stack.submission(&id(1), &body("1.0"), "Ann").await, stack.submission(&id(0), &body("1.1"), "Ann").await);
    let accepting = tokio::spawn(async move { elsewhere.accept_all(vec![new, correction]).await.unwrap() });
    somebody_waits(&raw).await;
    // What the intake holds: it waits for the row, and the row's holder for it.
    let intake = "SELECT pg_advisory_xact_lock(1634955129, 1)";
    sqlx::raw_sql(intake).execute(&mut *other).await.expect("the intake is ended, and not this");
    assert!(!accepting.is_finished(), "it tries again");
    other.rollback().await.unwrap();

    assert_eq!(accepting.await.unwrap(), [Acceptance::Accepted, Acceptance::Corrected { revision: 2 }]);
    stack.work_off().await;
    assert_eq!(documents(&raw).await[&id(0)]["version"], "1.1");
    assert_eq!(counted(&stack).await, 2);
}

/// Lets the database end so many transactions that insert a report, as if others had been in their way. Numbers of a
/// sequence stay given, whatever becomes of who took them.
async fn be_in_the_way(raw: &Raw, times: u32) {
    raw.run(format!(
        "CREATE SEQUENCE tries; \
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'in the way' USING ERRCODE = 'serialization_failure'; \
         END IF; RETURN new; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON reports FOR EACH ROW EXECUTE FUNCTION refuse()"
    ))
    .await;
}

#[tokio::test]
async fn a_group_is_tried_three_times_and_then_given_up() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    be_in_the_way(&raw, 2).await;
    assert_eq!(stack.accept(&id(0), &body("1.0"), "Ann").await, Acceptance::Accepted);
    assert_eq!(raw.value::<i64>("SELECT last_value FROM tries").await, 3);
    assert_eq!(stack.open_groups().await.len(), 1, "what was ended left nothing");

    raw.run("ALTER SEQUENCE tries RESTART").await;
    raw.relent("reports").await;
    raw.run("DROP SEQUENCE tries").await;
    be_in_the_way(&raw, 3).await;
    let submission = stack.submission(&id(1), &body("1.0"), "Ann").await;
    let error = stack.acceptor.accept(submission.clone()).await.unwrap_err();
    assert!(format!("{error:?}").contains("in the way"), "{error:?}");
    assert_eq!(raw.value::<i64>("SELECT last_value FROM tries").await, 3);
    assert_eq!(stack.acceptor.accept(submission).await.unwrap(), Acceptance::Accepted);
    stack.work_off().await;
    assert_eq!(counted(&stack).await, 2);
}

/// Who has waited for a lock has to see what was done meanwhile.
#[tokio::test]
async fn an_operators_defaults_weaken_no_promise() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    for (name, value) in [("default_transaction_isolation", "repeatable read"), ("synchronous_commit", "off")] {
        let alter =
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET NAME TO %L', current_database(), 'VALUE'); END $$";
        raw.run(alter.replace("NAME", name).replace("VALUE", value)).await;
    }
    let store = stack.other_store().await;
    let pool = store.postgres_pool().unwrap();
    let show = async |name: &str| -> String {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SHOW {name}"))).fetch_one(pool).await.unwrap()
    };
    assert_eq!(show("transaction_isolation").await, "read committed");
    assert_eq!(show("synchronous_commit").await, "on");
}

/// The time of a change is that of its number, whoever else counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn later_changes_have_later_times() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let mut processes = futures::future::join_all((0..4).map(|_| stack.other_process())).await;
    processes.iter_mut().for_each(|process| process.clock = Clock::System);
    for round in 0..10 {
        accept(&stack, round * 40..(round + 1) * 40).await;
        let groups = stack.open_groups().await;
        let tasks = groups.into_iter().zip(processes.iter().cloned().cycle());
        let tasks = tasks.map(|(group, process)| tokio::spawn(async move { process.process(group, "test").await }));
        for done in futures::future::join_all(tasks).await {
            done.unwrap().unwrap();
        }
    }
    let times: Vec<DateTime<Utc>> = raw.values("SELECT changed_at FROM extracts ORDER BY change_number").await;
    assert_eq!(times.len(), 400);
    assert!(times.is_sorted(), "{times:?}");
}

/// Partitions in which the bytes of reports lie, by the reports' numbers.
async fn places(raw: &Raw, table: &str) -> Vec<(i64, String)> {
    raw.rows(format!("SELECT number, tableoid::regclass::text FROM {table} ORDER BY number")).await
}

async fn partitions(raw: &Raw) -> Vec<String> {
    let partitions = "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
                      WHERE relkind = 'r' ORDER BY 1";
    raw.values(partitions).await
}

#[tokio::test]
async fn bytes_lie_in_the_partition_of_their_month() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let clock = &stack.process.clock;
    let of = |table: &str| ["2026_11", "2026_12", "2027_01", "other"].map(|month| format!("{table}_{month}")).to_vec();
    let (one, other) = (stack.store().clone(), stack.other_store().await);
    let (first, second) = tokio::join!(one.make_months(clock.now()), other.make_months(clock.now()));
    first.unwrap();
    second.unwrap();
    assert_eq!(partitions(&raw).await, [of("bodies"), of("superseded_bodies")].concat());
    stack.store().make_months(clock.now()).await.unwrap();
    assert_eq!(partitions(&raw).await.len(), 8, "twice is as good as once");

    stack.accept(&id(0), &body("1.0"), "Ann").await;
    clock.advance(chrono::TimeDelta::days(20));
    stack.accept(&id(1), &body("1.0"), "Ann").await;
    // Nobody has prepared so far ahead.
    clock.advance(chrono::TimeDelta::days(100));
    stack.accept(&id(2), &body("1.0"), "Ann").await;
    stack.accept(&id(0), &body("1.1"), "Ann").await;
    let lies = |places: &[(i64, &str)]| -> Vec<(i64, String)> {
        places.iter().map(|(number, place)| (*number, (*place).to_owned())).collect()
    };
    let expected = lies(&[(1, "bodies_2026_11"), (2, "bodies_2026_12"), (3, "bodies_other")]);
    assert_eq!(places(&raw, "bodies").await, expected);
    assert_eq!(places(&raw, "superseded_bodies").await, lies(&[(1, "superseded_bodies_2026_11")]));
    // What came before its partition stays where it is, and all others of its month with it.
    stack.store().make_months(clock.now()).await.unwrap();
    stack.accept(&id(3), &body("1.0"), "Ann").await;
    assert!(!partitions(&raw).await.contains(&"bodies_2027_03".to_owned()));
    assert!(partitions(&raw).await.contains(&"bodies_2027_04".to_owned()));
    assert_eq!(places(&raw, "bodies").await[3].1, "bodies_other");
    stack.work_off().await;
    assert_eq!(counted(&stack).await, 4);
    assert_eq!(documents(&raw).await[&id(0)]["version"], "1.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_prepares_the_months_ahead() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    assert_eq!(partitions(&raw).await, ["bodies_other", "superseded_bodies_other"]);
    let worker = Running::with(stack.other_process().await, "one", &Gate::new(1)).await;
    let of = |table: &str| ["2026_11", "2026_12", "2027_01", "other"].map(|month| format!("{table}_{month}")).to_vec();
    assert_eq!(partitions(&raw).await, [of("bodies"), of("superseded_bodies")].concat());
    worker.stop(PATIENCE).await;
}

#[tokio::test]
async fn texts_with_nul_characters_are_stored_without_them_and_bytes_as_they_came() {
    let Some(stack) = Stack::shared().await else { return };
    let raw = stack.raw().await;
    let text = "not ok 1\0\n";
    let sent = report_with_text("Foo-Bar", "1.0", "fail", "5.36.0", "linux", text);
    let tester = stack.tester("A\0nn").await;
    assert_eq!(tester.name, "A\u{fffd}nn");
    assert_eq!(stack.tester("A\0nn").await.number, tester.number, "the same tester again");
    let submission =
        Submission::new(id(0).parse().unwrap(), Door::V4, &tester, Bytes::copy_from_slice(sent.as_bytes()));
    assert_eq!(stack.acceptor.accept(submission).await.unwrap(), Acceptance::Accepted);
    let orders = Jobs {
        store: stack.process.store.clone(),
        clock: stack.process.clock.clone(),
        events: stack.process.events.clone(),
    };
    orders.park(stack.open_groups().await[0], "no\0thing").await.unwrap();
    assert_eq!(stack.receipt(&id(0)).await.reason.as_deref(), Some("parked by an operator: no\u{fffd}thing"));
    orders.retry_all().await.unwrap();
    stack.work_off().await;
    assert_eq!(stack.receipt(&id(0)).await.state, State::Processed);
    assert_eq!(raw.value::<String>("SELECT name FROM testers").await, "A\u{fffd}nn");
    let original = stack.readers.original(id(0).parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(original.bytes, sent.as_bytes());
    assert_eq!(rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap().changed, 0, "read again, it is the same");
    stack.lose_jobs().await;
    let report = fsck(&stack.process, &fsck::Order { deep: true, ..fsck::Order::default() }, |_| ()).await;
    assert!(report.clean, "{report:#?}");
}

#[tokio::test]
async fn times_are_kept_to_the_microsecond_as_sent() {
    let Some(stack) = Stack::shared().await else { return };
    let now: DateTime<Utc> = stack.process.clock.now() + chrono::TimeDelta::microseconds(123_457);
    stack.process.clock.advance(now - stack.process.clock.now());
    stack.accept(&id(0), &body("1.0"), "Ann").await;
    let store: Store = stack.other_store().await;
    assert_eq!(store.report(id(0).parse().unwrap()).await.unwrap().unwrap().received_at, now);
}

#[tokio::test]
async fn whoever_gives_up_beginning_leaves_the_next_no_open_transaction() {
    let Some(stack) = Stack::shared().await else { return };
    let store = stack.store();
    let heads = async || -> BTreeSet<i64> {
        let reading = (0..24).map(|_| store.head());
        futures::future::try_join_all(reading).await.unwrap().into_iter().collect()
    };
    assert_eq!(heads().await, BTreeSet::from([0]), "and there are connections to be had at once");
    for patience in 0..40 {
        given_up(store.snapshot(), patience % 8).await;
        given_up(store.begin_apart(), patience % 8).await;
    }
    assert_eq!(heads().await, BTreeSet::from([0]));
    stack.accept(&id(0), &body("1.0"), "Ann").await;
    stack.work_off().await;
    assert_eq!(heads().await, BTreeSet::from([store.head().await.unwrap()]), "each reader sees what there is now");
    assert!(!heads().await.contains(&0));
    let raw = stack.raw().await;
    let open = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no transaction is left open", async || raw.value::<i64>(open).await == 0).await;
}

/// Polls a future so many times, then drops it, as happens when a request's sender hangs up.
async fn given_up<T>(future: impl Future<Output = T>, patience: u32) {
    let mut future = std::pin::pin!(future);
    let mut left = patience;
    std::future::poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        std::task::Poll::Pending
    })
    .await;
}
