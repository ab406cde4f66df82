//! Contract §10, point 2: an unknown profile is told so in a form that clients show, and registers itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::legacy::{BASES, Tester, shown_to_tester};
use crate::server::{Connection, Server, exchange};
use crate::submissions::Made;

fn looking_up(base: &str, guid: &str) -> Vec<u8> {
    format!("HEAD {base}guid/{guid} HTTP/1.1\r\nHost: metabase.cpantesters.org\r\nAccept: application/json\r\n\r\n")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_profile_is_refused_looked_up_registered_and_taken() {
    let server = Server::start();
    let mut reports = 0;
    for base in BASES {
        // As the array of two, and as the profile by itself: then the first secret that comes is kept.
        for with_secret in [true, false] {
            let tester = Tester::named("Ann Example");
            let made = Made::default();
            let submitting = tester.submitting(base, &tester.report(&made));
            // All on one connection, as clients do it.
            let mut connection = Connection::open(&server).await;
            let refused = connection.exchange(&submitting).await;
            assert_eq!(shown_to_tester(&refused, 401), format!("User {} unrecognized", tester.profile));
            let unknown = connection.exchange(&looking_up(base, &tester.profile)).await;
            assert_eq!((unknown.status, unknown.body.len()), (404, 0));

            let registering = tester.registering(base, with_secret);
            assert!(!String::from_utf8(registering.clone()).unwrap().contains("Authorization"));
            let registered = connection.exchange(&registering).await;
            assert_eq!((registered.status, registered.json()), (200, json!({"message": "accepted"})));
            assert_eq!(registered.header("content-type"), "application/json");

            let known = connection.exchange(&looking_up(base, &tester.profile)).await;
            assert_eq!((known.status, known.body.len()), (200, 0));
            assert_eq!(connection.exchange(&submitting).await.status, 201);
            reports += 1;
        }
    }
    server.settle().await;
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], reports);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_right_to_submit_is_told_so_under_401() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let whole = String::from_utf8(tester.submitting("/api/v1/", &tester.report(&Made::default()))).unwrap();
    let (before, rest) = whole.split_once("Authorization: ").unwrap();
    let (_, after) = rest.split_once("\r\n").unwrap();
    let with = |authorization: &str| match authorization {
        "" => format!("{before}{after}"),
        said => format!("{before}Authorization: {said}\r\n{after}"),
    };
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let unknown = "00000000-0000-4000-8000-000000000000";
    for authorization in [
        String::new(),
        "Basic".to_owned(),
        "Basic ???".to_owned(),
        "Bearer token".to_owned(),
        basic("no colon"),
        basic("no guid:secret"),
        basic(&format!("{unknown}:secret")),
        basic(&format!("{}:", tester.profile)),
        basic(&format!("{}:s3cr", tester.profile)),
    ] {
        let answer = exchange(&server, with(&authorization).as_bytes()).await;
        assert!(!shown_to_tester(&answer, 401).is_empty(), "{authorization:?}");
    }
    assert_eq!(exchange(&server, whole.as_bytes()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guid_nobody_has_is_told_by_its_name() {
    let server = Server::start();
    let none = "00000000-0000-4000-8000-000000000000";
    for base in BASES {
        for guid in [none, "no-guid"] {
            let answer = server.get(&format!("{base}guid/{guid}")).await;
            assert_eq!(shown_to_tester(&answer, 404), format!("{guid} not found"));
        }
    }
}
