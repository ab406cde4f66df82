//! Contract §10, point 1: what a client submits is taken under both base paths, up to 32 MiB, and answered before it is
//! processed and after it is durable.

use serde_json::{Value, json};

use super::legacy::{BASES, Tester, shown_to_tester};
use crate::server::{Answer, Server, exchange};
use crate::submissions::Made;

/// The longest body that today's server takes, in bytes.
const LONGEST: usize = 32 << 20;

/// That a report was accepted, as today's server says it.
fn accepted(answer: &Answer, id: &str) {
    assert_eq!((answer.status, answer.json()), (201, json!({"guid": id})));
    assert_eq!(answer.header("location"), format!("/api/v1/guid/{id}"));
    assert_eq!(answer.header("content-type"), "application/json");
}

/// A body of exactly so many bytes, and the text in it. Three levels of JSON make a control character nine times as
/// long as it is.
fn long(tester: &Tester, made: &Made, length: usize) -> (String, String) {
    let mut made = Made { text: "\u{1b}[0m ok\n".repeat(1_000_000), ..made.clone() };
    let missing = length - tester.report(&made).len();
    made.text.push_str(&"a line of sixteen\n".repeat(missing / 30));
    let missing = length - tester.report(&made).len();
    made.text.push_str(&"a".repeat(missing));
    (tester.report(&made), made.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_levels_of_json_are_read_whatever_the_header_says_of_them() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    for base in BASES {
        for kind in ["application/octet-stream", "application/json", "text/plain; charset=latin1"] {
            let made = Made { text: "\"quoted\" \\ \t\u{1b}\u{0}Zo\u{eb}\n".to_owned(), ..Made::default() };
            let body = tester.report(&made);
            let report: Value = serde_json::from_str(&body).unwrap();
            let facts: Value = serde_json::from_str(report["content"].as_str().unwrap()).unwrap();
            let fact: Value = serde_json::from_str(facts[0]["content"].as_str().unwrap()).unwrap();
            assert_eq!(fact["textreport"], made.text.as_str());

            let request = String::from_utf8(tester.submitting(base, &body)).unwrap();
            let request = request.replace("Content-Type: application/octet-stream", &format!("Content-Type: {kind}"));
            accepted(&exchange(&server, request.as_bytes()).await, &made.id);
            let report = server.json(&format!("/v3/report/{}", made.id)).await;
            assert_eq!(report["result"]["output"]["uncategorized"], made.text.as_str(), "{base} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_another_type_are_not_taken_and_not_for_want_of_a_content_type() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    for base in BASES {
        let body = tester.report(&Made::default());
        let request = String::from_utf8(tester.submitting(base, &body)).unwrap();
        let request = request.replace("submit/CPAN-Testers-Report", "submit/CPAN-Testers-Fact-LegacyReport");
        let told = shown_to_tester(&exchange(&server, request.as_bytes()).await, 404);
        assert_eq!(told, "facts of type CPAN-Testers-Fact-LegacyReport are not taken: only CPAN-Testers-Report");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_32_mib_is_taken_and_one_byte_more_is_not() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let made = Made::default();
    let (body, text) = long(&tester, &made, LONGEST);
    assert_eq!(body.len(), LONGEST);
    for base in BASES {
        accepted(&exchange(&server, &tester.submitting(base, &body)).await, &made.id);
        let more = exchange(&server, &tester.submitting(base, &format!("{body}\n"))).await;
        assert_eq!(shown_to_tester(&more, 413), format!("the body has more than {LONGEST} bytes"));
    }
    server.settle().await;
    let raw = server.get(&format!("/v4/reports/{}/raw", made.id)).await;
    assert!(raw.body == body.as_bytes(), "{} other bytes came back", raw.body.len());
    let report = server.json(&format!("/v3/report/{}", made.id)).await;
    assert!(report["result"]["output"]["uncategorized"] == text.as_str(), "another text came back");
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_answered_before_it_is_processed_and_outlives_the_process() {
    let mut server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let (admin, _) = server.token(&["--scope", "admin"]);
    let held = server.client.put(server.at("/v4/workers")).bearer_auth(&admin).json(&json!({"workers": 0}));
    assert_eq!(server.ask(held).await.status, 200);
    let mut sent = Vec::new();
    for base in BASES {
        let made = Made::default();
        let body = tester.report(&made);
        accepted(&exchange(&server, &tester.submitting(base, &body)).await, &made.id);
        sent.push((made.id, body));
    }
    for (id, _) in &sent {
        assert_eq!(server.json(&format!("/v4/reports/{id}/receipt")).await["state"], "accepted");
    }
    assert_eq!(server.get("/v3/release/dist/Foo-Bar/1.0").await.status, 404);
    server.kill();

    server.start_again();
    server.settle().await;
    for (id, body) in &sent {
        assert_eq!(server.json(&format!("/v4/reports/{id}/receipt")).await["state"], "processed");
        assert_eq!(server.get(&format!("/v4/reports/{id}/raw")).await.text(), *body);
    }
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], 2);
}
