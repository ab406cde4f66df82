//! One sender has a share of what is taken in, by address and by tester; behind a proxy, the sender is whom it names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::server::{Answer, Server};
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";

fn limited(settings: &[&str]) -> Server {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    Server::with(&["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect::<Vec<_>>())
}

async fn send_to(server: &Server, path: &str, kind: &str, from: &str, body: String) -> Answer {
    let request = server.client.post(server.at(path)).header("content-type", kind).header("x-forwarded-for", from);
    server.ask(request.basic_auth(PROFILE, Some("secret")).body(body)).await
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    // At a report a minute, eight minutes are the longest wait for eight reports.
    assert!((1..=481).contains(&answer.header("retry-after").parse::<u32>().unwrap()), "{:?}", answer.headers);
}

/// Reports without a credential: the header of [`send_to`] is for the legacy door.
async fn send_openly(server: &Server, from: &str, tester: &str) -> Answer {
    let body = Made { tester: tester.to_owned(), ..Made::default() }.json().to_string();
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    server.ask(request.header("x-forwarded-for", from).body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_behind_a_proxy_has_its_share_at_every_door() {
    let server = limited(&["proxies=127.0.0.1", "intake.address_rate=1", "intake.address_burst=6", "workers=0"]);
    for number in 0..6 {
        let answer = send_openly(&server, "203.0.113.1", &format!("Tester {number}")).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let answer = send_openly(&server, "203.0.113.1", "Tester 7").await;
    assert_refused(&answer);
    assert_eq!(answer.json()["type"], "/problems/too-fast");
    // What a sender says before its proxy's word changes nothing.
    assert_refused(&send_openly(&server, "198.51.100.9, 203.0.113.1", "Tester 8").await);
    assert_eq!(send_openly(&server, "203.0.113.2", "Tester 1").await.status, 202);

    let body = Made::default().json().to_string();
    let v3 = send_to(&server, "/v3/report", "application/json", "203.0.113.1", body).await;
    assert_refused(&v3);
    assert_eq!(v3.json()["status"], 429, "{}", v3.text());
    assert!(v3.json()["errors"][0]["message"].as_str().unwrap().contains("this address"), "{}", v3.text());
    for path in ["/api/v1/submit/CPAN-Testers-Report", "/beta/submit/CPAN-Testers-Report", "/api/v1/register"] {
        let legacy = send_to(&server, path, "application/octet-stream", "203.0.113.1", "[]".to_owned()).await;
        assert_refused(&legacy);
        assert_eq!(legacy.header("content-type"), "application/json");
        assert!(legacy.json()["error"].as_str().unwrap().contains("this address"), "{}", legacy.text());
    }
    assert!(server.metric("assay_turned_away_total").await >= 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_counts_and_a_refused_body_leaves_nothing() {
    let server = limited(&["proxies=127.0.0.1", "intake.address_rate=1", "intake.address_burst=10", "workers=0"]);
    let reports: Vec<Made> = (0..8).map(|_| Made::default()).collect();
    let body: String = reports.iter().map(|made| format!("{}\n", made.json())).collect();
    let many = async |from: &str| {
        let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/x-ndjson");
        server.ask(request.header("x-forwarded-for", from).body(body.clone())).await
    };
    assert_eq!(send_openly(&server, "203.0.113.1", "Ann").await.status, 202);
    for _ in 0..2 {
        assert_eq!(send_openly(&server, "203.0.113.1", "Ann").await.status, 202);
    }
    assert_refused(&many("203.0.113.1").await);
    for made in &reports {
        assert_eq!(server.get(&format!("/v4/reports/{}/receipt", made.id)).await.status, 404);
    }
    let answer = many("203.0.113.2").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_refused(&many("203.0.113.2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_has_a_share_that_nobody_else_can_use_up() {
    let server = limited(&["proxies=127.0.0.1", "intake.tester_rate=1", "intake.tester_burst=3", "workers=0"]);
    for _ in 0..3 {
        assert_eq!(send_openly(&server, "203.0.113.1", "Ann Example").await.status, 202);
    }
    let answer = send_openly(&server, "203.0.113.1", "Ann Example").await;
    assert_refused(&answer);
    assert!(answer.text().contains("this tester"), "{}", answer.text());
    assert_eq!(
        send_openly(&server, "203.0.113.1", "Bob Example").await.status,
        202,
        "another tester by the same relay"
    );
    assert_eq!(
        send_openly(&server, "203.0.113.2", "Ann Example").await.status,
        202,
        "whoever claims to be Ann without proof uses up the share of one address only"
    );
    // A token proves who sends, so its share is one, wherever it is used.
    let (token, _) = server.token(&["--scope", "submit", "--tester", "Cid Example"]);
    let with_token = async |from: &str| {
        let body = Made { tester: "Cid Example".to_owned(), ..Made::default() }.json().to_string();
        let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
        server.ask(request.header("x-forwarded-for", from).bearer_auth(&token).body(body)).await
    };
    for host in 1..=3 {
        assert_eq!(with_token(&format!("198.51.100.{host}")).await.status, 202);
    }
    assert_refused(&with_token("198.51.100.4").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_tester_has_a_share_too() {
    let server = limited(&["proxies=127.0.0.1", "intake.tester_rate=1", "intake.tester_burst=2", "workers=0"]);
    let profile = registration(PROFILE, "Ann Example", "ann@example.org", Some("secret"));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", profile).await.status, 200);
    let mut answers = Vec::new();
    for host in 1..=3 {
        let body = legacy_report(&uuid::Uuid::new_v4().to_string(), PROFILE, &Made::default());
        let from = format!("203.0.113.{host}");
        let path = "/api/v1/submit/CPAN-Testers-Report";
        answers.push(send_to(&server, path, "application/octet-stream", &from, body).await);
    }
    assert_eq!((answers[0].status, answers[1].status), (201, 201), "{}", answers[0].text());
    assert_refused(&answers[2]);
    assert!(answers[2].json()["error"].as_str().unwrap().contains("this tester"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trusted_proxy_the_header_says_nothing_and_this_machine_has_no_limit() {
    let server = limited(&["intake.address_rate=1", "intake.address_burst=2", "intake.tester_burst=2", "workers=0"]);
    for _ in 0..5 {
        assert_eq!(send_openly(&server, "203.0.113.1", "Ann Example").await.status, 202);
    }
    // Without exemptions, this machine is limited as any other, whatever the header says.
    let server = limited(&["intake.exempt=", "intake.address_rate=1", "intake.address_burst=2", "workers=0"]);
    for host in 1..=2 {
        assert_eq!(send_openly(&server, &format!("203.0.113.{host}"), "Ann Example").await.status, 202);
    }
    assert_refused(&send_openly(&server, "203.0.113.3", "Ann Example").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_have_waited_too_long_close_the_doors() {
    let server = limited(&["intake.queue_age=1s", "workers=0"]);
    assert_eq!(send_openly(&server, "", "Ann Example").await.status, 202);
    let end = std::time::Instant::now() + crate::server::PATIENCE;
    let refused = loop {
        let answer = send_openly(&server, "", "Ann Example").await;
        if answer.status != 202 {
            break answer;
        }
        assert!(std::time::Instant::now() < end, "nobody is turned away");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_refused(&refused);
    assert!(refused.text().contains("waiting for"), "{}", refused.text());
    let ready: Value = server.json("/readyz").await;
    assert_eq!(ready["intake"], "closed");
    let credentials = format!("Basic {}", STANDARD.encode(format!("{PROFILE}:secret")));
    let legacy = server.client.post(server.at("/api/v1/submit/CPAN-Testers-Report"));
    assert_refused(&server.ask(legacy.header("authorization", credentials).body("{}")).await);
}
