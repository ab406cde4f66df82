//! The published list of releases: when it is written, what it holds, and that no reader ever finds half of it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use pipeline::publish::{Artefacts, Pace, Publish, Published};
use serde_json::Value;

use crate::stack::{Stack, id, report};

const PACE: Pace = Pace { quiet: Duration::from_secs(5), latest: Duration::from_secs(60) };

fn directory(stack: &Stack) -> PathBuf {
    stack.directory.path().join("published")
}

fn artefacts(stack: &Stack) -> Artefacts {
    Artefacts::new(directory(stack), PACE)
}

fn publish(stack: &Stack) -> Publish {
    Publish::new(stack.process.clone(), artefacts(stack))
}

/// Takes in one report of a release of its own.
async fn change(stack: &Stack, number: usize) {
    let body = report("Foo-Bar", &format!("1.{number}"), "pass", "5.36.0", "linux");
    stack.accept(&id(number), &body, "Ann").await;
    stack.work_off().await;
}

async fn pass(stack: &Stack, seconds: i64) {
    stack.process.clock.advance(TimeDelta::seconds(seconds));
}

/// The list as a reader finds it now.
async fn found(stack: &Stack) -> Option<Vec<Value>> {
    let artefact = artefacts(stack).releases(stack.store(), stack.process.clock.now()).await.unwrap()?;
    let list: Vec<Value> = serde_json::from_reader(&artefact.file).unwrap();
    assert_eq!(artefact.file.metadata().unwrap().len(), artefact.size);
    Some(list)
}

#[tokio::test]
async fn the_first_list_is_written_at_once_and_the_next_when_it_is_quiet() {
    let stack = Stack::new().await;
    let mut publish = publish(&stack);
    assert_eq!(publish.step().await.unwrap(), Published::NotDue);
    assert_eq!(found(&stack).await, None);
    change(&stack, 0).await;
    assert_eq!(publish.step().await.unwrap(), Published::Written { releases: 1 });
    let list = found(&stack).await.unwrap();
    let row = r#"{"dist":"Foo-Bar","version":"1.0","pass":1,"fail":0,"na":0,"unknown":0,"uploadid":null,"total":1}"#;
    assert_eq!(list.iter().map(Value::to_string).collect::<Vec<_>>(), [row]);

    assert_eq!(publish.step().await.unwrap(), Published::NotDue);
    change(&stack, 1).await;
    pass(&stack, 4).await;
    assert_eq!(publish.step().await.unwrap(), Published::NotDue);
    assert_eq!(found(&stack).await.unwrap().len(), 1);
    pass(&stack, 1).await;
    assert_eq!(publish.step().await.unwrap(), Published::Written { releases: 2 });
    assert_eq!(found(&stack).await.unwrap().len(), 2);
    assert_eq!(std::fs::read_dir(directory(&stack)).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_that_is_never_quiet_is_not_starved() {
    let stack = Stack::new().await;
    let mut publish = publish(&stack);
    change(&stack, 0).await;
    publish.step().await.unwrap();
    let mut written = Vec::new();
    for second in 1..=130 {
        change(&stack, second).await;
        if publish.step().await.unwrap() != Published::NotDue {
            written.push(second);
        }
        pass(&stack, 1).await;
    }
    // A minute after the first change that the list before did not have.
    assert_eq!(written, [61, 122]);
}

#[tokio::test]
async fn a_list_that_is_older_than_it_may_be_is_not_given() {
    let stack = Stack::new().await;
    change(&stack, 0).await;
    publish(&stack).step().await.unwrap();
    pass(&stack, 100_000).await;
    assert_eq!(found(&stack).await.unwrap().len(), 1, "nothing has changed since");
    change(&stack, 1).await;
    // Nobody publishes; the list stays good for as long as a publisher may take.
    pass(&stack, 60).await;
    assert!(found(&stack).await.is_some());
    pass(&stack, 60).await;
    assert_eq!(found(&stack).await, None);
    // A publisher that starts knows from the file alone what is due.
    assert_eq!(publish(&stack).step().await.unwrap(), Published::Written { releases: 2 });
    assert_eq!(found(&stack).await.unwrap().len(), 2);
}

#[tokio::test]
async fn releases_of_other_languages_alone_make_no_list() {
    let stack = Stack::new().await;
    let body = report("Foo-Bar", "1.0", "pass", "5.36.0", "linux").replace("Perl 5", "raku");
    stack.accept(&id(1), &body, "Ann").await;
    stack.work_off().await;
    let mut publish = publish(&stack);
    assert_eq!(publish.step().await.unwrap(), Published::Written { releases: 0 });
    assert_eq!(publish.step().await.unwrap(), Published::NotDue, "there was nothing, and nothing has changed");
    assert_eq!(found(&stack).await, None);
    change(&stack, 2).await;
    pass(&stack, 5).await;
    assert_eq!(publish.step().await.unwrap(), Published::Written { releases: 1 });
}

#[tokio::test]
async fn a_list_of_another_database_is_not_given() {
    let stack = Stack::new().await;
    change(&stack, 0).await;
    std::fs::create_dir_all(directory(&stack)).unwrap();
    std::fs::write(directory(&stack).join("releases-00000000000000099999.json"), "[]").unwrap();
    assert_eq!(found(&stack).await, None);
    assert_eq!(publish(&stack).step().await.unwrap(), Published::Written { releases: 1 });
    assert_eq!(found(&stack).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_never_finished_is_neither_read_nor_kept() {
    let stack = Stack::new().await;
    change(&stack, 0).await;
    std::fs::create_dir_all(directory(&stack)).unwrap();
    let left = directory(&stack).join(".unfinished-x1y2z3");
    std::fs::write(&left, "[{\"dist\":\"Foo-B").unwrap();
    assert_eq!(found(&stack).await, None);
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(publish(&stack).run(stop.clone()));
    while found(&stack).await.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.unwrap();
    assert!(!left.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_a_whole_list_at_any_moment() {
    let stack = Stack::new().await;
    change(&stack, 0).await;
    let eager = Pace { quiet: Duration::ZERO, latest: Duration::ZERO };
    let artefacts = Artefacts::new(directory(&stack), eager);
    let mut publish = Publish::new(stack.process.clone(), artefacts.clone());
    publish.step().await.unwrap();
    let (store, clock) = (stack.store().clone(), stack.process.clock.clone());
    let stop = tokio_util::sync::CancellationToken::new();
    let reading = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut lengths = Vec::new();
            while !stop.is_cancelled() {
                // Between two names there may be none, and the database answers.
                if let Some(artefact) = artefacts.releases(&store, clock.now()).await.unwrap() {
                    let list: Vec<Value> = serde_json::from_reader(&artefact.file).unwrap();
                    lengths.push(list.len());
                }
                tokio::task::yield_now().await;
            }
            lengths
        }
    });
    for number in 1..40 {
        change(&stack, number).await;
        assert_eq!(publish.step().await.unwrap(), Published::Written { releases: number as u64 + 1 });
    }
    stop.cancel();
    let lengths = reading.await.unwrap();
    assert!(lengths.is_sorted() && !lengths.is_empty(), "{lengths:?}");
}
