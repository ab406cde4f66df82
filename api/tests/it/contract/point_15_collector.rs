//! Contract §10, point 15: the collector's reports by id and ids by time, in lower case.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::server::Server;
use crate::submissions::{Made, fixture_json};

const JSON: &str = "application/json";

fn collected() -> Value {
    let mut report = Made::default().json();
    report["environment"]["language"]["name"] = json!("perl");
    report["distribution"]["path"] = json!("PREACTION/Foo-Bar-1.0.tar.gz");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_comes_in_and_goes_out_by_its_lower_case_id() {
    let server = Server::start();
    let report = collected();
    let id = report["id"].as_str().unwrap().to_owned();
    let mut shouted = report.clone();
    shouted["id"] = json!(id.to_uppercase());
    let answer = server.post("/v1/report", JSON, shouted.to_string()).await;
    assert_eq!((answer.status, answer.json()), (201, json!([id])));
    assert_eq!(answer.header("content-type"), JSON);

    for said in [id.clone(), id.to_uppercase()] {
        let answer = server.get(&format!("/v1/report/{said}")).await;
        assert_eq!(answer.status, 200);
        let mut given = answer.json();
        assert_eq!(given["id"], id.as_str());
        assert!(given["created"].as_str().unwrap().ends_with('Z'));
        given.as_object_mut().unwrap().shift_remove("created");
        let mut expected = report.clone();
        expected["reporter"]["email"] = json!("");
        assert_eq!(given, expected);
    }
    assert_eq!(server.json(&format!("/v3/report/{id}")).await["environment"]["language"]["name"], "Perl 5");
    server.settle().await;
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_from_the_path_or_given() {
    let server = Server::start();
    let mut report = collected();
    report.as_object_mut().unwrap().shift_remove("id");
    let id = "AC0FFEE0-1111-4222-8333-444455556666";
    let answer = server.post(&format!("/v1/report/{id}"), JSON, report.to_string()).await;
    assert_eq!((answer.status, answer.json()), (201, json!([id.to_lowercase()])));
    let answer = server.post("/v1/report", "application/octet-stream", report.to_string()).await;
    let given = answer.json()[0].as_str().unwrap().to_owned();
    assert_eq!((answer.status, given.to_lowercase(), given.len()), (201, given.clone(), 36));
    assert_eq!(server.json(&format!("/v1/report/{given}")).await["id"], given.as_str());
    // A legacy report is read in the same words.
    let v3 = Made::default().json();
    let id = server.post("/v3/report", JSON, v3.to_string()).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.json(&format!("/v1/report/{id}")).await["environment"]["language"]["name"], "perl");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_collectors() {
    let server = Server::start();
    let answer = server.post("/v1/report", JSON, "").await;
    assert_eq!((answer.status, answer.json()), (400, json!({"error": "No content"})));
    let answer = server.get("/v1/report/00000000-0000-4000-8000-000000000000").await;
    assert_eq!((answer.status, answer.json()), (404, json!({"error": "Not Found"})));
    let mut faulty = collected();
    faulty["result"]["grade"] = json!("PASS");
    let answer = server.post("/v1/report", JSON, faulty.to_string()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["errors"][0]["path"], "/result/grade");
    for (path, body) in [("/v1/report", "{"), ("/v1/report/no-id", "{}"), ("/v1/report", "[]")] {
        let answer = server.post(path, JSON, body).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.json()["errors"][0]["message"].is_string(), "{path} {body}");
    }
    let first = collected();
    assert_eq!(server.post("/v1/report", JSON, first.to_string()).await.status, 201);
    let mut stolen = first.clone();
    stolen["reporter"] = json!({"name": "Mallory", "email": "mallory@example.org"});
    assert_eq!(server.post("/v1/report", JSON, stolen.to_string()).await.status, 409);

    let closed = Server::with(&["--listen", "127.0.0.1:0", "--set", "intake.anonymous=false"]);
    assert_eq!(closed.post("/v1/report", JSON, first.to_string()).await.status, 401);
    let (token, _) = closed.token(&["--scope", "submit"]);
    let request = closed.client.post(closed.at("/v1/report")).bearer_auth(token).body(first.to_string());
    assert_eq!(closed.ask(request).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_listed_by_the_day_hour_and_minute_of_their_receipt() {
    let server = Server::start();
    let reports: Vec<Value> = (0..1_200).map(|_| Made::default().json()).collect();
    server.submit_all(&reports).await;
    server.settle().await;
    let mut moments = BTreeSet::new();
    for row in server.lines("/v4/results").await {
        moments.insert(row["received_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap());
    }
    let wanted: BTreeSet<String> = reports.iter().map(|report| report["id"].as_str().unwrap().to_owned()).collect();
    for form in ["%Y/%m/%d", "%Y/%m/%d/%H", "%Y/%m/%d/%H/%M"] {
        let paths: BTreeSet<String> = moments.iter().map(|at| at.format(form).to_string()).collect();
        let mut ids = Vec::new();
        for path in &paths {
            let answer = server.get(&format!("/v1/timestamp/{path}")).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, JSON), "{path}");
            ids.extend(answer.json().as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
        }
        assert_eq!(ids.len(), 1_200, "{form}");
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted, "{form}");
    }
    assert_eq!(server.json("/v1/timestamp/2016/08/19").await, json!([]));
    assert_eq!(server.json("/v1/timestamp/2016/08/19/23/59").await, json!([]));
    for path in ["2016/13/01", "2016/02/30", "2016/8/19", "2016/08/19/24", "2016/08/19/00/60", "16/08/19", "2016/08/x1"]
    {
        let answer = server.get(&format!("/v1/timestamp/{path}")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains(path), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_demands_what_todays_does() {
    let server = Server::start();
    let answer = server.get("/schema/v1/report.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, JSON));
    let today = fixture_json("reference/collector-report.schema.json");
    demands(&answer.json(), &today, "");
}

fn demands(ours: &Value, today: &Value, at: &str) {
    match today {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "description" | "$id")) {
                let there = ours.get(name).unwrap_or_else(|| panic!("{at}/{name} is missing"));
                demands(there, member, &format!("{at}/{name}"));
            }
        }
        _ => assert_eq!(ours, today, "{at}"),
    }
}
