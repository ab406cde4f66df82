//! Jobs and attempts in the open: listed, shown as pages, and moved by those who may.

use serde_json::{Value, json};

use crate::cli_stub;
use crate::cli_stub::{Stub, assay};
use crate::raw::Raw;
use crate::server::{Answer, Server};
use crate::submissions::Made;

async fn order(server: &Server, token: &str, path: &str, body: Option<Value>) -> Answer {
    let request = server.client.post(server.at(path)).bearer_auth(token);
    server.ask(if let Some(body) = body { request.json(&body) } else { request }).await
}

async fn workers(server: &Server, token: &str, workers: usize) {
    let request = server.client.put(server.at("/v4/workers")).bearer_auth(token).json(&json!({"workers": workers}));
    assert_eq!(server.ask(request).await.status, 200);
}

/// A server on which 63 reports are processed and the first of its 64 is parked: the bytes of that are damaged. Gives
/// the token of an admin, the id of that report, its job, and the bytes that were there.
async fn with_one_parked() -> (Server, String, String, i64, Vec<u8>) {
    let server = Server::start();
    let (token, _) = server.token(&["--scope", "admin"]);
    workers(&server, &token, 0).await;
    let reports: Vec<Value> = (0..64).map(|_| Made::default().json()).collect();
    server.submit_all(&reports).await;
    let id = reports[0]["id"].as_str().unwrap().to_owned();
    let raw = Raw::of(&server).await;
    let number = raw.number(&id).await;
    let bytes: Vec<u8> = raw.value(&format!("SELECT body FROM bodies WHERE number = {number}")).await;
    raw.overwrite_body(number, &[0]).await;
    workers(&server, &token, 2).await;
    server.settle().await;
    let receipt = server.json(&format!("/v4/reports/{id}/receipt")).await;
    assert_eq!(receipt["state"], "parked", "{receipt}");
    let job = receipt["job"].as_i64().unwrap();
    (server, token, id, job, bytes)
}

async fn mend(server: &Server, id: &str, bytes: &[u8]) {
    let raw = Raw::of(server).await;
    raw.overwrite_body(raw.number(id).await, bytes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_report_is_seen_in_its_job_and_goes_through_once_it_is_mended_and_retried() {
    let (server, token, id, job, bytes) = with_one_parked().await;
    let parked = server.json("/v4/jobs?state=parked").await;
    assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
    assert_eq!((&parked["items"][0]["number"], &parked["items"][0]["parked"]), (&json!(job), &json!(1)));
    let shown = server.json(&format!("/v4/jobs/{job}")).await;
    assert_eq!(shown["state"], "parked");
    let reports = shown["reports"].as_array().unwrap();
    let report = reports.iter().find(|report| report["id"] == *id).expect("the report is in its job");
    assert_eq!(report["state"], "parked");
    assert!(report["reason"].as_str().unwrap().starts_with("its stored bytes are damaged"), "{report}");
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["job"], &attempt["attempt"], &attempt["outcome"]), (&json!(job), &json!(1), &json!("done")));
    assert!(attempt["worker"].is_string() && attempt["started_at"].is_string() && attempt["ended_at"].is_string());
    for path in [format!("/jobs/{job}"), "/jobs?state=parked".to_owned(), format!("/status/{id}")] {
        let page = server.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains(&format!("href=\"/jobs/{job}\"")) || path.starts_with("/jobs/"), "{path}");
    }
    assert!(server.get(&format!("/jobs/{job}")).await.text().contains(&id));

    mend(&server, &id, &bytes).await;
    let answer = order(&server, &token, &format!("/v4/jobs/{job}/retry"), None).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let again = answer.json()["number"].as_i64().unwrap();
    assert_eq!((answer.header("location"), &answer.json()["parent"]), (&*format!("/v4/jobs/{again}"), &json!(job)));
    let receipt = server.json(&format!("/v4/reports/{id}/receipt?wait=30")).await;
    assert_eq!((&receipt["state"], &receipt["reason"]), (&json!("processed"), &Value::Null), "{receipt}");
    let jobs: Vec<_> = receipt["attempts"].as_array().unwrap().iter().map(|attempt| attempt["job"].clone()).collect();
    assert_eq!(jobs, [json!(job), json!(again)], "attempts of the job before it come first");
    assert_eq!(server.json("/v4/jobs?state=parked").await["items"], json!([]));
    assert_eq!(server.json(&format!("/v4/jobs/{job}")).await["children"], json!([again]));
    assert_eq!(server.json("/v4/status").await["totals"]["pass"], 64);
    let unfit = order(&server, &token, &format!("/v4/jobs/{job}/retry"), None).await;
    assert_eq!((unfit.status, &unfit.json()["type"]), (409, &json!("/problems/unfit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_parked_or_one_report_is_retried_by_one_order_of_an_admin() {
    let (server, token, id, job, bytes) = with_one_parked().await;
    // Tried again while it is still damaged, it is parked again, in the new job.
    let answer = order(&server, &token, &format!("/v4/reports/{id}/retry"), None).await;
    assert_eq!((answer.status, answer.json()["id"].as_str().unwrap()), (202, &*id));
    server.settle().await;
    let receipt = server.json(&format!("/v4/reports/{id}/receipt")).await;
    assert_eq!((&receipt["state"], receipt["attempts"].as_array().unwrap().len()), (&json!("parked"), 2));
    assert_ne!(receipt["job"], json!(job));

    mend(&server, &id, &bytes).await;
    let (submit, _) = server.token(&["--scope", "submit,read"]);
    let paths = ["/v4/jobs/retry".to_owned(), format!("/v4/jobs/{job}/retry"), format!("/v4/reports/{id}/retry")];
    for path in paths.into_iter().chain([format!("/v4/jobs/{job}/park"), "/v4/jobs/x/retry".to_owned()]) {
        assert_eq!(server.post(&path, "application/json", "{}").await.status, 401, "{path}");
        assert_eq!(order(&server, &submit, &path, Some(json!({}))).await.status, 403, "{path}");
    }
    let answer = order(&server, &token, "/v4/jobs/retry", None).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"reports": 1, "jobs": 1})));
    server.settle().await;
    assert_eq!(server.json(&format!("/v4/reports/{id}/receipt")).await["state"], "processed");
    let answer = order(&server, &token, "/v4/jobs/retry", None).await;
    assert_eq!(answer.json(), json!({"reports": 0, "jobs": 0}));
    for (path, status) in [
        ("/v4/jobs/999999/retry", 404),
        ("/v4/jobs/x/retry", 400),
        ("/v4/jobs/-1/park", 400),
        ("/v4/reports/00000000-0000-4000-8000-000000000000/retry", 404),
        ("/v4/reports/x/retry", 400),
    ] {
        let answer = order(&server, &token, path, Some(json!({"reason": "x"}))).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_can_be_parked_with_a_reason_its_senders_read() {
    let server = Server::start();
    let (token, _) = server.token(&["--scope", "admin"]);
    workers(&server, &token, 0).await;
    let made = Made::default();
    assert_eq!(server.submit(&made.json()).await.status, 202);
    let waiting = server.json("/v4/jobs?state=waiting").await;
    let job = waiting["items"][0]["number"].as_i64().unwrap();
    let path = format!("/v4/jobs/{job}/park");
    for (body, status) in [
        (json!({}), 400),
        (json!({"reason": " "}), 400),
        (json!({"reason": "x".repeat(501)}), 400),
        (json!({"reason": "x", "because": "y"}), 400),
        (json!({"reason": "made by a broken smoker"}), 200),
        (json!({"reason": "again"}), 409),
    ] {
        let answer = order(&server, &token, &path, Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let receipt = server.json(&format!("/v4/reports/{}/receipt", made.id)).await;
    let reason = "parked by an operator: made by a broken smoker";
    assert_eq!((&receipt["state"], &receipt["reason"]), (&json!("parked"), &json!(reason)));
    workers(&server, &token, 2).await;
    assert_eq!(order(&server, &token, &format!("/v4/jobs/{job}/retry"), None).await.status, 202);
    server.settle().await;
    assert_eq!(server.json(&format!("/v4/reports/{}/receipt", made.id)).await["state"], "processed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_jobs_comes_in_pages_and_refuses_what_it_does_not_know() {
    let server = Server::start();
    for _ in 0..5 {
        assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    }
    server.settle().await;
    let mut numbers = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.json(&format!("/v4/jobs?state=done&limit=2{after}")).await;
        numbers.extend(page["items"].as_array().unwrap().iter().map(|job| job["number"].as_i64().unwrap()));
        assert!(page["fresh_at"].is_string());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(numbers.len(), 5, "{numbers:?}");
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
    for (query, status) in [("state=odd", 400), ("after=x", 400), ("limit=0", 400), ("colour=red", 400), ("", 200)] {
        assert_eq!(server.get(&format!("/v4/jobs?{query}")).await.status, status, "{query}");
        assert_eq!(server.get(&format!("/jobs?{query}")).await.status, status, "page: {query}");
    }
    for (path, status) in [("/v4/jobs/999999", 404), ("/v4/jobs/x", 400), ("/jobs/999999", 404), ("/jobs/0", 400)] {
        assert_eq!(server.get(path).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_shows_parks_retries_and_drains() {
    let server = Server::start();
    let (token, _) = server.token(&["--scope", "admin"]);
    workers(&server, &token, 0).await;
    let made = Made::default();
    assert_eq!(server.submit(&made.json()).await.status, 202);
    let job = async |arguments: &[&str]| {
        let remote = ["--server", &server.url, "--token", &token];
        assay(server.home(), &[&["job"], arguments, &remote].concat()).await
    };
    let listed = job(&["ls", "--state", "waiting", "--json"]).await;
    let page: Value = serde_json::from_str(&listed.stdout).unwrap();
    let number = page["items"][0]["number"].to_string();
    let drain = async |timeout: &str| {
        assay(server.home(), &["job", "drain", "--timeout", timeout, "--json", "--server", &server.url]).await
    };
    let held = drain("1s").await;
    let told: Value = serde_json::from_str(&held.stdout).unwrap();
    assert_eq!((held.code, &told["drained"], &told["waiting"]), (7, &json!(false), &json!(1)));

    let parked = job(&["park", &number, "--reason", "for a test"]).await;
    assert_eq!(parked.code, 0, "{parked:?}");
    assert!(parked.stdout.contains("parked by an operator: for a test"), "{parked:?}");
    let shown = job(&["show", &number]).await;
    assert!(shown.stdout.contains(&made.id) && shown.stdout.contains("parked"), "{shown:?}");
    assert!(job(&["ls"]).await.stdout.lines().any(|line| line.starts_with(&number) && line.contains("parked")));
    let retried = job(&["retry", "--all", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&retried.stdout).unwrap(), json!({"reports": 1, "jobs": 1}));
    workers(&server, &token, 2).await;
    let drained = drain("60s").await;
    let told: Value = serde_json::from_str(&drained.stdout).unwrap();
    assert_eq!((drained.code, &told["drained"]), (0, &json!(true)), "{drained:?}");
    assert_eq!(server.json(&format!("/v4/reports/{}/receipt", made.id)).await["state"], "processed");
    let unfit = job(&["retry", "--report", &made.id]).await;
    assert_eq!(unfit.code, 4, "{unfit:?}");
    for wrong in [&["retry"][..], &["retry", "1", "--all"], &["park", "1"], &["show"], &["ls", "--state", "odd"]] {
        assert_eq!(job(wrong).await.code, 2, "{wrong:?}");
    }
    let stub = Stub::scripted([cli_stub::json(503, json!({}))]).await;
    assert_eq!(assay(server.home(), &["job", "drain", "--server", &stub.url]).await.code, 5);
}
