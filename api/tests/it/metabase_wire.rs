//! What a real install client sends, byte for byte, gets the answers it needs (contract §2.2, §11.1).

use serde_json::{Value, json};

use crate::server::{Answer, Connection, Server, exchange};
use crate::submissions::fixture_bytes;

const GUID: &str = "85853bd3-b822-4ecb-bf1b-91e8f581774f";
const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";
/// `PROFILE:s3cr:t/x`
const CREDENTIALS: &str = "Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOnMzY3I6dC94";

/// The requests of one run of a client, at another base path if wanted.
fn wire(number: u8, base: &str) -> Vec<u8> {
    let bytes = fixture_bytes(&format!("wire/0{number}.req"));
    let line = bytes.iter().position(|byte| *byte == b'\r').unwrap();
    let head = String::from_utf8(bytes[..line].to_vec()).unwrap().replace("/api/v1/", base);
    [head.as_bytes(), &bytes[line..]].concat()
}

/// The only shape whose error text clients show.
fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["error"], text);
}

async fn a_client_registers_and_submits(server: &Server, base: &str) {
    let mut connection = Connection::open(server).await;
    let unknown = connection.exchange(&wire(1, base)).await;
    refused(&unknown, 401, &format!("User {PROFILE} unrecognized"));
    let head = connection.exchange(&wire(2, base)).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    let registered = connection.exchange(&wire(3, base)).await;
    assert_eq!((registered.status, registered.json()), (200, json!({"message": "accepted"})));
    assert_eq!(registered.header("content-type"), "application/json");
    let submitted = connection.exchange(&wire(4, base)).await;
    assert_eq!((submitted.status, submitted.json()), (201, json!({"guid": GUID})));
    assert_eq!(submitted.header("content-type"), "application/json");
    assert_eq!(submitted.header("location"), format!("/api/v1/guid/{GUID}"));

    for known in [PROFILE, GUID, &GUID.to_uppercase()] {
        let request = format!("HEAD {base}guid/{known} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(connection.exchange(request.as_bytes()).await.status, 200, "{known}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_and_submits_over_one_connection_under_the_base_path_of_today() {
    let server = Server::start();
    a_client_registers_and_submits(&server, "/api/v1/").await;
    server.settle().await;
    let row = server.json(&format!("/v4/reports/{GUID}")).await;
    assert_eq!(row["result"]["tester"], "Jörg Example");
    assert_eq!((&row["result"]["distribution"], &row["result"]["version"]), (&"Foo-Bar".into(), &"1.24".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_and_submits_over_one_connection_under_the_old_base_path() {
    a_client_registers_and_submits(&Server::start(), "/beta/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_secret_seen_is_the_only_one_taken() {
    let server = Server::start();
    assert_eq!(exchange(&server, &wire(3, "/api/v1/")).await.status, 200);
    let with = |credentials: &str| {
        let bytes = String::from_utf8(wire(4, "/api/v1/")).unwrap();
        bytes.replace(CREDENTIALS, credentials).into_bytes()
    };
    // `PROFILE:other`
    let other = "Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOm90aGVy";
    let text = format!(
        "wrong secret for user {PROFILE}: it is not the one first used with this profile; if that is lost, make a new \
         profile or ask the operator to forget the old secret"
    );
    refused(&exchange(&server, &with(other)).await, 401, &text);
    assert_eq!(exchange(&server, &with(CREDENTIALS)).await.status, 201);
    refused(&exchange(&server, &with(other)).await, 401, &text);

    let renamed = String::from_utf8(wire(3, "/api/v1/")).unwrap().replace("s3cr:t/x", "12345678");
    let text = format!("profile {PROFILE} is registered with another secret");
    refused(&exchange(&server, renamed.as_bytes()).await, 403, &text);
    // Sending the profile again, with its own secret, is no fault.
    assert_eq!(exchange(&server, &wire(3, "/api/v1/")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_who_lost_the_secret_gets_in_again_once_the_operator_forgot_it() {
    let server = Server::start();
    assert_eq!(exchange(&server, &wire(3, "/api/v1/")).await.status, 200);
    assert_eq!(exchange(&server, &wire(4, "/api/v1/")).await.status, 201);
    // `PROFILE:other`
    let other = "Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOm90aGVy";
    let with_other = String::from_utf8(wire(4, "/api/v1/")).unwrap().replace(CREDENTIALS, other);
    assert_eq!(exchange(&server, with_other.as_bytes()).await.status, 401);

    let path = format!("/v4/testers/{PROFILE}/secret");
    assert_eq!(server.ask(server.client.delete(server.at(&path))).await.status, 401);
    let (reader, _) = server.token(&["--scope", "read"]);
    assert_eq!(server.ask(server.client.delete(server.at(&path)).bearer_auth(&reader)).await.status, 403);
    let (admin, _) = server.token(&["--scope", "admin"]);
    let told = server.run_there(&["forget-secret", PROFILE, "--token", &admin]);
    assert_eq!(told, format!("forgot the secret of {PROFILE}; the next one used with it is kept\n"));
    let again = server.ask(server.client.delete(server.at(&path)).bearer_auth(&admin)).await;
    assert_eq!(again.status, 404, "there is none to forget now: {}", again.text());

    assert_eq!(exchange(&server, with_other.as_bytes()).await.status, 201);
    assert_eq!(exchange(&server, &wire(4, "/api/v1/")).await.status, 401, "the lost secret is worth nothing now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_known_without_a_secret_takes_the_first_that_comes() {
    let server = Server::start();
    let body: Value = {
        let bytes = wire(3, "/api/v1/");
        let start = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&bytes[start..]).unwrap()
    };
    let profile_alone = body[0].to_string();
    let answer = server.post("/api/v1/register", "application/octet-stream", profile_alone).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"message": "accepted"})));
    assert_eq!(exchange(&server, &wire(4, "/api/v1/")).await.status, 201);
    let wrong = String::from_utf8(wire(4, "/api/v1/")).unwrap().replace("6dC94", "6dC95");
    assert_eq!(exchange(&server, wrong.as_bytes()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_post_is_ever_redirected() {
    let server = Server::start();
    let paths = ["/api/v1/submit/CPAN-Testers-Report", "/api/v1/register", "/beta/submit/CPAN-Testers-Report"];
    let more = ["/beta/register", "/v3/report", "/v4/reports", "/v4/reports/", "/api/v1/register/", "/v3/report/", "/"];
    for path in paths.into_iter().chain(more) {
        for body in ["", "{}"] {
            let answer = server.post(path, "application/octet-stream", body).await;
            assert!((400..500).contains(&answer.status), "POST {path}: {}", answer.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_again_is_accepted_again_and_counted_once() {
    let server = Server::start();
    assert_eq!(exchange(&server, &wire(3, "/api/v1/")).await.status, 200);
    for _ in 0..3 {
        let answer = exchange(&server, &wire(4, "/api/v1/")).await;
        assert_eq!((answer.status, answer.json()), (201, json!({"guid": GUID})));
    }
    server.settle().await;
    assert_eq!(server.json("/v4/status").await["totals"]["pass"], 1);
}
