//! `reports-metadata.cgi` range with top-level ids, 2,500 a page, stable increasing ids.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::captures::register_testers;
use crate::server::{Server, exchange};
use crate::submissions::{Made, captures, fixture_bytes};

async fn range(server: &Server, range: &str) -> Vec<(i64, Value)> {
    let answer = server.get(&format!("/cgi-bin/reports-metadata.cgi?range={range}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{range}");
    let rows = answer.json();
    rows.as_object().unwrap().iter().map(|(id, row)| (id.parse().unwrap(), row.clone())).collect()
}

fn ids(rows: &[(i64, Value)]) -> Vec<i64> {
    rows.iter().map(|(id, _)| *id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_real_submissions_equal_those_of_today_field_by_field() {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "privacy.addresses=true"]);
    register_testers(&server).await;
    for capture in captures() {
        assert_eq!(exchange(&server, &capture.bytes).await.status, 201, "{}", capture.name);
    }
    server.settle().await;
    let rows = range(&server, "1-").await;
    let ours: BTreeMap<&str, &Value> = rows.iter().map(|(_, row)| (row["guid"].as_str().unwrap(), row)).collect();
    let answers = String::from_utf8(fixture_bytes("peer-answers/legacy.jsonl")).unwrap();
    let mut compared = 0;
    for line in answers.lines() {
        let today: Value = serde_json::from_str::<Value>(line).unwrap()["cpanstats"].clone();
        let row = ours[today["guid"].as_str().unwrap()];
        for (column, value) in today.as_object().unwrap() {
            match column.as_str() {
                // Each server numbers by itself, and numbers are numbers here.
                "id" | "uploadid" => assert!(row.as_object().unwrap().contains_key(column), "{row}"),
                "type" => assert_eq!((&row["type"], value), (&json!(2), &json!("2"))),
                _ => assert_eq!(&row[column], value, "{column} of {row}"),
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 137);
    // Raku has never been among them.
    let raku = captures().iter().filter(|capture| capture.name.contains("raku")).count();
    assert!(raku > 0);
    assert_eq!(rows.len(), 141 - raku_rows(&server).await);
}

async fn raku_rows(server: &Server) -> usize {
    server.lines("/v4/results?language=raku").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_cut_at_2500_rows_and_the_tester_is_the_name_alone() {
    let server = Server::start();
    let reports: Vec<Value> = (0..2_503).map(|_| Made { tester: "Zoë".to_owned(), ..Made::default() }.json()).collect();
    for some in reports.chunks(1_300) {
        server.submit_all(some).await;
    }
    server.settle().await;
    assert_eq!(ids(&range(&server, "1-").await), (1..=2_500).collect::<Vec<_>>());
    assert_eq!(ids(&range(&server, "2501-").await), [2_501, 2_502, 2_503]);
    assert_eq!(ids(&range(&server, "2504-").await), Vec::<i64>::new());
    assert_eq!(ids(&range(&server, "7-9").await), [7, 8, 9]);
    assert_eq!(ids(&range(&server, "1-2503").await), (1..=2_500).collect::<Vec<_>>());
    assert_eq!(ids(&range(&server, "-2502").await), (3..=2_502).collect::<Vec<_>>());
    assert_eq!(ids(&range(&server, "-").await), (4..=2_503).collect::<Vec<_>>());
    assert_eq!(ids(&range(&server, "9-7").await), Vec::<i64>::new());
    assert_eq!(ids(&range(&server, "99999999999999999999-").await), Vec::<i64>::new());
    let one = range(&server, "17").await;
    assert_eq!((ids(&one), &one[0].1["tester"]), (vec![17], &json!("\"Zo&#235;\"")));
    assert_eq!(server.get("/cgi-bin/reports-metadata.cgi?range=2504-").await.text(), "{}");
    // The bytes are in the order of the ids, for those who read on from the last one.
    let text = server.get("/cgi-bin/reports-metadata.cgi?range=8-11").await.text();
    let places: Vec<usize> = (8..=11).map(|id| text.find(&format!("\"{id}\":{{\"id\":{id},")).expect(&text)).collect();
    assert!(places.is_sorted(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_a_day() {
    let server = Server::start();
    server.submit_all(&[Made::default().json(), Made::default().json(), Made::default().json()]).await;
    server.settle().await;
    let received: Vec<String> = server
        .lines("/v4/results")
        .await
        .iter()
        .map(|row| row["received_at"].as_str().unwrap()[..10].to_owned())
        .collect();
    let answer = server.json(&format!("/cgi-bin/reports-metadata.cgi?date={}", received[0])).await;
    // The test may run over midnight.
    let count = received.iter().filter(|day| **day == received[0]).count() as i64;
    let first = 4 - count;
    let list: Vec<i64> = (first..=3).collect();
    assert_eq!(answer, json!({"list": list, "from": first, "to": 3, "range": format!("{first}-3")}));
    let none = server.json("/cgi-bin/reports-metadata.cgi?date=2001-02-03").await;
    assert_eq!(none, json!({"list": [], "from": null, "to": null, "range": null}));
    assert_eq!(server.json("/cgi-bin/reports-metadata.cgi?date=9999-12-31").await["list"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_range_and_no_day_is_refused_with_a_reason() {
    let server = Server::start();
    for query in [
        "",
        "?range=a-b",
        "?range=1-2-3",
        "?range=%2B1",
        "?date=yesterday",
        "?date=2026-02-30",
        "?range=",
        "?date=-262143-01-01",
    ] {
        let answer = server.get(&format!("/cgi-bin/reports-metadata.cgi{query}")).await;
        assert!([200, 400].contains(&answer.status), "{query}: {}", answer.text());
        if answer.status == 200 {
            assert_eq!((query, &answer.json()["list"]), ("?date=-262143-01-01", &json!([])));
            continue;
        }
        assert_eq!(answer.header("content-type"), "application/json", "{query}");
        assert!(answer.json()["error"].as_str().unwrap().contains("expected"), "{query}");
    }
}
