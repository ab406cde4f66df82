//! The index holds what the rows say, and follows them after every change (step three of a report's life).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipeline::catch_up::{CatchUp, CatchUpError};
use pipeline::index::{DocumentIndex, Fake, Order, Tantivy};
use pipeline::measures::Measures;
use schemas::query::parse;
use tokio_util::sync::CancellationToken;

use crate::elastic::{self, Fresh};
use crate::queue::eventually;
use crate::recount::documents;
use crate::stack::{Stack, id, report, report_with_text};

/// An empty index of each kind that can be had here.
fn engines() -> Vec<Arc<dyn DocumentIndex>> {
    let mut engines: Vec<Arc<dyn DocumentIndex>> =
        vec![Arc::new(Tantivy::in_memory().unwrap()), Arc::new(Fake::default())];
    engines.extend(elastic::engines().iter().map(|url| Arc::new(Fresh::at(url)) as Arc<dyn DocumentIndex>));
    engines
}

fn numbers(index: &dyn DocumentIndex, query: &str) -> Vec<i64> {
    let found = index.search(&parse(query).unwrap(), Order::Newest, 0, 1000).unwrap();
    found.hits.iter().map(|hit| hit.0).rev().collect()
}

/// Takes steps until there is nothing left to do.
async fn catch_up(stack: &Stack, index: &Arc<dyn DocumentIndex>) {
    let catch_up = CatchUp::new(stack.process.clone(), Arc::clone(index));
    while catch_up.step().await.unwrap() > 0 {}
}

/// The index has exactly the rows, each found by each of its fields, and is complete up to the head.
async fn check(stack: &Stack, index: &dyn DocumentIndex) {
    let documents = documents(&stack.raw().await).await;
    assert_eq!(index.documents().unwrap(), documents.len() as u64);
    assert_eq!(index.mark().unwrap(), stack.store().head().await.unwrap());
    let mut by_query: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for document in documents.values() {
        for field in ["id", "distribution", "version", "grade", "os"] {
            let query = format!("{field}:\"{}\"", document[field].as_str().unwrap());
            by_query.entry(query).or_default().push(document["number"].as_i64().unwrap());
        }
    }
    for (query, mut expected) in by_query {
        expected.sort_unstable();
        assert_eq!(numbers(index, &query), expected, "{query}");
    }
}

async fn accept(stack: &Stack, number: usize, version: &str, grade: &str, text: &str) {
    let body = report_with_text("Foo-Bar", version, grade, "5.36.0", "linux", text);
    stack.accept(&id(number), &body, "Ann").await;
    stack.work_off().await;
}

#[tokio::test]
async fn the_index_has_the_rows_and_their_texts() {
    for index in engines() {
        let stack = Stack::new().await;
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        for number in 0..7 {
            let grade = ["pass", "fail", "na", "unknown"][number % 4];
            accept(&stack, number, &format!("1.{}", number % 3), grade, &format!("it said marmalade{number}\n")).await;
        }
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        for number in 0..7 {
            assert_eq!(numbers(&*index, &format!("marmalade{number}")), [number as i64 + 1]);
        }
        assert_eq!(stack.process.measures.indexed.get(), stack.store().head().await.unwrap());
    }
}

#[tokio::test]
async fn a_corrected_row_takes_the_place_of_the_old_one() {
    for index in engines() {
        let stack = Stack::new().await;
        accept(&stack, 0, "1.0", "fail", "marmalade\n").await;
        accept(&stack, 1, "1.0", "fail", "marmalade\n").await;
        catch_up(&stack, &index).await;
        accept(&stack, 0, "1.1", "pass", "porridge\n").await;
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        assert_eq!((numbers(&*index, "marmalade"), numbers(&*index, "porridge")), (vec![2], vec![1]));
        assert_eq!((numbers(&*index, "version:1.0"), numbers(&*index, "grade:pass")), (vec![2], vec![1]));
    }
}

#[tokio::test]
async fn a_removed_row_vanishes_and_comes_back_with_its_correction() {
    for index in engines() {
        let stack = Stack::new().await;
        accept(&stack, 0, "1.0", "fail", "marmalade\n").await;
        catch_up(&stack, &index).await;
        stack.accept(&id(0), "no report", "Ann").await;
        stack.work_off().await;
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        assert_eq!(numbers(&*index, "marmalade"), [0_i64; 0]);
        accept(&stack, 0, "1.0", "fail", "marmalade again\n").await;
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        assert_eq!(numbers(&*index, "marmalade"), [1]);
    }
}

#[tokio::test]
async fn an_index_that_fails_delays_and_loses_nothing() {
    let stack = Stack::new().await;
    let fake = Arc::new(Fake::default());
    let catch_up = CatchUp::new(stack.process.clone(), fake.clone());
    accept(&stack, 0, "1.0", "fail", "marmalade\n").await;
    fake.fail(true);
    for _ in 0..3 {
        assert!(matches!(catch_up.step().await, Err(CatchUpError::Index(_))));
    }
    accept(&stack, 1, "1.0", "fail", "marmalade\n").await;
    assert_eq!(stack.store().totals().await.unwrap().fail, 2, "counting does not wait for the index");
    fake.fail(false);
    assert_eq!(catch_up.step().await.unwrap(), 2);
    assert_eq!(catch_up.step().await.unwrap(), 0);
    check(&stack, &*fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_follower_tries_again_by_itself_and_ends_when_told() {
    let stack = Stack::new().await;
    let fake = Arc::new(Fake::default());
    fake.fail(true);
    let stop = CancellationToken::new();
    let running = tokio::spawn(CatchUp::new(stack.process.clone(), fake.clone()).run(stop.clone()));
    accept(&stack, 0, "1.0", "fail", "marmalade\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    fake.fail(false);
    tokio::time::timeout(Duration::from_secs(10), async {
        while fake.documents().unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is indexed once the index is back");
    // And what comes later, without being asked.
    accept(&stack, 1, "1.0", "fail", "marmalade\n").await;
    tokio::time::timeout(Duration::from_secs(10), async {
        while fake.documents().unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("news is indexed");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("it ends when told").unwrap();
    check(&stack, &*fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_damaged_while_it_is_followed_is_filled_again_by_itself() {
    let ways: [fn(&Path); 2] = [
        |index| std::fs::remove_dir_all(index).unwrap(),
        |index| std::fs::write(index.join("meta.json"), "garbage").unwrap(),
    ];
    for damage in ways {
        let stack = Stack::new().await;
        let directory = stack.directory.path().join("index");
        let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::open(&directory).unwrap());
        accept(&stack, 0, "1.0", "fail", "marmalade\n").await;
        catch_up(&stack, &index).await;
        damage(&directory);
        accept(&stack, 1, "1.0", "fail", "marmalade\n").await;

        let stop = CancellationToken::new();
        let running = tokio::spawn(CatchUp::new(stack.process.clone(), Arc::clone(&index)).run(stop.clone()));
        let measures = &stack.process.measures;
        tokio::time::timeout(Duration::from_secs(30), async {
            while measures.index_begun_anew.get() == 0 || index.documents().unwrap() < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the damage is found out");
        stop.cancel();
        running.await.unwrap();
        check(&stack, &*index).await;
        assert_eq!((numbers(&*index, "marmalade"), measures.index_begun_anew.get()), (vec![1, 2], 1));
    }
}

#[tokio::test]
async fn an_index_ahead_of_a_fresh_database_is_begun_anew() {
    for index in engines() {
        let old = Stack::new().await;
        for number in 0..5 {
            accept(&old, number, "1.0", "fail", "marmalade\n").await;
        }
        catch_up(&old, &index).await;
        let fresh = Stack::new().await;
        fresh.accept(&id(9), &report("Fresh", "2.0", "pass", "5.36.0", "linux"), "Ann").await;
        fresh.work_off().await;
        catch_up(&fresh, &index).await;
        check(&fresh, &*index).await;
        assert_eq!(numbers(&*index, "marmalade"), [0_i64; 0]);
        assert_eq!(numbers(&*index, "distribution:Fresh"), [1]);
    }
}

#[tokio::test]
async fn more_rows_than_a_batch_are_indexed_in_several() {
    let batch = 500;
    // The last batch is a full one, too: the mark goes up to the head all the same.
    for reports in [2 * batch + 100, 2 * batch] {
        let stack = Stack::new().await;
        let mut submissions = Vec::new();
        for number in 0..reports {
            let body = report("Foo", "1.0", "pass", "5.36.0", "linux");
            submissions.push(stack.submission(&id(number), &body, "Ann").await);
        }
        stack.acceptor.accept_all(submissions).await.unwrap();
        stack.work_off().await;
        let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::in_memory().unwrap());
        let catch_up = CatchUp::new(stack.process.clone(), Arc::clone(&index));
        for begun in (0..reports).step_by(batch) {
            assert_eq!(catch_up.step().await.unwrap(), batch.min(reports - begun));
            assert_eq!(index.documents().unwrap() as usize, (begun + batch).min(reports));
        }
        assert_eq!(catch_up.step().await.unwrap(), 0);
        assert_eq!(index.mark().unwrap(), stack.store().head().await.unwrap());
    }
}

#[tokio::test]
async fn an_index_made_anew_from_the_rows_is_the_same() {
    for index in engines() {
        let stack = Stack::new().await;
        for number in 0..4 {
            accept(&stack, number, "1.0", "fail", "marmalade\n").await;
        }
        stack.accept(&id(2), "no report", "Ann").await;
        stack.work_off().await;
        catch_up(&stack, &index).await;
        index.clear().unwrap();
        assert_eq!(index.documents().unwrap(), 0);
        catch_up(&stack, &index).await;
        check(&stack, &*index).await;
        assert_eq!(numbers(&*index, "marmalade"), [1, 2, 4]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_fills_a_shared_index_and_another_takes_over() {
    let (Some(url), Some(stack)) = (services::elasticsearch(), Stack::shared().await) else { return };
    let index = Arc::new(Fresh::at(&url));
    let follow = async || {
        let (process, stop) = (stack.other_process().await, CancellationToken::new());
        let running = tokio::spawn(CatchUp::new(process.clone(), index.clone()).run(stop.clone()));
        (process.measures, stop, running)
    };
    // The next report, when the index has it: how far each process says that it has filled it.
    let filled = async |number: usize, followers: [&Measures; 2]| {
        accept(&stack, number, "1.0", "fail", "marmalade\n").await;
        let head = stack.store().head().await.unwrap();
        eventually("the index complete", async || followers.iter().any(|one| one.indexed.get() == head)).await;
        followers.map(|one| one.indexed.get() == head)
    };
    let (first, stop_first, first_running) = follow().await;
    assert_eq!(filled(0, [&first, &first]).await, [true, true]);
    let (second, stop_second, second_running) = follow().await;
    assert_eq!(filled(1, [&first, &second]).await, [true, false]);
    assert_eq!(second.indexed.get(), 0, "the second has filled nothing");
    stop_first.cancel();
    first_running.await.unwrap();
    assert_eq!(filled(2, [&first, &second]).await, [false, true]);
    stop_second.cancel();
    second_running.await.unwrap();
    let index = index.clone();
    let found = tokio::task::spawn_blocking(move || numbers(&*index, "marmalade")).await.unwrap();
    assert_eq!(found, [1, 2, 3]);
}
