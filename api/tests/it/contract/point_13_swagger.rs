//! Contract §10, point 13: Swagger documents at `/v1` and `/v3`, CORS headers, `/docs`.

use serde_json::Value;

use super::data::assert_cors;
use crate::server::Server;
use crate::submissions::fixture_json;

/// What ours may say otherwise: texts are assay's own, and how today's server finds its code is its own affair.
const OWN: [&str; 6] = ["description", "summary", "title", "x-mojo-to", "x-mojo-placeholder", "externalDocs"];

/// Demands all of `today` in `ours`, which may have more.
fn holds(ours: &Value, today: &Value, at: &str) {
    match today {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
                let there = ours.get(name).unwrap_or_else(|| panic!("{at}/{name} is missing"));
                holds(there, member, &format!("{at}/{name}"));
            }
        }
        Value::Array(items) => {
            let ours = ours.as_array().unwrap_or_else(|| panic!("{at} is no list"));
            for (place, item) in items.iter().enumerate() {
                // Parameters and references stand anywhere, shapes that are put together in their order.
                let there = match (item["name"].as_str(), item.is_object() && item.get("$ref").is_none()) {
                    (Some(name), _) => ours.iter().find(|other| other["name"] == name),
                    (None, true) => ours.get(place),
                    (None, false) => ours.iter().find(|other| *other == item),
                };
                holds(there.unwrap_or_else(|| panic!("{at} lacks {item}")), item, at);
            }
        }
        _ => assert_eq!(ours, today, "{at}"),
    }
}

/// A document with each reference to one of its answers followed: ours say them in place.
fn followed(document: &Value, value: &Value) -> Value {
    match value {
        Value::Object(members) => match members.get("$ref").and_then(Value::as_str) {
            Some(reference) if reference.starts_with("#/paths/") => {
                document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference}")).clone()
            }
            _ => members.iter().map(|(name, member)| (name.clone(), followed(document, member))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| followed(document, item)).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_declare_all_that_todays_do() {
    let server = Server::start();
    for version in ["v1", "v3"] {
        let answer = server.get(&format!("/{version}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_cors(&answer, version);
        let ours = answer.json();
        let today = fixture_json(&format!("reference/cpantesters-{version}.swagger.json"));
        assert_eq!(ours["swagger"], "2.0");
        assert_eq!(ours["basePath"], format!("/{version}"));
        for part in ["paths", "parameters", "definitions", "schemes", "consumes", "produces"] {
            holds(&ours[part], &followed(&today, &today[part]), part);
        }
        let paths = |document: &Value| {
            let mut paths: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
            paths.sort();
            paths
        };
        assert_eq!(paths(&ours), paths(&today), "{version}");
        // The document is of the server that gives it, not of api.cpantesters.org.
        assert_eq!(ours.get("host"), None);
        references_lead_somewhere(&ours, &ours);
    }
}

fn references_lead_somewhere(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("it refers to itself alone");
                assert!(document.pointer(pointer).is_some(), "{reference} is not there");
            }
            members.values().for_each(|member| references_lead_somewhere(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| references_lead_somewhere(document, item)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_told_what_is_there() {
    let server = Server::start();
    for path in ["/v3/report", "/v3/release/dist/Foo.pm/1.0", "/v1/upload"] {
        let answer = server.ask(server.client.request(reqwest::Method::OPTIONS, server.at(path))).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_cors(&answer, path);
        let told = answer.json();
        let method = if path == "/v3/report" { "post" } else { "get" };
        assert!(told[method]["operationId"].is_string() && told["definitions"]["Upload"].is_object(), "{path}: {told}");
        references_lead_somewhere(&told, &told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_documents_shows_these_too() {
    let server = Server::start();
    for path in ["/docs/?url=/v3", "/docs?url=/v3"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        let page = answer.text().replace("&#39;", "'");
        for shown in ["/v3/summary/{dist}/{version}", "/v3/report/{id}", "perl_maturity", "Counts of one release"] {
            assert!(page.contains(shown), "{path} does not show {shown}");
        }
        assert!(!page.contains("/v4/changes"));
    }
    let page = server.get("/docs/?url=/v1").await.text();
    assert!(page.contains("/v1/upload/author/{author}") && !page.contains("/v3/"));
    assert!(server.get("/docs/").await.text().contains("/v4/changes"));
    assert_eq!(server.get("/docs?url=http://example.org/x").await.status, 200);
}
