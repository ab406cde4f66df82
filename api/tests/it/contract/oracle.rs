//! Forty-two requests to today's server, and what assay answers to them over the same data.
//!
//! What differs on purpose, everywhere: JSON is sent as `application/json`, and not as `text/html`; counts are numbers,
//! and not strings (contract §10, §11.2). Each other difference is in [`deliberate`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::data::{Upload, assert_cors, others, put_uploads, report_of, rows_of};
use crate::server::{Answer, Server};
use crate::submissions::fixture_json;

/// Why an answer is not like today's, by method and path.
fn deliberate(method: &str, path: &str) -> Option<&'static str> {
    match (method, path) {
        ("GET", "/") => Some("assay's own home page; it is none of the API, and has no CORS headers"),
        ("GET", "/nope") => Some("a page of assay's that says so, without CORS headers"),
        ("GET", "/v1") => Some("the document has assay's texts; point 13 compares what it declares"),
        ("OPTIONS", _) => Some("the definitions have assay's texts; point 13 compares them"),
        ("GET", "/v3/summary/HTTP-Queue-Fast?since=2026-06-01T00:00:00Z") => {
            Some("selected by the time of receipt, so that all of them are shown: point 14")
        }
        ("GET", "/v3/release/dist/HTTP-Queue-Fast?since=2026-06-01T00:00:00") => {
            Some("selected by the time of the last change, and the counts are the whole release's")
        }
        ("GET", "/v3/release?limit=3") => Some("any three: no order is defined"),
        ("POST", _) => Some("an accepted report gets an id of its own"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_oracle_is_answered_as_today() {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "privacy.addresses=true"]);
    let oracle = fixture_json("peer-answers/api.json");
    let oracle = oracle.as_array().unwrap();
    assert_eq!(oracle.len(), 42);
    load(&server, oracle).await;
    let mut compared = 0;
    for asked in oracle {
        let (method, path) = (asked["method"].as_str().unwrap(), asked["path"].as_str().unwrap());
        let mut request = server.client.request(method.parse().unwrap(), server.at(path));
        for (name, value) in asked["req_headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        if let Some(body) = asked["req_body"].as_str() {
            request = request.body(body.to_owned());
        }
        let answer = server.ask(request).await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status, asked["status"], "{what}: {}", answer.text());
        if path.starts_with("/v") {
            assert_cors(&answer, &what);
            assert_eq!(answer.header("content-type"), "application/json", "{what}");
        }
        compare(&what, &answer, asked["body"].as_str().unwrap(), deliberate(method, path));
        compared += 1;
    }
    assert_eq!(compared, 42);
}

fn compare(what: &str, answer: &Answer, today: &str, difference: Option<&str>) {
    if answer.status >= 400 && !today.starts_with('<') {
        let today: Value = serde_json::from_str(today).unwrap();
        assert_eq!(answer.json(), today, "{what}");
        return;
    }
    if today.starts_with('[') {
        let (today, whole) = rows_of(today);
        let ours = answer.json();
        let ours = ours.as_array().unwrap();
        assert_eq!(shapes(ours), shapes(&today), "{what}");
        if difference.is_none() {
            rows_are_the_same(what, ours, &today, whole);
        } else {
            assert!(ours.len() >= today.len(), "{what}: {} rows of {}", ours.len(), today.len());
        }
    } else if difference.is_none() {
        assert_eq!(answer.json(), serde_json::from_str::<Value>(today).unwrap(), "{what}");
    } else if answer.header("content-type") == "application/json" {
        let today = serde_json::from_str::<Value>(today).unwrap_or_default();
        for name in today.as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(answer.json().get(name).is_some(), "{what}: {name} is missing");
        }
    } else {
        assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    }
}

/// Names and types of rows' members; today's counts as strings are taken for numbers.
fn shapes(rows: &[Value]) -> BTreeSet<BTreeMap<String, &'static str>> {
    let kind = |name: &str, value: &Value| match value {
        Value::String(text) if text.parse::<i64>().is_ok() && COUNTS.contains(&name) => "number",
        Value::String(_) => "string",
        Value::Number(number) if number.is_i64() => "number",
        other => panic!("{name} is {other}"),
    };
    let shape = |row: &Value| {
        let members = row.as_object().unwrap().iter();
        members.map(|(name, value)| (name.clone(), kind(name, value))).collect()
    };
    rows.iter().map(shape).collect()
}

const COUNTS: [&str; 5] = ["pass", "fail", "na", "unknown", "total"];

/// Rows as sorted texts, counts as numbers.
fn normal(row: &Value) -> String {
    let members: BTreeMap<&String, Value> = row
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(count) if COUNTS.contains(&name.as_str()) => (name, count.into()),
            _ => (name, value.clone()),
        })
        .collect();
    serde_json::to_string(&members).unwrap()
}

fn rows_are_the_same(what: &str, ours: &[Value], today: &[Value], whole: bool) {
    let ours: BTreeSet<String> = ours.iter().map(normal).collect();
    let today: BTreeSet<String> = today.iter().map(normal).collect();
    if whole {
        assert_eq!(ours, today, "{what}");
    } else {
        let missing: Vec<&String> = today.difference(&ours).collect();
        assert!(missing.is_empty(), "{what}: {missing:?}");
    }
}

/// The reports and uploads that the answers tell of; rows that were cut off are made up to the counts.
async fn load(server: &Server, oracle: &[Value]) {
    let answer = |path: &str| {
        let asked = oracle.iter().find(|asked| asked["path"] == path && asked["method"] == "GET").expect(path);
        asked["body"].as_str().unwrap()
    };
    let whole: Value = serde_json::from_str(answer("/v3/report/247fee93-b201-4be1-8686-a1b7b7bf179e")).unwrap();
    let mut reports = vec![whole];
    let mut rows = BTreeMap::new();
    for asked in oracle.iter().filter(|asked| asked["path"].as_str().unwrap().starts_with("/v3/summary/")) {
        for row in asked["body"]
            .as_str()
            .filter(|body| body.starts_with('['))
            .map(|body| rows_of(body).0)
            .into_iter()
            .flatten()
        {
            rows.insert(row["guid"].as_str().unwrap().to_owned(), row);
        }
    }
    assert_eq!(rows.len(), 61);
    reports.extend(rows.values().map(report_of));
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in rows.values() {
        let key = |name: &str| row[name].as_str().unwrap().to_owned();
        *counted.entry((key("version"), key("grade"))).or_default() += 1;
    }
    let mut uploads = Vec::new();
    let (known, _) = rows_of(answer("/v1/upload/dist/HTTP-Queue-Fast"));
    for path in ["/v3/release/dist/HTTP-Queue-Fast", "/v3/release?limit=3", "/v1/release/author/AUTH001?limit=3"] {
        for row in rows_of(answer(path)).0 {
            let (distribution, version) = (row["dist"].as_str().unwrap(), row["version"].as_str().unwrap());
            let left = ["pass", "fail", "na", "unknown"].map(|grade| {
                let there = counted.get(&(version.to_owned(), grade.to_owned())).copied().unwrap_or_default();
                let there = if distribution == "HTTP-Queue-Fast" { there } else { 0 };
                (grade, row[grade].as_str().unwrap().parse::<usize>().unwrap() - there)
            });
            reports.extend(others(distribution, version, &left));
            uploads.push(row);
        }
    }
    // Lists without an order of their own have that in which releases became known.
    let mut releases: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for report in reports {
        let name = |part: &str| report["distribution"][part].as_str().unwrap().to_owned();
        releases.entry((name("name"), name("version"))).or_default().push(report);
    }
    for reports in releases.values() {
        server.submit_all(reports).await;
        server.settle().await;
    }
    let uploads: Vec<Upload> = uploads.iter().map(|row| upload_of(row, &known)).collect();
    put_uploads(server, &uploads).await;
    server.settle().await;
}

fn upload_of<'a>(row: &'a Value, known: &'a [Value]) -> Upload<'a> {
    let upload = known.iter().find(|upload| upload["dist"] == row["dist"] && upload["version"] == row["version"]);
    let said = |name: &str, otherwise: &'a str| upload.map_or(otherwise, |upload| upload[name].as_str().unwrap());
    let author = if row["dist"] == "Data-Graph-PP" { "AUTH001" } else { "AUTH002" };
    Upload {
        number: row["uploadid"].as_i64().unwrap(),
        distribution: row["dist"].as_str().unwrap(),
        version: row["version"].as_str().unwrap(),
        author: said("author", author),
        filename: said("filename", "Some-1.0.tar.gz"),
        released_at: said("released", "2025-01-01T00:00:00Z"),
    }
}
