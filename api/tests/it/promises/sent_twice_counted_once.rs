//! The same report again is the same receipt; other content is a correction from its tester, and 409 from others.

use schemas::ids::Digest;
use serde_json::Value;

use crate::recount::{check_counts, counts};
use crate::server::{Answer, Server};
use crate::submissions::Made;

async fn send(server: &Server, token: &str, report: &Value) -> Answer {
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    server.ask(request.bearer_auth(token).body(report.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_twice_counted_once() {
    let server = Server::start();
    let (ann, _) = server.token(&["--scope", "submit", "--tester", "Ann Example"]);
    let (bob, _) = server.token(&["--scope", "submit", "--tester", "Bob Example"]);
    let made = Made { grade: "fail", ..Made::default() };
    let report = made.json();

    let answers = futures::future::join_all((0..64).map(|_| send(&server, &ann, &report))).await;
    let fresh = answers.iter().filter(|answer| answer.status == 202).count();
    let known = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((fresh, known), (1, 63));
    for answer in &answers {
        let receipt = answer.json();
        for field in ["id", "digest", "revision", "links"] {
            assert_eq!(receipt[field], answers[0].json()[field]);
        }
        assert_eq!(answer.header("location"), format!("/v4/reports/{}/receipt", made.id));
    }
    server.settle().await;
    assert_eq!(server.lines("/v4/results").await.len(), 1);
    let receipt_path = format!("/v4/reports/{}/receipt", made.id);
    let receipt = server.json(&receipt_path).await;
    let again = send(&server, &ann, &report).await;
    assert_eq!((again.status, again.json()), (200, receipt.clone()));
    assert_eq!(server.json(&receipt_path).await, receipt);
    assert_eq!(counts(&server.json("/v4/releases/Foo-Bar/1.0").await), [0, 1, 0, 0]);

    another_tester_is_refused(&server, &bob, &made).await;
    assert_eq!(server.json(&receipt_path).await, receipt, "a refusal changed the receipt");

    let corrected = Made { grade: "pass", version: "1.1".to_owned(), ..made.clone() };
    let answer = send(&server, &ann, &corrected.json()).await;
    assert_eq!((answer.status, &answer.json()["revision"]), (202, &2.into()));
    server.settle().await;
    assert_eq!(server.get("/v4/releases/Foo-Bar/1.0").await.status, 404);
    assert_eq!(counts(&server.json("/v4/releases/Foo-Bar/1.1").await), [1, 0, 0, 0]);
    let rows = server.lines("/v4/results").await;
    assert_eq!((rows.len(), &rows[0]["grade"]), (1, &"pass".into()));
    assert_eq!(counts(&server.json("/v4/status").await["totals"]), [1, 0, 0, 0]);
    assert_eq!(server.json(&receipt_path).await["digest"], digest(&corrected.json()));
    check_counts(&server).await;
}

async fn another_tester_is_refused(server: &Server, bob: &str, made: &Made) {
    let other = Made { text: "It is mine.".to_owned(), ..made.clone() }.json();
    for answer in [send(server, bob, &other).await, server.submit(&other).await] {
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&digest(&made.json())) && detail.contains(&digest(&other)), "{detail}");
    }
    let line = server.post("/v4/reports", "application/x-ndjson", other.to_string()).await.json();
    assert_eq!((&line["outcome"], &line["status"]), (&"conflict".into(), &409.into()));
}

fn digest(report: &Value) -> String {
    Digest::of(report.to_string().as_bytes()).to_string()
}
