//! What real clients sent is accepted, processed, and becomes the row that today's server made of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::server::{Server, exchange};
use crate::submissions::{TESTERS, captures, fixture_bytes, registration};

/// Fields in which a row may differ, by the capture's file, because the contract says not to copy today's answer.
/// There are none.
const NOT_TO_COPY: &[(&str, &str)] = &[];

/// The fields of today's summary row that are not the server's own numbers (contract §3.2).
const FIELDS: [&str; 9] = ["dist", "version", "state", "perl", "platform", "osname", "osvers", "fulldate", "tester"];

pub async fn register_testers(server: &Server) {
    for (profile, name, address) in TESTERS {
        let body = registration(profile, name, address, None);
        let answer = server.post("/api/v1/register", "application/octet-stream", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// A result in the words of today's summary row.
fn as_row(result: &Value) -> BTreeMap<&'static str, String> {
    let text = |name: &str| result[name].as_str().unwrap_or_else(|| panic!("{name} in {result}")).to_owned();
    let created: DateTime<Utc> = text("created_at").parse().unwrap();
    let values = [
        text("distribution"),
        text("version"),
        text("grade"),
        text("language_version"),
        text("architecture"),
        text("osname"),
        text("os_version"),
        created.format("%Y%m%d%H%M").to_string(),
        text("tester"),
    ];
    FIELDS.into_iter().zip(values).collect()
}

/// Today's row, the tester's name taken out of `"Name" <address>` and its character references resolved.
fn of_today(row: &Value) -> BTreeMap<&'static str, String> {
    let mut row: BTreeMap<_, _> =
        FIELDS.into_iter().map(|field| (field, row[field].as_str().unwrap().to_owned())).collect();
    let tester = &row["tester"];
    let name = tester.strip_prefix('"').and_then(|rest| rest.rsplit_once("\" <")).expect("a name in quotes").0;
    let mut decoded = String::new();
    let mut rest = name;
    while let Some((before, reference)) = rest.split_once("&#") {
        let (number, after) = reference.split_once(';').unwrap();
        decoded.push_str(before);
        decoded.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = after;
    }
    decoded.push_str(rest);
    row.insert("tester", decoded);
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn every_capture_is_accepted_and_processed_and_its_row_equals_that_of_the_real_server() {
    let server = Server::start();
    register_testers(&server).await;
    let mut ids = BTreeMap::new();
    for capture in captures() {
        let answer = exchange(&server, &capture.bytes).await;
        assert_eq!(answer.status, 201, "{}: {}", capture.name, answer.text());
        match capture.path.as_str() {
            "/v3/report" => {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                ids.insert(capture.name.clone(), id);
            }
            _ => {
                assert_eq!(answer.json()["guid"], capture.id.as_str());
                ids.insert(capture.name.clone(), capture.id.clone());
            }
        }
    }
    server.settle().await;
    assert_eq!(ids.values().collect::<BTreeSet<_>>().len(), 141);

    let mut rows = BTreeMap::new();
    for (name, id) in &ids {
        let receipt = server.json(&format!("/v4/reports/{id}/receipt")).await;
        assert_eq!(receipt["state"], "processed", "{name}: {receipt}");
        let report = server.json(&format!("/v4/reports/{id}")).await;
        rows.insert(name.clone(), report["result"].clone());
    }
    compare_with_today(&rows);
    compare_with_what_was_tested(&rows);
}

fn compare_with_today(rows: &BTreeMap<String, Value>) {
    let answers = String::from_utf8(fixture_bytes("peer-answers/legacy.jsonl")).unwrap();
    let mut differences = Vec::new();
    let mut compared = 0;
    for line in answers.lines() {
        let today: Value = serde_json::from_str(line).unwrap();
        let name = today["file"].as_str().unwrap();
        let (ours, theirs) = (as_row(&rows[name]), of_today(&today["cpanstats"]));
        assert_eq!(rows[name]["id"], today["cpanstats"]["guid"]);
        for field in FIELDS {
            if ours[field] != theirs[field] && !NOT_TO_COPY.contains(&(name, field)) {
                differences.push(format!("{name}: {field} is {:?}, today {:?}", ours[field], theirs[field]));
            }
        }
        compared += 1;
    }
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(compared, 137);
}

/// The captures by the v3 door have no row of today's; what was tested is known.
fn compare_with_what_was_tested(rows: &BTreeMap<String, Value>) {
    let mut raku = 0;
    for capture in captures() {
        let row = &rows[&capture.name];
        assert_eq!(row["grade"], capture.about["grade"], "{}", capture.name);
        if capture.path == "/v3/report" {
            assert_eq!(row["language"], "raku", "{}", capture.name);
            assert_eq!(row["distribution"], capture.about["dist"], "{}", capture.name);
            raku += 1;
        }
    }
    assert_eq!(raku, 4);
}
