//! Contract §10, point 8: the 400 and 404 bodies of section 1, byte for byte in message and path.

use super::data::{assert_cors, error_of, others};
use crate::server::Server;

const NOTHING: (&str, &str, bool) = ("No results found", "/", false);

/// Path, status, message, path told, and whether `status` stands beside: that is the validator's way.
const CASES: &[(&str, u16, (&str, &str, bool))] = &[
    ("/v1/release/dist/Nope", 404, NOTHING),
    ("/v3/release/dist/Nope", 404, NOTHING),
    ("/v3/release/author/NOPE", 404, NOTHING),
    ("/v3/release/dist/Foo-Bar?maturity=dev", 404, NOTHING),
    ("/v3/release/dist/Foo-Bar?since=2999-01-01T00:00:00Z", 404, NOTHING),
    ("/v3/release/dist/Nope/1.0", 404, ("Not found", "/", false)),
    ("/v3/release/dist/Foo-Bar/2.0", 404, ("Not found", "/", false)),
    ("/v3/summary/Nope", 404, NOTHING),
    ("/v3/summary/Foo-Bar/2.0", 404, NOTHING),
    ("/v3/summary?perl=5.99.0", 404, NOTHING),
    ("/v3/summary/Foo-Bar?grade=fail", 404, NOTHING),
    ("/v1/upload/dist/Nope", 404, ("Distribution \"Nope\" not found", "/", false)),
    ("/v3/upload/author/nope", 404, ("Author \"nope\" not found", "/", false)),
    ("/v3/report/00000000-0000-4000-8000-000000000000", 404, ("Report ID not found", "/id", false)),
    ("/v3/report/no.id", 404, ("Report ID not found", "/id", false)),
    ("/v3/release/dist/Foo-Bar?limit=-1", 400, ("The value for \"limit\" must be a positive integer", "/", false)),
    ("/v3/release?limit=-1", 400, ("The value for \"limit\" must be a positive integer", "/", false)),
    ("/v3/release?limit=many", 400, ("The value for \"limit\" must be a positive integer", "/", false)),
    ("/v1/release/author/FOO?limit=x", 400, ("Expected integer - got string.", "/limit", true)),
    ("/v1/release/author/FOO?limit=1.5", 400, ("Expected integer - got number.", "/limit", true)),
    ("/v3/release/dist/Foo-Bar?since=2026-06-01", 400, ("Does not match date-time format.", "/since", true)),
    ("/v3/release/dist/Foo-Bar?maturity=old", 400, ("Not in enum list: stable, dev.", "/maturity", true)),
    ("/v3/upload?since=junk", 400, ("Does not match date-time format.", "/since", true)),
    ("/v3/upload/dist/Foo?maturity=old", 400, ("Not in enum list: stable, dev.", "/maturity", true)),
    ("/v3/summary/Foo-Bar?grade=bogus", 400, ("Not in enum list: pass, fail, na, unknown.", "/grade", true)),
    ("/v3/summary/Foo-Bar?perl_maturity=x", 400, ("Not in enum list: stable, dev.", "/perl_maturity", true)),
    ("/v3/summary?osname=linux&since=x", 400, ("Does not match date-time format.", "/since", true)),
    ("/v3/summary", 400, ("You must provide one of 'perl' or 'osname'", "/", false)),
    ("/v1/summary", 404, ("Not Found.", "/", true)),
    ("/v3/nothing", 404, ("Not Found.", "/", true)),
];

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_the_messages_and_paths_of_today() {
    let server = Server::start();
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 1)])).await;
    server.settle().await;
    for (path, status, told) in CASES {
        let answer = server.get(path).await;
        assert_eq!(answer.status, *status, "{path}: {}", answer.text());
        assert_cors(&answer, path);
        let (message, pointer, beside) = error_of(&answer);
        assert_eq!((message.as_str(), pointer.as_str(), beside), *told, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_never_remembered_as_an_empty_list() {
    let server = Server::start();
    for path in ["/v3/release", "/v1/release", "/v3/release/dist/Foo-Bar", "/v3/summary/Foo-Bar"] {
        for _ in 0..2 {
            let answer = server.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(error_of(&answer).0, "No results found");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    let answer = server.get("/v3/upload").await;
    assert_eq!((answer.status, answer.text()), (200, "[]".to_owned()));
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 1)])).await;
    server.settle().await;
    for path in ["/v3/release", "/v1/release", "/v3/release/dist/Foo-Bar", "/v3/summary/Foo-Bar"] {
        assert_eq!(server.json(path).await.as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faults_are_told_together() {
    let server = Server::start();
    let answer = server.get("/v3/summary/Foo?grade=x&since=y&perl_maturity=z").await;
    assert_eq!(answer.status, 400);
    let body = answer.json();
    let mut paths: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    paths.sort();
    assert_eq!(paths, ["/grade", "/perl_maturity", "/since"]);
    assert_eq!(body["status"], 400);
}
