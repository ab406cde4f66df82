//! The document index in Elasticsearch and OpenSearch: generations, months, versions. Real servers, shared by all tests.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use chrono::{DateTime, TimeDelta, Utc};
use elasticsearch::http::Method;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::Transport;
use pipeline::index::{Address, Document, DocumentIndex, Elastic, Found, IndexError, Order, conformance};
use schemas::grade::Grade;
use schemas::query::{MAX_DEPTH, Query, parse};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::id;

/// An index with a prefix of its own, which goes with it.
pub struct Fresh {
    index: Elastic,
    pub address: Address,
}

impl Fresh {
    /// `hosts` as in an address, or a list of URLs; options behind a `?` may follow.
    pub fn at(hosts: &str) -> Fresh {
        let hosts = hosts.replace(",http://", ",");
        let (hosts, options) = hosts.split_once('?').unwrap_or((&hosts, ""));
        let address: Address = format!("{hosts}/t{}?{options}", Uuid::new_v4().simple()).parse().unwrap();
        Fresh { index: Elastic::new(&address).unwrap(), address }
    }

    /// The same index as another process has it.
    fn elsewhere(&self) -> Elastic {
        Elastic::new(&self.address).unwrap()
    }

    pub fn prefix(&self) -> String {
        self.address.to_string().rsplit_once('/').unwrap().1.to_owned()
    }
}

impl Deref for Fresh {
    type Target = Elastic;

    fn deref(&self) -> &Elastic {
        &self.index
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // A test that has killed its server has nothing to clean up.
        drop(self.index.remove());
    }
}

impl DocumentIndex for Fresh {
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError> {
        self.index.put(documents, removed, mark)
    }

    fn mark(&self) -> Result<i64, IndexError> {
        self.index.mark()
    }

    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError> {
        self.index.search(query, order, offset, limit)
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.index.clear()
    }

    fn documents(&self) -> Result<u64, IndexError> {
        self.index.documents()
    }

    fn shared(&self) -> Option<String> {
        self.index.shared()
    }

    fn renew(&self) -> Result<Option<Arc<dyn DocumentIndex>>, IndexError> {
        self.index.renew()
    }

    fn show(&self) -> Result<(), IndexError> {
        self.index.show()
    }
}

/// One server of each kind that can be had here.
pub fn engines() -> Vec<String> {
    [services::elasticsearch(), services::opensearch()].into_iter().flatten().collect()
}

/// Asks the engine directly.
pub fn ask(url: &str, method: Method, path: &str, body: Option<Value>) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let transport = Transport::single_node(url).unwrap();
        let body = body.map(|body| body.to_string());
        let answer = transport.send(method, path, HeaderMap::new(), None::<&()>, body, None).await.unwrap();
        answer.json().await.unwrap()
    })
}

/// A report received in October 2026.
pub fn document(number: i64, text: &str) -> Document {
    let received_at = "2026-10-21T08:00:00Z".parse::<DateTime<Utc>>().unwrap();
    Document {
        number,
        id: id(number.unsigned_abs() as usize).parse().unwrap(),
        distribution: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        author: None,
        tester: "Jane Doe".to_owned(),
        grade: Grade::Pass,
        os: "linux".to_owned(),
        language: "perl".to_owned(),
        language_version: "5.36.0".to_owned(),
        architecture: "x86_64-linux".to_owned(),
        reason: None,
        received_at,
        created_at: received_at,
        text: text.to_owned(),
    }
}

pub fn numbers(index: &dyn DocumentIndex, query: &str) -> Vec<i64> {
    let found = index.search(&parse(query).unwrap(), Order::Newest, 0, 1000).unwrap();
    found.hits.iter().map(|hit| hit.0).rev().collect()
}

#[test]
fn elasticsearch_conforms() {
    if let Some(url) = services::elasticsearch() {
        conformance(&Fresh::at(&url));
    }
}

#[test]
fn opensearch_conforms() {
    if let Some(url) = services::opensearch() {
        conformance(&Fresh::at(&url));
    }
}

#[test]
fn several_shards_conform_and_rank_alike() {
    if let Some(url) = services::elasticsearch() {
        conformance(&Fresh::at(&format!("{url}?shards=3&replicas=0")));
    }
}

#[test]
fn a_write_twice_is_a_write_once_and_an_older_one_loses() {
    for url in engines() {
        let first = Fresh::at(&url);
        let second = first.elsewhere();
        first.put(vec![document(1, "old"), document(2, "old")], vec![], 5).unwrap();
        first.put(vec![document(1, "old"), document(2, "old")], vec![], 5).unwrap();
        assert_eq!((numbers(&first, "old"), first.documents().unwrap()), (vec![1, 2], 2));
        second.put(vec![document(1, "new")], vec![], 9).unwrap();
        // A process that has fallen behind, with what it read before.
        first.put(vec![document(1, "old")], vec![], 7).unwrap();
        assert_eq!((numbers(&first, "new"), numbers(&first, "old")), (vec![1], vec![2]));
        first.put(vec![], vec![1], 8).unwrap();
        assert_eq!(numbers(&first, "new"), [1], "an older removal loses, too");
        assert_eq!((first.mark().unwrap(), second.mark().unwrap()), (9, 9), "the mark does not go back");
        second.put(vec![], vec![1], 10).unwrap();
        first.put(vec![document(1, "old")], vec![], 9).unwrap();
        assert_eq!(numbers(&first, "old OR new"), [2], "what was removed stays removed");
        second.put(vec![document(1, "again")], vec![], 11).unwrap();
        assert_eq!((numbers(&first, "again"), first.mark().unwrap()), (vec![1], 11));
    }
}

#[test]
fn each_month_of_receipt_has_an_index_of_its_own_behind_the_alias() {
    for url in engines() {
        let index = Fresh::at(&url);
        let in_month = |number: i64| Document {
            received_at: "2026-11-30T23:59:59Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(number),
            ..document(number, "turn of the month")
        };
        index.put(vec![in_month(0)], vec![], 1).unwrap();
        index.put(vec![in_month(1), in_month(2)], vec![], 2).unwrap();
        assert_eq!(numbers(&*index, "month"), [0, 1, 2]);
        let prefix = index.prefix();
        let behind: Vec<String> =
            ask(&url, Method::Get, &format!("_alias/{prefix}"), None).as_object().unwrap().keys().cloned().collect();
        let mut behind = behind;
        behind.sort();
        assert_eq!(behind, [format!("{prefix}-1-2026.11"), format!("{prefix}-1-2026.12")]);
        let mapping = ask(&url, Method::Get, &format!("{prefix}-1-2026.12/_mapping"), None);
        let mapping = &mapping[format!("{prefix}-1-2026.12")]["mappings"];
        assert_eq!(
            (&mapping["dynamic"], &mapping["properties"]["received"]["type"]),
            (&json!("strict"), &json!("long"))
        );
        // The same report goes to the same index, whoever puts it, and whenever.
        index.elsewhere().put(vec![in_month(0)], vec![], 3).unwrap();
        assert_eq!(index.documents().unwrap(), 3);
        let contents = index.contents().unwrap();
        assert_eq!((contents.mark, contents.numbers), (3, vec![0, 1, 2]));
        index.remove().unwrap();
        let left = ask(&url, Method::Get, &format!("{prefix}*/_alias"), None);
        assert_eq!(left, json!({}), "nothing is left behind");
    }
}

#[test]
fn the_deepest_query_there_is_can_be_asked() {
    for url in engines() {
        let index = Fresh::at(&url);
        index.put(vec![document(1, "alpha beta"), document(2, "beta")], vec![], 1).unwrap();
        let nested =
            |open: &str, close: &str, depth: usize| format!("{}alpha{}", open.repeat(depth), close.repeat(depth));
        for (query, expected) in [
            (nested("gamma OR beta (", ")", MAX_DEPTH), &[1][..]),
            (nested("beta NOT (", ")", MAX_DEPTH / 2), &[1]),
            (nested("(a OR b) (gamma OR beta (", "))", MAX_DEPTH / 2 - 4), &[]),
        ] {
            assert_eq!(numbers(&*index, &query), expected, "{query}");
        }
    }
}

#[test]
fn a_batch_of_many_megabytes_is_sent_in_several_requests() {
    for url in engines() {
        let index = Fresh::at(&url);
        let filler = "quite a lot of words to fill a text ".repeat(6_000);
        let documents: Vec<Document> =
            (1..=60).map(|number| document(number, &format!("{filler} number{number}"))).collect();
        index.put(documents, vec![], 60).unwrap();
        assert_eq!(index.documents().unwrap(), 60);
        assert_eq!(numbers(&*index, "number1 OR number31 OR number60"), [1, 31, 60]);
    }
}

#[test]
fn searches_see_one_generation_at_every_moment_of_a_switch() {
    for url in engines() {
        let index = Fresh::at(&url);
        let text = |generation: usize| format!("everywhere only{generation}");
        let all = |generation: usize| -> Vec<Document> {
            (1..=40)
                .map(|number| {
                    let received_at = "2026-08-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
                    let received_at = received_at + TimeDelta::days(number * 3);
                    Document { received_at, ..document(number, &text(generation)) }
                })
                .collect()
        };
        index.put(all(0), vec![], 40).unwrap();
        let (stop, searches) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for order in [Order::Newest, Order::Relevance] {
                let (index, stop, searches) = (&index, &stop, &searches);
                scope.spawn(move || {
                    let _ended = Ended(stop);
                    while !stop.load(Ordering::SeqCst) {
                        let query = parse("everywhere").unwrap();
                        let found = index.search(&query, order, 0, 100).unwrap();
                        let mut numbers: Vec<i64> = found.hits.iter().map(|hit| hit.0).collect();
                        numbers.sort_unstable();
                        assert_eq!(numbers, (1..=40).collect::<Vec<i64>>(), "{order:?}");
                        assert_eq!(found.total, 40);
                        searches.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let ended = Ended(&stop);
            for generation in 1..=4 {
                let next = index.renew().unwrap().expect("an engine that can begin another");
                assert_eq!((next.documents().unwrap(), next.mark().unwrap()), (0, 0));
                for batch in all(generation).chunks(15) {
                    next.put(batch.to_vec(), vec![], batch[batch.len() - 1].number).unwrap();
                }
                assert_eq!((next.documents().unwrap(), next.mark().unwrap()), (40, 40));
                assert_eq!(numbers(&*index, &format!("only{generation}")), [0_i64; 0], "not shown yet");
                let before = searches.load(Ordering::SeqCst);
                next.show().unwrap();
                assert_eq!(numbers(&*index, &format!("only{generation}")).len(), 40);
                assert_eq!(numbers(&*index, &format!("only{}", generation - 1)), [0_i64; 0]);
                while searches.load(Ordering::SeqCst) < before + 10 {
                    assert!(!stop.load(Ordering::SeqCst), "a search has failed");
                    thread::yield_now();
                }
            }
            drop(ended);
        });
        assert!(searches.load(Ordering::SeqCst) >= 40);
    }
}

/// Tells the others to end when this goes, by a panic too.
pub struct Ended<'a>(pub &'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn one_who_writes_notices_that_the_index_was_made_anew_elsewhere() {
    for url in engines() {
        let index = Fresh::at(&url);
        index.put(vec![document(1, "one"), document(2, "two")], vec![], 20).unwrap();
        assert_eq!(index.mark().unwrap(), 20);
        let next = index.elsewhere().renew().unwrap().unwrap();
        next.put(vec![document(1, "one")], vec![], 10).unwrap();
        next.show().unwrap();
        // With what it knows, it would go on after 20, and what lies between would be missing for good.
        let refused = index.put(vec![document(3, "three")], vec![], 30);
        assert!(matches!(refused, Err(IndexError::Engine { .. })), "{refused:?}");
        assert_eq!((index.mark().unwrap(), numbers(&*index, "NOT nothing")), (10, vec![1]));
        index.put(vec![document(2, "two"), document(3, "three")], vec![], 30).unwrap();
        assert_eq!((index.mark().unwrap(), numbers(&*index, "NOT nothing")), (30, vec![1, 2, 3]));
        // And one that was begun beside it and forgotten says so, rather than being filled for nobody.
        let forgotten = index.renew().unwrap().unwrap();
        index.renew().unwrap().unwrap().show().unwrap();
        assert!(forgotten.put(vec![document(1, "one")], vec![], 1).is_err());
    }
}

#[test]
fn an_index_of_another_layout_is_told_apart_and_made_anew() {
    for url in engines() {
        let index = Fresh::at(&url);
        index.put(vec![document(1, "one")], vec![], 1).unwrap();
        let path = format!("{}-1-mark/_doc/mark?version=2&version_type=external_gte&refresh=true", index.prefix());
        ask(&url, Method::Put, &path, Some(json!({ "format": 0, "mark": 2 })));
        let error = index.mark().unwrap_err();
        assert!(matches!(error, IndexError::Unfit { .. }), "{error:?}");
        assert!(error.to_string().contains("assay rebuild --index"), "{error}");
        assert!(index.put(vec![document(2, "two")], vec![], 3).is_err());
        let next = index.renew().unwrap().unwrap();
        next.put(vec![document(1, "one"), document(2, "two")], vec![], 3).unwrap();
        next.show().unwrap();
        assert_eq!((index.mark().unwrap(), numbers(&*index, "one OR two")), (3, vec![1, 2]));
    }
}
