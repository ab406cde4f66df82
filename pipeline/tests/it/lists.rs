//! The contract's lists: nothing twice, nothing left out, and nothing that comes late for readers of ranges.

use chrono::DateTime;
use pipeline::readers::Place;
use pipeline::store::GroupNumber;
use schemas::extract::Language;
use schemas::feeds::Listed;

use crate::stack::{Stack, id, report};

async fn accept(stack: &Stack, number: usize, body: &str) {
    stack.accept(&id(number), body, "Ann").await;
}

fn numbers(rows: &[Listed]) -> Vec<i64> {
    rows.iter().map(|row| row.result.number).collect()
}

/// Reports in a range, by number.
async fn range(stack: &Stack) -> Vec<i64> {
    numbers(&stack.readers.range(1, i64::MAX, 100, false).await.unwrap())
}

async fn process(stack: &Stack, group: GroupNumber) {
    stack.process.process(group, "test").await.unwrap();
}

#[tokio::test]
async fn a_range_ends_before_the_oldest_report_that_waits() {
    let stack = Stack::new().await;
    let body = report("Foo-Bar", "1.0", "pass", "5.36.0", "linux");
    for number in 0..4 {
        accept(&stack, number, &body).await;
    }
    let groups = stack.open_groups().await;
    assert_eq!(groups.len(), 4);
    assert_eq!(range(&stack).await, Vec::<i64>::new());
    process(&stack, groups[0]).await;
    process(&stack, groups[3]).await;
    assert_eq!(range(&stack).await, [1], "4 is processed, 2 and 3 are still to come");
    assert_eq!(numbers(&stack.readers.range_up_to(4, 100, false).await.unwrap()), [1]);
    process(&stack, groups[2]).await;
    assert_eq!(range(&stack).await, [1]);
    process(&stack, groups[1]).await;
    assert_eq!(range(&stack).await, [1, 2, 3, 4]);
    assert_eq!(numbers(&stack.readers.range_up_to(3, 2, false).await.unwrap()), [2, 3]);
    assert_eq!(numbers(&stack.readers.newest(3).await.unwrap()), [4, 3, 2]);
}

#[tokio::test]
async fn a_correction_that_waits_holds_up_nothing() {
    let stack = Stack::new().await;
    accept(&stack, 0, &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux")).await;
    accept(&stack, 1, &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux")).await;
    stack.work_off().await;
    accept(&stack, 0, &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux")).await;
    assert_eq!(stack.open_groups().await.len(), 1);
    assert_eq!(range(&stack).await, [1, 2]);
}

#[tokio::test]
async fn raku_is_in_no_range() {
    let stack = Stack::new().await;
    let raku = report("JSON::Name", "0.0.7", "pass", "v6.d", "linux").replace("Perl 5", "Perl 6");
    accept(&stack, 0, &raku).await;
    accept(&stack, 1, &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux")).await;
    stack.work_off().await;
    assert_eq!(range(&stack).await, [2]);
    assert_eq!(numbers(&stack.readers.newest(10).await.unwrap()), [2]);
    let day = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap();
    let on = stack.store().numbers_received(day("2026-11-21T00:00:00Z"), day("2026-11-22T00:00:00Z")).await.unwrap();
    assert_eq!(on, [2]);
    let before =
        stack.store().numbers_received(day("2026-11-20T00:00:00Z"), day("2026-11-21T08:00:00Z")).await.unwrap();
    assert_eq!(before, Vec::<i64>::new());
}

#[tokio::test]
async fn a_list_read_in_pieces_of_any_size_has_each_report_once() {
    let stack = Stack::new().await;
    let versions = ["1.0", "1.2", "1.1", "1.0", "1.2", "1.0", "0.9"];
    for (number, version) in versions.into_iter().enumerate() {
        let grade = if number % 2 == 0 { "pass" } else { "fail" };
        accept(&stack, number, &report("Foo-Bar", version, grade, "5.36.0", "linux")).await;
    }
    stack.work_off().await;
    let mut selection = stack.readers.whole_distribution(Language::Perl, "Foo-Bar").await.unwrap();
    // The newest release first, each by number.
    for (failing, expected) in [(false, vec![2, 5, 3, 1, 4, 6, 7]), (true, vec![2, 4, 6])] {
        selection.failing = failing;
        for limit in 1..=8 {
            let mut place = Place::default();
            let mut found = Vec::new();
            loop {
                let rows = stack.readers.listed(&selection, &mut place, limit).await.unwrap();
                found.extend(numbers(&rows));
                if rows.len() < limit {
                    break;
                }
            }
            assert_eq!(found, expected, "in pieces of {limit}");
        }
        let newest = stack.readers.newest_listed(&selection, DateTime::UNIX_EPOCH, 2).await.unwrap();
        let mut sorted = expected.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        assert_eq!(numbers(&newest), sorted[..2]);
    }
    let (_, version) = stack.readers.one_release(Language::Perl, "Foo-Bar", None).await.unwrap().unwrap();
    assert_eq!(version, "1.2");
    assert!(stack.readers.one_release(Language::Perl, "Foo-Bar", Some("3.0")).await.unwrap().is_none());
}
