//! What is asked: every GET route of the server, those in a document with an example of each of their parameters.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::filling::{AUTHOR, DROPPED, REPORT, TESTER};
use crate::server::Server;

/// Paths to ask for, each of another kind. `stored` is a report with bytes. Panics for a route or a parameter that it
/// has no example of.
pub async fn requests(server: &Server, stored: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (document, base) in [("/v4/openapi.json", ""), ("/v3", "/v3"), ("/v1", "/v1")] {
        documented(&server.json(document).await, base, stored, &mut paths);
    }
    paths.extend(others(stored));
    for template in templates() {
        let asked = paths.iter().any(|path| fits(&template, path.split('?').next().unwrap()));
        assert!(asked, "GET {template} is a route that this test has no example of");
    }
    paths
}

/// Adds the GET operations of a document: without parameters where none is needed, with each example of each parameter,
/// and with each two of them.
fn documented(document: &Value, base: &str, stored: &str, paths: &mut Vec<String>) {
    for (template, methods) in document["paths"].as_object().unwrap() {
        let Some(said) = methods.get("get") else { continue };
        let path = format!("{base}{}", in_path(template, stored));
        let resolved = |parameter: &Value| match parameter["$ref"].as_str() {
            Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap().clone(),
            None => parameter.clone(),
        };
        let parameters: Vec<Value> = said["parameters"].as_array().into_iter().flatten().map(resolved).collect();
        let queried = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let examples: Vec<Vec<String>> =
            queried.map(|parameter| examples(template, parameter["name"].as_str().unwrap())).collect();
        let alone = match template.as_str() {
            "/v4/search" => "q=index",
            "/summary" => "perl=5.36.0",
            _ => "",
        };
        let asked = |pairs: &[&str]| {
            let name = |pair: &str| pair.split('=').next().unwrap().to_owned();
            let without = alone.is_empty() || pairs.iter().any(|pair| name(pair) == name(alone));
            let all: Vec<&str> = (!without).then_some(alone).into_iter().chain(pairs.iter().copied()).collect();
            format!("{path}?{}", all.join("&"))
        };
        paths.push(asked(&[]));
        for (place, first) in examples.iter().enumerate() {
            paths.extend(first.iter().map(|pair| asked(&[pair])));
            paths.extend(examples[place + 1..].iter().map(|second| asked(&[&first[0], &second[0]])));
        }
    }
}

/// Orders of an operator, with what is posted: reports named, or those of a tester in a time, are shown and withdrawn; one is
/// restored, one processed again.
pub fn orders(stored: &str) -> Vec<(String, Value)> {
    let named = json!({"reason": "a mistake", "ids": [stored]});
    let day = json!({"reason": "a mistake", "tester": TESTER, "received_since": "2025-06-01", "received_before": "2025-06-02"});
    let mut orders = Vec::new();
    for order in [named, day] {
        let mut shown = order.clone();
        shown["dry_run"] = true.into();
        orders.extend([shown, order].map(|order| ("/v4/invalidations".to_owned(), order)));
    }
    orders.push((format!("/v4/reports/{stored}/restore"), Value::Null));
    orders.push(("/v4/jobs/retry".to_owned(), Value::Null));
    orders
}

fn in_path(template: &str, stored: &str) -> String {
    let id = match template {
        path if path.contains("authors") => AUTHOR,
        path if path.contains("testers") => TESTER,
        _ => stored,
    };
    let mut path = template.to_owned();
    for (name, value) in [
        ("{id}", id),
        ("{guid}", stored),
        ("{distribution}", "Dist-17"),
        ("{dist}", "Dist-17"),
        ("{version}", "3.0"),
        ("{author}", AUTHOR),
        ("{number}", "17"),
    ] {
        path = path.replace(name, value);
    }
    assert!(!path.contains('{'), "{template} has a parameter that this test has no example of");
    path
}

/// Pairs for the query; the usual first, then rare ones, and ones that nothing answers to.
fn examples(template: &str, name: &str) -> Vec<String> {
    let values: &[&str] = match (template, name) {
        (_, "language") => &["perl", "raku"],
        (_, "distribution" | "dist") => &["Dist-17", "None-Such"],
        (_, "version") => &["3.0", "99"],
        (_, "author") => &[AUTHOR, "NOBODY"],
        (_, "tester") => &[TESTER, "00000000-0000-0000-0000-ffffffffffff"],
        (_, "grade") => &["fail", "pass", "na", "unknown"],
        (_, "language_version" | "perl") => &["5.36.0", "5.8.9", "5.99.0"],
        (_, "os" | "osname") => &["linux", "haiku", "cpm"],
        (_, "architecture") => &["x86_64-linux", "s390x-linux", "pdp11"],
        ("/v4/summaries" | "/v4/results", "maturity") => &["developer", "stable"],
        (_, "maturity") => &["dev", "stable"],
        (_, "perl_maturity") => &["dev", "stable"],
        (_, "since" | "changed_since") => &["2026-07-01T00:00:00Z", "2024-02-01T00:00:00Z", "2027-01-01T00:00:00Z"],
        ("/v4/search", "cursor") => &["10"],
        ("/v4/jobs", "after") => &["60000"],
        (_, "cursor") => &["20000"],
        (_, "after") => &["500000"],
        (_, "wait") => &["0"],
        (_, "kind") => &["result", "summary"],
        (_, "limit") => &["7"],
        (_, "axes") => &["version,language_version,os", "architecture"],
        (_, "q") => &["grade:fail", "Dist"],
        (_, "order") => &["newest", "relevance"],
        (_, "state") => &["done", "waiting", "running", "parked"],
        (template, name) => panic!("{template} has a parameter {name} that this test has no example of"),
    };
    values.iter().map(|value| format!("{name}={value}")).collect()
}

/// Routes that are in no document.
fn others(stored: &str) -> Vec<String> {
    let mut paths: Vec<String> = OTHERS.iter().map(|path| (*path).to_owned()).collect();
    for path in [
        "/status/ID",
        "/report/ID",
        "/cpan/report/ID",
        "/cpan/report/ID?raw=1",
        "/cpan/report/ID?json=1",
        "/static/report/ID",
        "/v1/report/ID",
        "/api/v1/guid/ID",
        "/beta/guid/ID",
    ] {
        paths.push(path.replace("ID", stored));
    }
    paths.push(format!("/v4/reports/{REPORT}/receipt"));
    for path in ["/v4/reports/ID", "/v4/reports/ID/receipt", "/report/ID", "/cpan/report/ID", "/cpan/report/ID?raw=1"] {
        paths.push(path.replace("ID", DROPPED));
    }
    paths.push(format!("/tester/{TESTER}"));
    paths
}

const OTHERS: &[&str] = &[
    "/",
    "/matrix/Dist-17",
    "/results",
    "/results?distribution=Dist-17",
    "/results?author=AUTH17&grade=fail&os=linux",
    "/search?q=grade:fail",
    "/status",
    "/jobs",
    "/jobs?state=parked",
    "/jobs/17",
    "/docs",
    "/docs/",
    "/docs/search",
    "/favicon.ico",
    "/robots.txt",
    "/show/Dist-17.json",
    "/distro/D/Dist-17.json",
    "/dist/Dist-17",
    "/dist/Dist-17.rss",
    "/dist/Dist-17/3.0",
    "/dist/Dist-17/3.0.rss",
    "/release/Dist-17.json",
    "/author/AUTH17",
    "/author/AUTH17.json",
    "/author/AUTH17.rss",
    "/author/AUTH17-nopass.rss",
    "/author/A/AUTH17.json",
    "/cpan/report/1000001",
    "/cgi-bin/pages.cgi?act=author&author=AUTH17",
    "/cgi-bin/reports-metadata.cgi?range=500000-",
    "/cgi-bin/reports-metadata.cgi?range=-500000",
    "/cgi-bin/reports-metadata.cgi?range=-",
    "/cgi-bin/reports-metadata.cgi?date=2025-06-01",
    "/tail/log.txt",
    "/v3/release/dist/dist-17",
    "/v3/summary/dist-17",
    "/v1",
    "/v3",
    "/v1/timestamp/2025/06/01",
    "/v1/timestamp/2025/06/01/12",
    "/v1/timestamp/2025/06/01/12/30",
    "/schema/v1/report.json",
    "/v4/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
];

/// Every path that the server's source gives to a GET handler, but for files that lie in the program.
fn templates() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server"), &mut found);
    assert!(found.len() > 60, "{}", found.len());
    let mut whole = BTreeSet::new();
    for template in found.into_iter().filter(|template| template != "/static/{name}") {
        let bases: &[&str] = match template.split('/').nth(1).unwrap() {
            // Nested: the contract's below both of its versions, the legacy ones below both of theirs.
            "upload" => &["/v1", "/v3"],
            "release" if !template.contains("{file}") => &["/v1", "/v3"],
            "guid" => &["/api/v1", "/beta"],
            _ => &[""],
        };
        whole.extend(bases.iter().map(|base| format!("{base}{template}")));
    }
    whole
}

fn read(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for route in text.split(".route(\"").skip(1) {
                let (template, handlers) = route.split_once('"').unwrap();
                if handlers.lines().next().unwrap().contains("get(") {
                    found.insert(template.to_owned());
                }
            }
        }
    }
}

/// Whether a path is one of a template's.
fn fits(template: &str, path: &str) -> bool {
    let (parts, said): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    parts.len() == said.len() && parts.iter().zip(&said).all(|(part, said)| part.starts_with('{') || part == said)
}
