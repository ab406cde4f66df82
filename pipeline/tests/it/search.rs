//! A search gives rows with the places that matched, and tells how far behind the index is.

use std::sync::Arc;

use pipeline::catch_up::CatchUp;
use pipeline::index::{DocumentIndex, Fake, IndexError, Order, Tantivy};
use pipeline::search::{SearchError, search};
use schemas::query::parse;
use schemas::views::SearchView;

use crate::stack::{Stack, id, report_with_text};

async fn accept(stack: &Stack, number: usize, grade: &str, text: &str) {
    let body = report_with_text("Foo-Bar", "1.0", grade, "5.36.0", "linux", text);
    stack.accept(&id(number), &body, "Ann").await;
    stack.work_off().await;
}

async fn catch_up(stack: &Stack, index: &Arc<dyn DocumentIndex>) {
    while CatchUp::new(stack.process.clone(), Arc::clone(index)).step().await.unwrap() > 0 {}
}

async fn find(
    stack: &Stack,
    index: &Arc<dyn DocumentIndex>,
    query: &str,
    offset: usize,
    limit: usize,
) -> Result<SearchView, SearchError> {
    let query = parse(query).unwrap();
    search(stack.store(), index, &stack.process.clock, query, Order::Newest, offset, limit).await
}

#[tokio::test]
async fn a_search_gives_rows_with_the_places_that_matched() {
    let stack = Stack::new().await;
    let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::in_memory().unwrap());
    accept(&stack, 0, "fail", "First a line.\nCan't locate Marmalade/Jar.pm in @INC\n").await;
    accept(&stack, 1, "pass", "All tests successful.\n").await;
    catch_up(&stack, &index).await;

    let found = find(&stack, &index, "marmalade grade:fail", 0, 10).await.unwrap();
    assert_eq!((found.total, found.lag, found.next), (1, 0, None));
    let [hit] = found.items.as_slice() else { panic!("{:?}", found.items) };
    assert_eq!((hit.result.id.as_str(), hit.result.tester.as_str()), (id(0).as_str(), "Ann"));
    let [highlight] = hit.highlights.as_slice() else { panic!("{:?}", hit.highlights) };
    let marked: Vec<&str> = highlight.marks.iter().map(|(start, end)| &highlight.text[*start..*end]).collect();
    assert_eq!(marked, ["Marmalade"]);
    assert_eq!(find(&stack, &index, "marmalade grade:pass", 0, 10).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_search_tells_how_many_changes_the_index_lacks_and_shows_rows_as_they_are_now() {
    let stack = Stack::new().await;
    let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::in_memory().unwrap());
    accept(&stack, 0, "fail", "marmalade\n").await;
    accept(&stack, 1, "fail", "marmalade\n").await;
    catch_up(&stack, &index).await;
    accept(&stack, 0, "na", "porridge\n").await;
    stack.accept(&id(1), "no report", "Ann").await;
    stack.work_off().await;

    let found = find(&stack, &index, "marmalade", 0, 10).await.unwrap();
    assert_eq!(found.lag, stack.store().head().await.unwrap() - index.mark().unwrap());
    assert!(found.lag > 0);
    // The index still has both; one is no longer there, and the other is shown as it is now.
    let shown: Vec<(&str, &str)> =
        found.items.iter().map(|hit| (hit.result.id.as_str(), hit.result.grade.as_str())).collect();
    assert_eq!(shown, [(id(0).as_str(), "na")]);
    catch_up(&stack, &index).await;
    let found = find(&stack, &index, "marmalade", 0, 10).await.unwrap();
    assert_eq!((found.total, found.lag), (0, 0));
}

#[tokio::test]
async fn pages_of_a_search_hold_each_hit_once() {
    let stack = Stack::new().await;
    let index: Arc<dyn DocumentIndex> = Arc::new(Tantivy::in_memory().unwrap());
    for number in 0..7 {
        accept(&stack, number, "fail", "marmalade\n").await;
    }
    catch_up(&stack, &index).await;
    let mut numbers = Vec::new();
    let mut offset = 0;
    loop {
        let page = find(&stack, &index, "marmalade", offset, 3).await.unwrap();
        assert_eq!(page.total, 7);
        numbers.extend(page.items.iter().map(|hit| hit.result.number));
        match page.next {
            Some(next) => offset = next.parse().unwrap(),
            None => break,
        }
    }
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    let deep = find(&stack, &index, "marmalade", 10_000, 3).await;
    assert!(matches!(deep, Err(SearchError::Index(IndexError::TooDeep))));
}

#[tokio::test]
async fn a_search_while_the_index_fails_says_so() {
    let stack = Stack::new().await;
    let fake = Arc::new(Fake::default());
    let index: Arc<dyn DocumentIndex> = fake.clone();
    fake.fail(true);
    let failed = find(&stack, &index, "marmalade", 0, 10).await;
    assert!(matches!(failed, Err(SearchError::Index(IndexError::Engine { .. }))));
}
