//! Reports are taken while PostgreSQL is away, outlive the node, and are counted once when it is back.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use services::OwnServers;
use services::Server::Postgres;

use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";
/// Basic credentials `PROFILE:s3cr:t/x`, and others.
const CREDENTIALS: &str = "Basic Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOnMzY3I6dC94";
const WRONG_CREDENTIALS: &str = "Basic Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOndyb25n";

/// A node on a PostgreSQL server of its own.
struct Node {
    server: Server,
    database: String,
    // Ends after the node.
    postgres: OwnServers,
}

impl Node {
    fn start(settings: &[&str]) -> Option<Node> {
        let postgres = OwnServers::start(&[Postgres])?;
        let database = format!("database={}", postgres.url(Postgres));
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--set", &database];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        Some(Node { server: Server::with(&arguments), postgres, database })
    }

    async fn readiness(&self) -> (u16, Value) {
        let answer = self.server.get("/readyz").await;
        (answer.status, answer.json())
    }

    async fn wait_until(&self, what: &str, done: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, parts) = self.readiness().await;
            if done(&parts) {
                return;
            }
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}; {parts}\n{}", self.server.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Waits until the database is back and has everything.
    async fn handed_over(&self) {
        self.wait_until("the spool is handed over", |parts| parts["database"] == "ok" && parts["spooling"] == 0).await;
        self.server.settle().await;
    }

    async fn with(&self, credential: &str, path: &str, body: String) -> Answer {
        let request = self.server.client.post(self.server.at(path)).header("authorization", credential);
        self.server.ask(request.header("content-type", "application/json").body(body)).await
    }

    /// Sends a legacy report, which is taken, and gives its id and bytes.
    async fn legacy(&self, credential: &str) -> (String, String) {
        let id = uuid::Uuid::new_v4().to_string();
        let body = legacy_report(&id, PROFILE, &Made::default());
        let answer = self.with(credential, "/api/v1/submit/CPAN-Testers-Report", body.clone()).await;
        assert_eq!((answer.status, answer.json()), (201, json!({"guid": id})), "{}", answer.text());
        (id, body)
    }

    async fn receipt(&self, id: &str) -> Value {
        self.server.json(&format!("/v4/reports/{id}/receipt")).await
    }

    async fn total(&self) -> u64 {
        self.server.json("/v4/status").await["totals"]["pass"].as_u64().unwrap()
    }
}

/// What a tester sent, and what was answered.
#[derive(Default)]
struct Sent {
    /// Bodies by report id.
    bodies: BTreeMap<String, String>,
}

impl Sent {
    /// Fifty reports through each of the doors for one, and as many in one batch.
    async fn send(&mut self, node: &Node) {
        for _ in 0..50 {
            let made = Made::default();
            let (id, body) = (made.id.clone(), made.json().to_string());
            let answer = node.server.submit(&made.json()).await;
            assert_eq!((answer.status, &answer.json()["state"]), (202, &"spooled".into()), "{}", answer.text());
            assert_eq!(answer.header("location"), format!("/v4/reports/{id}/receipt"));
            self.bodies.insert(id, body);

            let mut v3 = made.json();
            v3.as_object_mut().unwrap().remove("id");
            let answer = node.server.post("/v3/report", "application/json", v3.to_string()).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            self.bodies.insert(answer.json()["id"].as_str().unwrap().to_owned(), v3.to_string());

            let (id, body) = node.legacy(CREDENTIALS).await;
            self.bodies.insert(id, body);
        }
        let batch: Vec<Value> = (0..50).map(|_| Made::default().json()).collect();
        let lines: Vec<String> = batch.iter().map(Value::to_string).collect();
        let answer = node.server.post("/v4/reports", "application/x-ndjson", lines.join("\n")).await;
        for (line, body) in answer.text().lines().zip(&lines) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&line["outcome"], &line["status"]), (&"spooled".into(), &202.into()), "{line}");
            self.bodies.insert(line["id"].as_str().unwrap().to_owned(), body.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_while_postgres_is_away_outlives_the_node_and_is_counted_once() {
    let Some(mut node) = Node::start(&[]) else { return };
    let set = ["--set".to_owned(), node.database.clone()];
    let (token, _) =
        node.server.token(&["--scope", "submit", "--tester", "Bob Example", set[0].as_str(), set[1].as_str()]);
    let body = registration(PROFILE, "Ann Example", "ann@example.org", Some("s3cr:t/x"));
    assert_eq!(node.server.post("/api/v1/register", "application/octet-stream", body).await.status, 200);
    let early = Made::default();
    assert_eq!(node.server.submit(&early.json()).await.json()["state"], "accepted");
    let (status, parts) = node.readiness().await;
    assert_eq!((status, &parts["database"], &parts["spooling"]), (200, &"ok".into(), &0.into()), "{parts}");

    node.postgres.kill(Postgres);
    let mut sent = Sent::default();
    sent.send(&node).await;
    assert_eq!(sent.bodies.len(), 200);
    let (status, parts) = node.readiness().await;
    assert_eq!((status, &parts["database"], &parts["spooling"]), (200, &"away".into(), &200.into()), "{parts}");
    assert_eq!(parts["intake"], "open");
    for id in sent.bodies.keys() {
        assert_eq!(node.receipt(id).await["state"], "spooled");
    }
    let twice = Made::default();
    for status in [202, 200] {
        let answer = node.server.submit(&twice.json()).await;
        assert_eq!((answer.status, &answer.json()["state"]), (status, &"spooled".into()), "{}", answer.text());
    }
    let page = node.server.get(&format!("/status/{}", sent.bodies.keys().next().unwrap())).await;
    assert_eq!(page.status, 200);
    for path in ["/v4/releases/Foo-Bar/1.0", &format!("/v4/reports/{}/receipt", early.id)] {
        let answer = node.server.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"), "{path}");
        assert!(!answer.header("retry-after").is_empty(), "{path}");
    }
    assert_eq!(node.server.metric("assay_database_away").await, 1.0);
    assert!(node.server.metric("assay_spooled_reports").await >= 200.0);

    // Credentials that cannot be looked up, some of them wrong.
    let (right, wrong) = (Made::default(), Made::default());
    let bearer = format!("Bearer {token}");
    assert_eq!(node.with(&bearer, "/v4/reports", right.json().to_string()).await.status, 202);
    assert_eq!(node.with("Bearer assay_invented", "/v4/reports", wrong.json().to_string()).await.status, 202);
    let (wrong_secret, _) = node.legacy(WRONG_CREDENTIALS).await;
    let invalid = node.server.submit(&json!({"no": "report"})).await;
    assert_eq!(invalid.status, 422, "what can be refused at once is");

    node.server.kill();
    node.server.start_again();
    let (status, parts) = node.readiness().await;
    assert_eq!((status, &parts["database"]), (200, &"away".into()), "{parts}");
    for id in sent.bodies.keys() {
        assert_eq!(node.receipt(id).await["state"], "spooled", "{id} after the node was killed");
    }
    let late = Made::default();
    assert_eq!(node.server.submit(&late.json()).await.json()["state"], "spooled");
    let checked = node.server.command(&["check", "--set", &node.database]).output().unwrap();
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("reports wait for the database since"), "{checked}");

    node.postgres.start_again(Postgres);
    node.handed_over().await;
    for (id, body) in &sent.bodies {
        assert_eq!(node.receipt(id).await["state"], "processed", "{id}");
        let raw = node.server.get(&format!("/v4/reports/{id}/raw")).await;
        assert!(raw.body == body.as_bytes(), "{id} has other bytes: {} instead of {body}", raw.text());
    }
    for id in [&early.id, &twice.id, &right.id, &late.id] {
        assert_eq!(node.receipt(id).await["state"], "processed", "{id}");
    }
    let of_bob = node.server.json(&format!("/v4/reports/{}", right.id)).await;
    assert_eq!(of_bob["result"]["tester"], "Bob Example");
    for (id, reason) in [(&wrong.id, "token"), (&wrong_secret, "wrong secret")] {
        let receipt = node.receipt(id).await;
        assert_eq!(receipt["state"], "rejected", "{receipt}");
        assert!(receipt["reason"].as_str().unwrap().contains(reason), "{receipt}");
    }
    assert_eq!(node.total().await, 204, "each is counted once");
    let again = node.server.submit(&late.json()).await;
    assert_eq!((again.status, &again.json()["state"]), (200, &"processed".into()), "known already");
    assert_eq!(node.server.metric("assay_spooled_reports").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_holds_nobody_up_and_nothing_is_counted_twice() {
    let Some(node) = Node::start(&["spool.patience=500ms"]) else { return };
    assert_eq!(node.server.submit(&Made::default().json()).await.json()["state"], "accepted");
    node.postgres.pause(Postgres);
    let reports: Vec<Made> = (0..20).map(|_| Made::default()).collect();
    for made in &reports {
        let answer = node.server.submit(&made.json()).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &"spooled".into()), "{}", answer.text());
    }
    node.postgres.resume(Postgres);
    node.handed_over().await;
    for made in &reports {
        assert_eq!(node.receipt(&made.id).await["state"], "processed");
    }
    assert_eq!(node.total().await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_turns_reports_away_and_the_node_with_them() {
    let Some(node) = Node::start(&["spool.reports=3"]) else { return };
    node.postgres.kill(Postgres);
    for _ in 0..3 {
        assert_eq!(node.server.submit(&Made::default().json()).await.status, 202);
    }
    let refused = node.server.submit(&Made::default().json()).await;
    assert_eq!((refused.status, refused.header("content-type")), (503, "application/problem+json"));
    assert!(!refused.header("retry-after").is_empty());
    let (status, parts) = node.readiness().await;
    assert_eq!((status, &parts["spool"], &parts["intake"]), (503, &"full".into(), &"closed".into()), "{parts}");
    node.postgres.start_again(Postgres);
    node.handed_over().await;
    assert_eq!(node.server.submit(&Made::default().json()).await.status, 202);
    assert_eq!(node.readiness().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_started_while_postgres_is_away_waits_for_it() {
    let Some(node) = Node::start(&["workers=0"]) else { return };
    let made = Made::default();
    assert_eq!(node.server.submit(&made.json()).await.json()["state"], "accepted");
    node.postgres.kill(Postgres);
    let worker = ["worker", "--set", &node.database, "--set", "index=none", "--set", "workers=1"];
    let mut worker = node.server.command(&worker).spawn().unwrap();
    // It has asked for the database by then, in vain, and more than once.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    assert!(worker.try_wait().unwrap().is_none(), "it waits: {}", node.server.log());
    node.postgres.start_again(Postgres);
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = node.server.get(&format!("/v4/reports/{}/receipt", made.id)).await;
        if answer.status == 200 && answer.json()["state"] == "processed" {
            break;
        }
        assert!(Instant::now() < end, "the worker has not begun: {}\n{}", answer.text(), node.server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
}
