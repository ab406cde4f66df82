//! Whatever was accepted, by whichever door, its sender can see what became of it.

use serde_json::{Value, json};

use crate::captures::register_testers;
use crate::server::{Server, exchange};
use crate::submissions::{Made, captures};

/// Valid reports that are as odd as valid reports can be.
fn odd_reports() -> Vec<Value> {
    let mut reports: Vec<Value> = (0..8).map(|_| Made::default().json()).collect();
    reports[0]["created"] = "0001-01-01T00:00:00Z".into();
    reports[1]["created"] = "9999-12-31T23:59:59Z".into();
    reports[2]["result"]["output"]["uncategorized"] = "\u{1f980}\u{0}\u{1b}[31m".repeat(100_000).into();
    reports[3]["result"] = json!({"grade": "unknown", "output": {}});
    reports[4]["environment"]["language"]["version"] = "5.999999999.999999999".into();
    reports[5]["environment"]["language"] = json!({"name": "raku", "version": "v6.d", "archname": ""});
    reports[6]["distribution"] = json!({"name": "\u{e4}\u{1f980}", "version": "0", "prerequisites": []});
    reports[7]["comments"] = json!([[[[{"deep": [null, true, 1e300, -0.0]}]]]]);
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_report_ends_somewhere_its_sender_can_read() {
    let server = Server::start();
    register_testers(&server).await;
    let mut ids = Vec::new();
    for report in odd_reports() {
        let answer = server.submit(&report).await;
        if answer.status == 422 {
            // Refused at once and clearly: nothing was accepted.
            assert!(!answer.json()["errors"].as_array().unwrap().is_empty());
            continue;
        }
        assert_eq!(answer.status, 202, "{}", answer.text());
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    assert!(ids.len() >= 6, "{}", ids.len());
    let batch: String = (0..20).map(|_| format!("{}\n", Made::default().json())).collect();
    for line in server.post("/v4/reports", "application/x-ndjson", batch).await.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["receipt"], format!("/v4/reports/{}/receipt", line["id"].as_str().unwrap()));
        ids.push(line["id"].as_str().unwrap().to_owned());
    }
    for capture in captures().iter().filter(|capture| capture.path == "/v3/report").chain(captures().iter().take(5)) {
        let answer = exchange(&server, &capture.bytes).await.json();
        ids.push(answer["id"].as_str().or(answer["guid"].as_str()).unwrap().to_owned());
    }

    for id in &ids {
        let receipt = server.json(&format!("/v4/reports/{id}/receipt?wait=30")).await;
        let state = receipt["state"].as_str().unwrap();
        assert!(matches!(state, "processed" | "rejected" | "parked"), "{receipt}");
        assert_eq!(state == "processed", receipt["reason"].is_null(), "{receipt}");
        let attempts = receipt["attempts"].as_array().unwrap();
        assert!(!attempts.is_empty(), "{receipt}");
        assert!(attempts.iter().all(|attempt| attempt["ended_at"].is_string()), "{receipt}");
        let page = server.get(&format!("/status/{id}")).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.text().contains(state) && page.text().contains(id), "{id}");
        assert_eq!(server.get(&format!("/report/{id}")).await.status, 200);
    }
    let unknown = server.get("/v4/reports/00000000-0000-4000-8000-000000000000/receipt").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, "application/problem+json"));
}
