//! The readers of `/v4`: matrices, lists and streams agree with the rows, also while others write.

use std::collections::BTreeSet;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::recount::{Counts, counts, recount, send_and_correct, told};
use crate::server::Server;
use crate::submissions::Made;

const AXES: [&str; 4] = ["version", "language_version", "os", "architecture"];

/// All choices of one to three axes.
fn choices_of_axes() -> Vec<Vec<&'static str>> {
    let subsets =
        (1_u32..16).map(|bits| (0..4).filter(|axis| bits & (1 << axis) != 0).map(|axis| AXES[axis]).collect());
    subsets.filter(|axes: &Vec<_>| axes.len() <= 3).collect()
}

fn sum(cells: &[Value]) -> Counts {
    cells.iter().map(counts).fold([0; 4], |sum, one| std::array::from_fn(|grade| sum[grade] + one[grade]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matrix_by_any_axes_sums_to_the_counts_and_equals_a_recount() {
    let server = Server::start();
    send_and_correct(&server, &mut StdRng::seed_from_u64(5), 150).await;
    server.settle().await;
    let rows = server.lines("/v4/results").await;
    assert_eq!(choices_of_axes().len(), 14);
    for axes in choices_of_axes() {
        for (path, of) in [("Foo-Bar", None), ("Foo-Bar/1.0", Some("1.0"))] {
            let counted = match of {
                Some(version) => server.json(&format!("/v4/releases/Foo-Bar/{version}")).await,
                None => server.json("/v4/distributions/Foo-Bar").await,
            };
            let matrix = server.json(&format!("/v4/matrix/{path}?axes={}", axes.join(","))).await;
            assert_eq!(matrix["axes"], Value::from(axes.clone()));
            let cells = matrix["cells"].as_array().unwrap();
            assert_eq!(sum(cells), counts(&counted), "{path} by {axes:?}");
            let wanted =
                |row: &&Value| row["distribution"] == "Foo-Bar" && of.is_none_or(|version| row["version"] == version);
            let rows: Vec<Value> = rows.iter().filter(wanted).cloned().collect();
            assert_eq!(told(cells, &axes), recount(&rows, &axes), "{path} by {axes:?}");
        }
    }
}

/// What tells the rows of a list from each other.
type Key = fn(&Value) -> String;

/// The keys of all pages of a list, followed by their cursors to the end.
async fn paged(server: &Server, list: &str, key: Key) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.json(&format!("/v4/{list}?limit=7{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() == 7 || page["next"].is_null(), "a page before the last is not full");
        keys.extend(items.iter().map(key));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return keys,
        }
    }
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn release(row: &Value) -> String {
    ["language", "distribution", "version"].map(|name| row[name].as_str().unwrap()).join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_row_once_while_others_write() {
    let server = Server::start();
    let made = |number: usize| Made { version: format!("{number}.0"), ..Made::default() }.json();
    server.submit_all(&(0..60).map(made).collect::<Vec<_>>()).await;
    server.settle().await;
    let lists: [(&str, Key); 2] = [("results", id), ("summaries", release)];
    let there = async |list: &str, key: Key| -> BTreeSet<String> {
        server.lines(&format!("/v4/{list}")).await.iter().map(key).collect()
    };
    for (list, key) in lists {
        let before = there(list, key).await;
        let write = async {
            for number in 100..130 {
                assert_eq!(server.submit(&made(number)).await.status, 202);
            }
        };
        let (keys, ()) = futures::join!(paged(&server, list, key), write);
        server.settle().await;
        let seen: BTreeSet<String> = keys.iter().cloned().collect();
        assert_eq!(seen.len(), keys.len(), "{list}: a row is on two pages");
        assert!(seen.is_superset(&before), "{list}: rows that were there from the beginning are on no page");
        assert!(seen.is_subset(&there(list, key).await), "{list}: a row came from nowhere");
        assert_eq!(paged(&server, list, key).await.len(), there(list, key).await.len(), "{list} at rest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_show_what_they_say_and_nothing_else() {
    let server = Server::start();
    send_and_correct(&server, &mut StdRng::seed_from_u64(6), 120).await;
    server.settle().await;
    let rows = server.lines("/v4/results").await;
    for field in ["distribution", "version", "grade", "language_version", "os", "architecture", "language"] {
        let values: BTreeSet<&str> = rows.iter().map(|row| row[field].as_str().unwrap()).collect();
        for value in values {
            let wanted: Vec<&Value> = rows.iter().filter(|row| row[field] == value).collect();
            let asked = server.client.get(server.at("/v4/results")).query(&[(field, value), ("limit", "1000")]);
            let page = server.ask(asked).await.json();
            assert_eq!(page["items"].as_array().unwrap().iter().collect::<Vec<_>>(), wanted, "{field}={value}");
        }
    }
    let tester = rows[0]["tester_id"].as_str().unwrap();
    let own = server.json(&format!("/v4/results?limit=1000&tester={tester}")).await;
    let expected = rows.iter().filter(|row| row["tester_id"] == tester).count();
    assert_eq!(own["items"].as_array().unwrap().len(), expected);
    assert_eq!(counts(&server.json(&format!("/v4/testers/{tester}")).await).iter().sum::<i64>(), expected as i64);
    assert_eq!(server.lines("/v4/results?limit=5").await, rows[..5]);
    assert_eq!(server.lines("/v4/results?since=2999-01-01").await, Vec::<Value>::new());
    assert_eq!(server.lines("/v4/results?since=2000-01-01T00:00:00Z").await.len(), rows.len());
    assert_eq!(server.lines("/v4/results?changed_since=2000-01-01").await.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_prefers_to_wait_gets_the_settled_receipt() {
    let server = Server::start();
    let made = Made::default();
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    let answer = server.ask(request.header("prefer", "wait=10").body(made.json().to_string())).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (200, "wait=10"));
    let receipt = answer.json();
    assert_eq!((&receipt["state"], &receipt["id"]), (&"processed".into(), &made.id.as_str().into()));
    assert_eq!(server.json(&format!("/v4/reports/{}/receipt", made.id)).await, receipt);
    assert_eq!(counts(&server.json("/v4/releases/Foo-Bar/1.0").await), [1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_by_words_fields_and_their_absence() {
    let server = Server::start();
    let made = [
        Made { text: "the quick brown fox".to_owned(), ..Made::default() },
        Made { text: "the slow brown bear".to_owned(), grade: "fail", ..Made::default() },
        Made { text: "nothing of the kind".to_owned(), osname: "freebsd".to_owned(), ..Made::default() },
    ];
    server.submit_all(&made.iter().map(Made::json).collect::<Vec<_>>()).await;
    server.settle_index().await;
    for (query, found) in [
        ("brown", vec![0, 1]),
        ("brown fox", vec![0]),
        ("\"brown bear\"", vec![1]),
        ("\"bear brown\"", vec![]),
        ("quick OR slow", vec![0, 1]),
        ("brown NOT fox", vec![1]),
        ("grade:fail", vec![1]),
        ("os:freebsd kind", vec![2]),
        ("distribution:Foo-Bar", vec![0, 1, 2]),
    ] {
        let asked = server.client.get(server.at("/v4/search")).query(&[("q", query)]);
        let answer = server.ask(asked).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let answer = answer.json();
        let ids: BTreeSet<&str> =
            answer["items"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect();
        assert_eq!(ids, found.iter().map(|place| made[*place].id.as_str()).collect(), "{query}");
        assert_eq!(answer["total"], found.len(), "{query}");
    }
    let hit = server.json("/v4/search?q=fox").await["items"][0].clone();
    let highlight = &hit["highlights"][0];
    let (start, end) = (highlight["marks"][0][0].as_u64().unwrap(), highlight["marks"][0][1].as_u64().unwrap());
    assert_eq!(&highlight["text"].as_str().unwrap()[start as usize..end as usize], "fox");
}
