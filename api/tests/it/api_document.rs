//! The OpenAPI document describes what the server does, and its page shows all of it; scripts of other origins may ask.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::events::Listener;
use crate::server::Server;
use crate::submissions::Made;

/// Every operation: method, path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(|(method, said)| (method.to_uppercase(), path.clone(), said.clone()))
    });
    operations.collect()
}

/// Where the document refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match (name.as_str(), member.as_str()) {
                ("$ref", Some(reference)) => vec![reference.to_owned()],
                _ => references(member),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole() {
    let server = Server::start();
    let document = server.json("/v4/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let referred = references(&document);
    assert!(referred.len() > 20);
    for reference in referred {
        let pointer = reference.strip_prefix('#').expect("it refers to itself alone");
        assert!(document.pointer(pointer).is_some(), "{reference} is not there");
    }
    let operations = operations(&document);
    assert!(operations.len() >= 20, "{}", operations.len());
    let mut names = BTreeSet::new();
    for (method, path, said) in &operations {
        let what = format!("{method} {path}: {said}");
        assert!(names.insert(said["operationId"].as_str().expect(&what).to_owned()), "{what}: a name given twice");
        assert!(!said["summary"].as_str().expect(&what).is_empty(), "{what}");
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<String> = parameters
            .iter()
            .map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).unwrap(),
                None => parameter,
            })
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        let named: BTreeSet<String> =
            path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect();
        assert_eq!(in_path, named, "{what}");
        let answers = said["responses"].as_object().expect(&what);
        assert!(answers.keys().any(|status| status.starts_with('2')), "{what}");
        for (status, answer) in answers {
            assert!(answer["description"].is_string() || answer["$ref"].is_string(), "{what}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_document_is_served_and_answers_as_it_says() {
    let server = Server::start();
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle_index().await;
    let row = server.lines("/v4/results").await.remove(0);
    let document = server.json("/v4/openapi.json").await;
    for (method, template, said) in operations(&document) {
        let id = if template.contains("testers") { &row["tester_id"] } else { &row["id"] };
        let path = template
            .replace("{id}", id.as_str().unwrap())
            .replace("{distribution}", "Foo-Bar")
            .replace("{version}", "1.0");
        // Events come without end.
        if said["responses"]["200"]["content"]["text/event-stream"].is_object() {
            Listener::open(&server.client, &server.url, "", None).await;
            continue;
        }
        let answer = server.ask(server.client.request(method.parse().unwrap(), server.at(&path))).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("nothing lives at") && answer.status != 405, "{method} {path}: {text}");
        let told: Vec<&String> = said["responses"].as_object().unwrap().keys().collect();
        assert!(
            told.contains(&&answer.status.to_string()),
            "{method} {path}: {} is none of {told:?}: {text}",
            answer.status
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_operation_and_needs_no_other_host() {
    let server = Server::start();
    let page = server.get("/docs").await.text().replace("&#39;", "'");
    for (method, path, said) in operations(&server.json("/v4/openapi.json").await) {
        assert!(page.contains(&path), "{path} is not on the page");
        let summary = said["summary"].as_str().unwrap();
        assert!(page.contains(summary), "{method} {path}: {summary:?} is not on the page");
    }
    for attribute in ["src=\"http", "href=\"http", "src=\"//", "@import", "url(http"] {
        assert!(!page.contains(attribute), "the page has {attribute}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_other_origins_may_ask() {
    let server = Server::start();
    for path in ["/v4/status", "/v4/nothing", "/v3/report", "/v3/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, PUT, PATCH, DELETE, OPTIONS", "{path}");
        assert_eq!(answer.header("access-control-max-age"), "3600", "{path}");
    }
    for (path, header) in
        [("/v4/reports", "Authorization"), ("/v4/reports", "Content-Type"), ("/v3/report", "Content-Type")]
    {
        let request = server.client.request(reqwest::Method::OPTIONS, server.at(path));
        let request = request.header("origin", "https://example.org").header("access-control-request-method", "POST");
        let answer = server.ask(request.header("access-control-request-headers", header)).await;
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        assert!(answer.header("access-control-allow-headers").contains(header), "{path}: {header}");
    }
    assert_eq!(
        server.get("/v3/nothing").await.header("access-control-allow-headers"),
        "Content-Type, X-Requested-With"
    );
    assert_eq!(server.get("/").await.header("access-control-allow-origin"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id_which_a_sane_sender_may_choose() {
    let server = Server::start();
    let given = async |id: &str| {
        let answer = server.ask(server.client.get(server.at("/healthz")).header("x-request-id", id)).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(given("from-a-proxy-17").await, "from-a-proxy-17");
    for insane in ["short", &"x".repeat(65), "<script>alert(1)</script>", "a b c d e f g h"] {
        let id = given(insane).await;
        assert!(id != insane && id.len() == 32, "{insane}: {id}");
    }
    let ids: BTreeSet<String> = futures::future::join_all((0..20).map(|_| given(""))).await.into_iter().collect();
    assert_eq!(ids.len(), 20);
    for path in ["/", "/nowhere", "/v4/nothing", "/metrics", "/static/none"] {
        assert_eq!(server.get(path).await.header("x-request-id").len(), 32, "{path}");
    }
}
