//! A report goes in and comes out as a count, a cell, a row and a change.

use pipeline::accept::Acceptance;
use pipeline::store::Axis;
use schemas::extract::Language;
use schemas::views::State;

use crate::stack::{Stack, id, report};

const ID: &str = "0b45cd74-d944-4999-9c3d-c81021ca3d34";

#[tokio::test]
async fn a_report_becomes_a_count_a_cell_a_row_and_a_change() {
    let stack = Stack::new().await;
    let body = report("Foo-Bar", "1.0", "fail", "5.36.0", "MSWin32");
    assert_eq!(stack.accept(ID, &body, "Ann").await, Acceptance::Accepted);
    let receipt = stack.readers.receipt(ID.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(receipt.state, State::Accepted);

    stack.work_off().await;

    let receipt = stack.readers.receipt(ID.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(receipt.state, State::Processed);
    assert_eq!(receipt.attempts.len(), 1);
    let release = stack.readers.release(Language::Perl, "Foo-Bar", "1.0").await.unwrap().unwrap();
    assert_eq!((release.summary.counts.fail, release.summary.counts.total()), (1, 1));
    assert_eq!(release.testers, 1);
    let axes = [Axis::LanguageVersion, Axis::Os];
    let matrix = stack.readers.matrix(Language::Perl, "Foo-Bar", Some("1.0"), &axes).await.unwrap().unwrap();
    assert_eq!(matrix.cells.len(), 1);
    assert_eq!(matrix.cells[0].os.as_deref(), Some("mswin32"));
    assert_eq!(matrix.cells[0].counts.fail, 1);
    let (changes, head) = stack.store().changes(0, 10).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.number()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(head, 2);
    let original = stack.readers.original(ID.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(original.bytes, body.as_bytes());
}

#[tokio::test]
async fn a_report_sent_twice_is_counted_once_and_corrected_by_its_tester_alone() {
    let stack = Stack::new().await;
    let body = report("Foo-Bar", "1.0", "fail", "5.36.0", "linux");
    assert_eq!(stack.accept(ID, &body, "Ann").await, Acceptance::Accepted);
    assert_eq!(stack.accept(ID, &body, "Ann").await, Acceptance::Duplicate);
    stack.work_off().await;
    assert_eq!(stack.accept(ID, &body, "Ann").await, Acceptance::Duplicate);
    let corrected = report("Foo-Bar", "1.1", "pass", "5.36.0", "linux");
    assert!(matches!(stack.accept(ID, &corrected, "Bob").await, Acceptance::Conflict { .. }));
    assert_eq!(stack.accept(ID, &corrected, "Ann").await, Acceptance::Corrected { revision: 2 });
    stack.work_off().await;

    assert!(stack.readers.release(Language::Perl, "Foo-Bar", "1.0").await.unwrap().is_none());
    let release = stack.readers.release(Language::Perl, "Foo-Bar", "1.1").await.unwrap().unwrap();
    assert_eq!((release.summary.counts.pass, release.summary.counts.total()), (1, 1));
    let totals = stack.store().totals().await.unwrap();
    assert_eq!((totals.pass, totals.fail), (1, 0));
}

#[tokio::test]
async fn a_tester_is_shown_with_what_stands_and_not_with_what_was_removed() {
    let stack = Stack::new().await;
    let tester = stack.tester("Ann").await;
    let mut times = Vec::new();
    for number in 0..3 {
        stack.accept(&id(number), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
        times.push(stack.process.clock.now());
        stack.process.clock.advance(chrono::TimeDelta::hours(1));
    }
    stack.work_off().await;
    for number in [0, 2] {
        stack.accept(&id(number), "no report", "Ann").await;
    }
    stack.work_off().await;

    let shown = stack.readers.tester(&tester.id).await.unwrap().unwrap();
    assert_eq!((shown.counts.total(), shown.recent.len()), (1, 1));
    assert_eq!(shown.recent[0].id, id(1));
    assert_eq!((shown.first_report_at, shown.last_report_at), (Some(times[1]), Some(times[1])));
    let release = stack.readers.release(Language::Perl, "Foo-Bar", "1.0").await.unwrap().unwrap();
    assert_eq!((release.first_report_at, release.last_report_at), (Some(times[1]), Some(times[1])));
    assert_eq!((release.testers, release.summary.counts.fail), (1, 1));
}
