//! Every refusal under `/v4` is a problem document that says what, why, and where (RFC 9457).

use serde_json::{Value, json};

use crate::server::{Answer, Server};
use crate::submissions::Made;

fn check(what: &str, answer: &Answer, status: u16) -> Value {
    let text = answer.text();
    assert_eq!(answer.status, status, "{what}: {text}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {text}");
    let problem = answer.json();
    assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{what}: {text}");
    assert!(problem["title"].as_str().is_some_and(|title| title.len() > 5), "{what}: {text}");
    assert_eq!(problem["status"], status, "{what}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{what}: {text}");
    assert_eq!(problem["request_id"], answer.header("x-request-id"), "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    for fault in problem["errors"].as_array().into_iter().flatten() {
        let pointer = fault["pointer"].as_str().unwrap();
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{what}: {text}");
        assert!(!fault["detail"].as_str().unwrap().is_empty(), "{what}: {text}");
    }
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_answer() {
    let server = Server::start();
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle_index().await;
    for (path, status, pointer) in [
        ("/v4/matrix/Foo-Bar/1.0?axes=perl", 400, "/axes"),
        ("/v4/matrix/Foo-Bar/1.0?axes=os,os", 400, "/axes"),
        ("/v4/matrix/Foo-Bar/1.0?axes=version,language_version,os,architecture", 400, "/axes"),
        ("/v4/matrix/Foo-Bar?axes=", 400, "/axes"),
        ("/v4/matrix/Foo-Bar?language=ruby", 400, "/language"),
        ("/v4/results?grade=good", 400, "/grade"),
        ("/v4/results?limit=0", 400, "/limit"),
        ("/v4/results?limit=-1", 400, "/limit"),
        ("/v4/results?limit=1000000", 400, "/limit"),
        ("/v4/results?cursor=x", 400, "/cursor"),
        ("/v4/results?since=yesterday", 400, "/since"),
        ("/v4/summaries?maturity=ripe", 400, "/maturity"),
        ("/v4/summaries?cursor=%00", 400, "/cursor"),
        ("/v4/changes?after=-1", 400, "/after"),
        ("/v4/changes?after=99999999999999999999", 400, "/after"),
        ("/v4/changes?limit=none", 400, "/limit"),
        ("/v4/search?q=%22open", 400, "/q"),
        ("/v4/search?q=x&limit=1000", 400, "/limit"),
        ("/v4/search?q=x&order=best", 400, "/order"),
        ("/v4/search?q=x&cursor=99999999999", 400, "/cursor"),
        ("/v4/reports/not-an-id", 400, "/id"),
        ("/v4/reports/not-an-id/raw", 400, "/id"),
    ] {
        let problem = check(path, &server.get(path).await, status);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
    }
    for (path, status) in [
        ("/v4/results?perl=5.36.0", 400),
        ("/v4/summaries?dist=Foo-Bar", 400),
        ("/v4/changes?wait=soon", 400),
        ("/v4/search?query=x", 400),
        ("/v4/releases/%FF/1.0", 400),
        ("/v4/results?distribution=%FF%FE", 400),
        ("/v4/nothing", 404),
        ("/v4/releases/No-Such", 404),
        ("/v4/releases/Foo-Bar/9", 404),
        ("/v4/distributions/foo-bar", 404),
        ("/v4/matrix/No-Such", 404),
        ("/v4/authors/NOBODY", 404),
        ("/v4/testers/nobody", 404),
        ("/v4/reports/00000000-0000-4000-8000-000000000000", 404),
        ("/v4/tokens", 401),
    ] {
        // Half of these queries are texts that a URL may not even hold; what matters is that they are told so.
        let answer = server.get(path).await;
        if path.contains("distribution=%FF") && answer.status == 200 {
            assert_eq!(answer.json()["items"], json!([]));
            continue;
        }
        check(path, &answer, status);
    }
    methods_and_bodies(&server).await;
    pages_tell_it_as_pages(&server).await;
}

async fn methods_and_bodies(server: &Server) {
    let at = |path: &str| server.at(path);
    let client = &server.client;
    let (submit, _) = server.token(&["--scope", "submit"]);
    let (admin, _) = server.token(&["--scope", "admin"]);
    let faulty = json!({"reporter": {"email": 7}, "environment": {}, "distribution": [], "result": {"grade": "PASS"}});
    let problem = check("a faulty report", &server.submit(&faulty).await, 422);
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    for pointer in ["/reporter/email", "/environment/language", "/environment/system", "/distribution", "/result/grade"]
    {
        assert!(pointers.iter().any(|found| found.starts_with(pointer)), "{pointer} is not among {pointers:?}");
    }
    for (what, request, status) in [
        ("a method", client.delete(at("/v4/reports")), 405),
        ("a body that is none", client.post(at("/v4/reports")).body("{"), 400),
        ("a type", client.post(at("/v4/reports")).header("content-type", "text/csv").body("a,b"), 415),
        ("an encoding", client.post(at("/v4/reports")).header("content-encoding", "lzma").body("a"), 415),
        ("no bearer", client.post(at("/v4/reports")).header("authorization", "Basic YTpi").body("{}"), 401),
        ("a token unknown", client.post(at("/v4/reports")).bearer_auth("assay_x").body("{}"), 401),
        ("a scope too small", client.put(at("/v4/workers")).bearer_auth(&submit).json(&json!({"workers": 1})), 403),
        ("no credential", client.put(at("/v4/workers")).json(&json!({"workers": 1})), 401),
        ("no credential, no body", client.put(at("/v4/workers")), 401),
        ("no JSON", client.put(at("/v4/workers")).bearer_auth(&admin).body("{"), 415),
        ("no number", client.put(at("/v4/workers")).bearer_auth(&admin).json(&json!({"workers": "two"})), 422),
        ("too many", client.put(at("/v4/workers")).bearer_auth(&admin).json(&json!({"workers": 1000})), 400),
        ("no scope", client.post(at("/v4/tokens")).bearer_auth(&admin).json(&json!({"scopes": []})), 400),
        ("a token not there", client.delete(at("/v4/tokens/none")).bearer_auth(&admin), 404),
    ] {
        let answer = server.ask(request).await;
        check(what, &answer, status);
        assert_eq!(status == 401, !answer.header("www-authenticate").is_empty(), "{what}");
    }
}

async fn pages_tell_it_as_pages(server: &Server) {
    for (path, status) in [
        ("/nowhere", 404),
        ("/dist/No-Such", 404),
        ("/report/x", 400),
        ("/results?grade=good", 400),
        ("/results?colour=red", 400),
        ("/dist/%FF", 400),
        ("/search?q=%22open", 400),
        ("/static/none.css", 404),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert!(answer.text().contains("</html>"), "{path}");
    }
}
