//! One bad report stands alone: it is rejected or parked with its reason, and the others of its group go through.

use std::sync::Arc;
use std::time::Duration;

use pipeline::accept::Acceptance;
use pipeline::bodies;
use pipeline::jobs::Jobs;
use pipeline::process::{Attempted, Process};
use pipeline::queue::ProcessGroup;
use pipeline::rebuild;
use pipeline::store::{AttemptEnd, Door, GroupNumber, NewReport, Tx};
use schemas::ids::Digest;
use schemas::views::State;
use schemas::views::jobs::FailureClass;

use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report, report_with_text};

fn body(version: &str) -> String {
    report("Foo-Bar", version, "fail", "5.36.0", "linux")
}

/// Reports 0 to `count`, accepted as one group.
async fn group(stack: &Stack, count: usize) -> GroupNumber {
    let mut submissions = Vec::new();
    for number in 0..count {
        submissions.push(stack.submission(&id(number), &body("1.0"), "Ann").await);
    }
    let answers = stack.acceptor.accept_all(submissions).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Acceptance::Accepted));
    // Those that were sent first may have been committed before the others came.
    let groups = stack.open_groups().await;
    let mut tx = stack.store().begin().await.unwrap();
    for other in &groups[1..] {
        for number in 0..count {
            let report = tx.report(id(number).parse().unwrap()).await.unwrap().unwrap();
            if report.group == *other {
                tx.regroup_reports(&[report.number], groups[0]).await.unwrap();
            }
        }
        tx.settle_group(*other, stack.process.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    groups[0]
}

/// What a worker leaves that vanishes in the middle: an attempt without an end.
async fn vanish(stack: &Stack, group: GroupNumber, attempts: usize) {
    for _ in 0..attempts {
        let mut tx = stack.store().begin().await.unwrap();
        tx.begin_attempt(group, "vanished", stack.process.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn states(stack: &Stack, count: usize) -> Vec<State> {
    let mut states = Vec::new();
    for number in 0..count {
        states.push(stack.receipt(&id(number)).await.state);
    }
    states
}

#[tokio::test]
async fn a_report_whose_bytes_are_damaged_is_parked_and_the_others_go_through() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let group = group(&stack, 5).await;
    let nothing = format!("body = {}", raw.bytes(&[0]));
    for (report, damage) in [(1, nothing.as_str()), (2, "dictionary = 77"), (3, "size = 9000000000000000000")] {
        let number = stack.store().report(id(report).parse().unwrap()).await.unwrap().unwrap().number;
        assert_eq!(raw.run(format!("UPDATE bodies SET {damage} WHERE number = {number}")).await, 1);
    }

    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);

    let (processed, parked) = (State::Processed, State::Parked);
    assert_eq!(states(&stack, 5).await, [processed, parked, parked, parked, processed]);
    let reasons = [(1, "could not be unpacked"), (2, "dictionary 77"), (3, "9000000000000000000")];
    for (number, words) in reasons {
        let reason = stack.receipt(&id(number)).await.reason.expect("a reason");
        assert!(reason.starts_with("its stored bytes are damaged: ") && reason.contains(words), "{reason}");
    }
    assert_eq!(documents(&raw).await.len(), 2);
    assert_eq!(stack.store().totals().await.unwrap().fail, 2);
    let measures = &stack.process.measures;
    assert_eq!((measures.processed.get(), measures.rejected.get(), measures.parked.get()), (2, 0, 3));
    assert!(stack.open_groups().await.is_empty());
}

/// A database that was restored from a copy may lack what a report refers to. It is not taken for processed.
#[tokio::test]
async fn a_report_whose_bytes_are_gone_is_parked_and_the_others_go_through() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let group = group(&stack, 3).await;
    raw.plant("DELETE FROM bodies WHERE number = 2").await;
    let mut waiting = vec![group];
    while let Some(group) = waiting.pop() {
        match stack.process.process(group, "test").await {
            Ok(Attempted::Split) => waiting = stack.open_groups().await,
            Ok(_) => {}
            Err(_) => waiting.push(group),
        }
    }
    assert_eq!(states(&stack, 3).await, [State::Processed, State::Parked, State::Processed]);
    assert_eq!(stack.store().totals().await.unwrap().fail, 2);
    assert!(stack.open_groups().await.is_empty());
}

#[tokio::test]
async fn a_rejected_report_that_can_be_read_again_is_counted_by_a_rebuild() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let group = group(&stack, 2).await;
    let kept: Vec<u8> = raw.value("SELECT body FROM bodies WHERE number = 1").await;
    stack.process.process(group, "test").await.unwrap();
    let nothing = raw.bytes(&[0]);
    raw.run(format!("UPDATE bodies SET body = {nothing} WHERE number = 1")).await;
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(states(&stack, 2).await, [State::Rejected, State::Processed]);

    raw.run(format!("UPDATE bodies SET body = {} WHERE number = 1", raw.bytes(&kept))).await;
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(states(&stack, 2).await, [State::Processed, State::Processed]);
    assert_eq!(stack.receipt(&id(0)).await.reason, None);
    assert_eq!(documents(&raw).await.len(), 2);

    raw.run(format!("UPDATE bodies SET body = {nothing} WHERE number = 2")).await;
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(states(&stack, 2).await, [State::Processed, State::Rejected]);
    assert!(stack.receipt(&id(1)).await.reason.is_some());
    assert_eq!(stack.store().totals().await.unwrap().fail, 1);
}

#[tokio::test]
async fn a_group_whose_workers_vanish_is_cut_up_and_its_reports_go_through_alone() {
    let stack = Stack::new().await;
    let group = group(&stack, 3).await;
    vanish(&stack, group, 2).await;
    assert_eq!(states(&stack, 3).await, [State::Processing; 3]);
    let receipt = stack.receipt(&id(0)).await;
    assert_eq!(receipt.attempts.len(), 2);
    assert_eq!((receipt.attempts[1].worker.as_str(), receipt.attempts[1].ended_at), ("vanished", None));
    vanish(&stack, group, 1).await;
    let received_at = stack.process.clock.now();
    stack.process.clock.advance(chrono::TimeDelta::hours(1));

    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Split);
    let alone = stack.open_groups().await;
    assert_eq!(alone.len(), 3);
    assert!(!alone.contains(&group));
    let jobs = stack.jobs().await;
    assert!(jobs >= 4, "{jobs} jobs");
    // Nothing has become fresher by that.
    let freshness = stack.store().freshness(stack.process.clock.now()).await.unwrap();
    assert_eq!((freshness.waiting, freshness.fresh_at), (3, received_at));

    for group in &alone {
        assert_eq!(stack.process.process(*group, "test").await.unwrap(), Attempted::Done);
    }
    assert_eq!(states(&stack, 3).await, [State::Processed; 3]);
    // The receipt of each tells what was tried before it was cut off, too.
    for (number, own) in alone.iter().enumerate() {
        let attempts = stack.receipt(&id(number)).await.attempts;
        let reasons: Vec<_> = attempts.iter().map(|attempt| attempt.reason.as_deref()).collect();
        let vanished = Some("worker_vanished");
        assert_eq!(reasons, [vanished, vanished, vanished, Some("cut_up"), None]);
        assert!(attempts[..4].iter().all(|attempt| attempt.job == group.0));
        assert_eq!((attempts[4].job, attempts[4].attempt), (own.0, 1));
        assert_eq!((attempts[4].outcome.as_deref(), attempts[4].class), (Some("done"), None));
    }
    assert_eq!(stack.store().totals().await.unwrap().fail, 3);
}

#[tokio::test]
async fn a_report_that_stands_alone_and_fails_too_often_is_parked() {
    let stack = Stack::new().await;
    let group = group(&stack, 1).await;
    vanish(&stack, group, 5).await;
    assert_eq!(states(&stack, 1).await, [State::Processing]);
    vanish(&stack, group, 1).await;
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Parked);

    let receipt = stack.receipt(&id(0)).await;
    assert_eq!(receipt.state, State::Parked);
    let reason = receipt.reason.expect("a reason");
    assert!(reason.contains("failed 6 times"), "{reason}");
    assert_eq!(receipt.attempts.len(), 7);
    assert!(reason.contains("its worker is gone"), "{reason}");
    for vanished in &receipt.attempts[..6] {
        assert_eq!(
            (vanished.class, vanished.reason.as_deref()),
            (Some(FailureClass::Transient), Some("worker_vanished"))
        );
        assert!(vanished.ended_at.is_some());
    }
    let last = &receipt.attempts[6];
    assert_eq!((last.outcome.as_deref(), last.class), (Some("failed"), Some(FailureClass::Poison)));
    assert_eq!(last.reason.as_deref(), Some("parked"));
    assert!(stack.open_groups().await.is_empty());
    assert_eq!(stack.process.measures.parked.get(), 1);
    // A correction takes it up again.
    assert_eq!(stack.accept(&id(0), &body("1.1"), "Ann").await, Acceptance::Corrected { revision: 2 });
    stack.work_off().await;
    assert_eq!(states(&stack, 1).await, [State::Processed]);
}

#[tokio::test]
async fn a_correction_that_is_parked_takes_what_it_corrects_out_of_the_counts() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    for number in 0..3 {
        stack.accept(&id(number), &body("1.0"), "Ann").await;
    }
    stack.work_off().await;
    assert_eq!(stack.store().totals().await.unwrap().fail, 3);
    let orders = Jobs {
        store: stack.process.store.clone(),
        clock: stack.process.clock.clone(),
        events: stack.process.events.clone(),
    };
    // One by itself, one by an operator.
    for number in 0..2 {
        stack.accept(&id(number), &body("1.1"), "Ann").await;
        let group = stack.open_groups().await[0];
        if number == 0 {
            vanish(&stack, group, 6).await;
            assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Parked);
        } else {
            assert_eq!(orders.park(group, "for a test").await.unwrap(), 1);
        }
    }
    let (processed, parked) = (State::Processed, State::Parked);
    assert_eq!(states(&stack, 3).await, [parked, parked, processed]);
    let before = AllCounts::stored(&raw).await;
    assert_eq!(before, AllCounts::of(documents(&raw).await.values(), |_| (false, false)));
    assert_eq!(stack.store().totals().await.unwrap().fail, 1);
    rebuild::clear(&stack.process).await.unwrap();
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(AllCounts::stored(&raw).await, before, "a rebuild counts the same");

    // Tried again, both are counted as corrected.
    orders.retry_all().await.unwrap();
    stack.work_off().await;
    assert_eq!(states(&stack, 3).await, [processed; 3]);
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::of(documents(&raw).await.values(), |_| (false, false)));
    assert_eq!(documents(&raw).await[&id(0)]["version"], "1.1");
}

#[tokio::test]
async fn six_attempts_are_not_yet_too_many() {
    let stack = Stack::new().await;
    let group = group(&stack, 1).await;
    vanish(&stack, group, 5).await;
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);
    assert_eq!(stack.receipt(&id(0)).await.attempts.len(), 6);
}

/// The database refuses the row of one report: its group is cut up, it alone is parked, the others are counted.
#[tokio::test]
async fn a_report_the_database_refuses_is_found_and_parked_alone() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    let group = group(&stack, 4).await;
    raw.refuse("extracts", "new.number = 3").await;
    for _ in 0..3 {
        stack.process.process(group, "test").await.unwrap_err();
        assert_eq!(AllCounts::stored(&raw).await, AllCounts::default(), "a failed attempt left something");
    }
    let attempts = stack.receipt(&id(0)).await.attempts;
    assert_eq!(attempts.len(), 3);
    assert_eq!((attempts[2].outcome.as_deref(), attempts[2].class), (Some("failed"), Some(FailureClass::Permanent)));
    assert_eq!(attempts[2].reason.as_deref(), Some("database_refused"));
    assert!(attempts[2].text.as_deref().is_some_and(|text| text.contains("refused for a test")), "{attempts:?}");
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Split);

    let mut parked = 0;
    for group in stack.open_groups().await {
        for attempt in 1.. {
            match stack.process.process(group, "test").await {
                Ok(Attempted::Parked) => parked += attempt,
                Ok(ended) => assert_eq!((ended, attempt), (Attempted::Done, 1)),
                Err(_) => continue,
            }
            break;
        }
    }
    assert_eq!(parked, 7, "one report was parked, at its seventh attempt");
    let (processed, parked) = (State::Processed, State::Parked);
    assert_eq!(states(&stack, 4).await, [processed, processed, parked, processed]);
    assert_eq!(stack.store().totals().await.unwrap().fail, 3);
}

#[tokio::test]
async fn groups_processed_together_fail_together_and_go_through_one_by_one() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    for number in 0..3 {
        stack.accept(&id(number), &body("1.0"), "Ann").await;
    }
    let groups = stack.open_groups().await;
    assert_eq!(groups.len(), 3);
    raw.refuse("extracts", "new.number = 2").await;
    stack.process.process_together(&groups, "test").await.unwrap_err();
    assert_eq!(AllCounts::stored(&raw).await, AllCounts::default(), "a failed attempt left something");
    for number in 0..3 {
        let attempts = stack.receipt(&id(number)).await.attempts;
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].class, Some(FailureClass::Permanent));
    }
    // Nobody takes up together what has failed before.
    stack.process.process_together(&groups, "test").await.unwrap();
    assert_eq!(stack.open_groups().await, groups);
    for (index, group) in groups.into_iter().enumerate() {
        assert_eq!(stack.process.process(group, "test").await.is_ok(), index != 1);
    }
    assert_eq!(states(&stack, 3).await, [State::Processed, State::Accepted, State::Processed]);
    assert_eq!(stack.receipt(&id(0)).await.attempts.len(), 2);
}

#[tokio::test]
async fn attempts_that_failed_for_want_of_the_database_park_nothing() {
    let stack = Stack::new().await;
    let group = group(&stack, 2).await;
    for _ in 0..20 {
        let mut tx = stack.store().begin().await.unwrap();
        let now = stack.process.clock.now();
        let attempt = tx.begin_attempt(group, "unlucky", now).await.unwrap();
        let end = AttemptEnd::Failed { class: FailureClass::Transient, reason: "disk_full", text: "the disk was full" };
        tx.end_attempts(&[(group, attempt)], now, end).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(stack.process.process(group, "test").await.unwrap(), Attempted::Done);
    assert_eq!(stack.receipt(&id(0)).await.attempts.len(), 21);
}

/// Corrects report 0 within a transaction, as `accept` does.
async fn correct(stack: &Stack, tx: &mut Tx, body: &str) -> GroupNumber {
    let stored = tx.report(id(0).parse().unwrap()).await.unwrap().unwrap();
    let now = stack.process.clock.now();
    let group = tx.open_group(1, now).await.unwrap();
    let new = NewReport {
        id: stored.id,
        digest: Digest::of(body.as_bytes()),
        door: Door::V4,
        tester: stored.tester,
        received_at: now,
        body: bodies::pack(body.as_bytes()),
    };
    tx.correct_report(&stored, &new, group).await.unwrap();
    tx.enqueue(&ProcessGroup::new(group)).await.unwrap();
    group
}

/// Starts processing, and gives a transaction that was begun after the group was read and before it is counted.
async fn between_reading_and_counting(
    stack: &Arc<Stack>,
    group: GroupNumber,
) -> (Tx, tokio::task::JoinHandle<Attempted>) {
    // The writer is handed out in turn: now to us, then to the attempt's begin, to us again, and last to the count.
    let first = stack.store().begin().await.unwrap();
    let process: Process = stack.process.clone();
    let running = tokio::spawn(async move { process.process(group, "test").await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = stack.store().clone();
    let second = tokio::spawn(async move { store.begin().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    let between = second.await.unwrap();
    // Time enough to read what it can without the writer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!running.is_finished());
    (between, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_that_comes_between_reading_and_counting_is_not_lost() {
    let stack = Arc::new(Stack::new().await);
    let first = group(&stack, 2).await;
    let (mut tx, running) = between_reading_and_counting(&stack, first).await;
    assert_eq!(stack.process.measures.read_seconds.get_sample_count(), 1, "the group was read before");
    let second = correct(&stack, &mut tx, &body("1.1")).await;
    tx.commit().await.unwrap();

    assert_eq!(running.await.unwrap(), Attempted::Done);
    assert_eq!(states(&stack, 2).await, [State::Accepted, State::Processed]);
    assert_eq!(stack.open_groups().await, [second]);
    stack.work_off().await;
    let counted = AllCounts::stored(&stack.raw().await).await;
    let versions: Vec<(&str, i64)> =
        counted.summaries.iter().map(|(key, counts)| (key[1].as_str(), counts.fail)).collect();
    assert_eq!(versions, [("1.0", 1), ("1.1", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_that_comes_while_its_report_is_being_parked_or_cut_off_is_not_lost() {
    // With nothing left in it, the group has nothing to park either.
    for (reports, attempts, ended) in [(1, 6, Attempted::Done), (3, 3, Attempted::Split)] {
        let stack = Arc::new(Stack::new().await);
        let first = group(&stack, reports).await;
        vanish(&stack, first, attempts).await;
        let (mut tx, running) = between_reading_and_counting(&stack, first).await;
        let second = correct(&stack, &mut tx, &body("1.1")).await;
        tx.commit().await.unwrap();

        assert_eq!(running.await.unwrap(), ended);
        assert_eq!(stack.receipt(&id(0)).await.state, State::Accepted);
        let report = stack.store().report(id(0).parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(report.group, second, "the correction stays in its own group");
        stack.work_off().await;
        assert_eq!(states(&stack, reports).await, vec![State::Processed; reports]);
        let document = &documents(&stack.raw().await).await[&id(0)];
        assert_eq!(document["version"], "1.1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_counted_while_a_rebuild_reads_is_not_lost() {
    let stack = Stack::new().await;
    // Enough text that the rebuild is still reading when the correction has gone through.
    let text = "t/00-load.t .. ok\n# a line like any other\n".repeat(20_000);
    for number in 0..40 {
        let body = report_with_text("Foo-Bar", "1.0", "fail", "5.36.0", "linux", &text);
        stack.accept(&id(number), &body, "Ann").await;
    }
    stack.work_off().await;
    let process = stack.process.clone();
    let running = tokio::spawn(async move { rebuild::rebuild(&process, 0, |_| ()).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stack.accept(&id(0), &body("1.1"), "Ann").await;
    stack.work_off().await;
    assert!(!running.is_finished(), "the rebuild was too fast for this test");
    let progress = running.await.unwrap();
    assert_eq!((progress.reports, progress.changed), (40, 0));
    assert_eq!(documents(&stack.raw().await).await[&id(0)]["version"], "1.1");
}
