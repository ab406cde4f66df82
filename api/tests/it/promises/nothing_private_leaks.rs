//! Addresses and secrets that came in by any door come out of none: everything a stranger can read is searched.

use std::collections::{BTreeSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::events::Listener;
use crate::server::Server;
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";
const SECRET: &str = "hush:geheimnis";
/// Parts of addresses and secrets; each is nowhere else. Of an address, what stands before the `@` may be shown.
const PRIVATE: [&str; 6] = ["v4.verborgen", "v3.verborgen", "name.verborgen", "legacy.verborgen", SECRET, "geraten"];

fn report_of(address: &str, name: &str) -> Value {
    let text = format!("Sent by <{address}>, from MAILTO={address}");
    let mut report = Made { grade: "fail", text, distribution: "Hide-Seek".to_owned(), ..Made::default() }.json();
    report["reporter"] = serde_json::json!({"name": name, "email": address, "extra": {"mail": address}});
    report
}

/// Sends by all doors, rightly and wrongly, and gives the texts of the errors.
async fn submit_by_all_doors(server: &Server, token: &str) -> Vec<String> {
    let post = |path: &str, kind: &str| server.client.post(server.at(path)).header("content-type", kind);
    let v4 = report_of("vera@v4.verborgen.example", "Vera");
    let named = report_of("vera@example.org", "vesna@name.verborgen.example");
    for report in [&v4, &named] {
        let request = post("/v4/reports", "application/json").bearer_auth(token).body(report.to_string());
        let answer = server.ask(request).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let v3 = report_of("vero@v3.verborgen.example", "Vero");
    let answer = server.ask(post("/v3/report", "application/json").bearer_auth(token).body(v3.to_string())).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let profile = registration(PROFILE, "Vero Legacy", "vera@legacy.verborgen.example", Some(SECRET));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", profile).await.status, 200);
    let made = Made { distribution: "Hide-Seek".to_owned(), ..Made::default() };
    let legacy = legacy_report(&made.id, PROFILE, &made);
    let submit = |secret: &str| {
        let credentials = STANDARD.encode(format!("{PROFILE}:{secret}"));
        post("/api/v1/submit/CPAN-Testers-Report", "application/octet-stream")
            .header("authorization", format!("Basic {credentials}"))
            .body(legacy.clone())
    };
    assert_eq!(server.ask(submit(SECRET)).await.status, 201);

    let mut faulty = v4.clone();
    faulty["reporter"]["email"] = "vera@v4.verborgen.example\r\nBcc: v3.verborgen".into();
    let cut = &v4.to_string()[..200];
    let stolen = registration(PROFILE, "Mallory", "vera@legacy.verborgen.example", Some("geraten"));
    let mut errors = Vec::new();
    for refused in [
        submit("geraten"),
        post("/api/v1/register", "application/octet-stream").body(stolen),
        post("/v4/reports", "application/json").bearer_auth("geraten").body(v4.to_string()),
        post("/v4/reports", "application/json").bearer_auth(token).body(faulty.to_string()),
        post("/v4/reports", "application/x-ndjson").bearer_auth(token).body(format!("{faulty}\n{cut}")),
        post("/v4/reports", "application/json").bearer_auth(token).body(cut.to_owned()),
        post("/v3/report", "application/json").bearer_auth(token).body(faulty.to_string()),
        post("/v3/report", "application/json").bearer_auth(token).body(cut.to_owned()),
        post("/v4/tokens", "application/json").bearer_auth(token).body(r#"{"scopes":["geraten"]}"#),
    ] {
        let answer = server.ask(refused).await;
        assert!(answer.status >= 400 || answer.text().contains("\"rejected\""), "{}", answer.text());
        errors.push(answer.text());
    }
    errors
}

/// Paths on this server that an answer names: in links of pages, and in values of JSON that begin like paths.
fn paths_in(text: &str) -> Vec<String> {
    let quoted = text
        .split('"')
        .skip(1)
        .step_by(2)
        .chain(text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()));
    let paths =
        quoted.filter(|part| part.starts_with('/') && !part.starts_with("//") && !part.contains(['{', ' ', '<']));
    paths.map(|path| path.split('#').next().unwrap_or_default().replace("&amp;", "&")).collect()
}

/// Every text that can be reached, by its path.
async fn crawl(server: &Server) -> Vec<(String, String)> {
    let start = [
        "/",
        "/results",
        "/status",
        "/search?q=grade:fail",
        "/dist/Hide-Seek",
        "/dist/Hide-Seek/1.0",
        "/author/PREACTION",
        "/matrix/Hide-Seek",
        "/docs",
        "/docs/search",
        "/docs/?url=/v3",
        "/v1",
        "/v3",
        "/v1/release/author/PREACTION",
        "/v3/release?precache=1",
        "/v3/summary/Hide-Seek",
        "/v3/summary?osname=linux",
        "/v3/upload",
        "/metrics",
        "/healthz",
        "/readyz",
        "/v4/status",
        "/v4/openapi.json",
        "/v4/changes",
        "/v4/results",
        "/v4/summaries",
        "/v4/search?q=grade:fail",
        "/v4/search?q=Vera",
        "/v4/tokens",
        "/v4/releases/Hide-Seek",
        "/v4/distributions/Hide-Seek",
        "/v4/matrix/Hide-Seek",
        "/v4/authors/PREACTION",
        "/show/Hide-Seek.json",
        "/dist/Hide-Seek.rss",
        "/author/PREACTION.json",
        "/author/PREACTION.rss",
        "/cgi-bin/reports-metadata.cgi?range=1-",
        "/tail/log.txt",
    ];
    let mut waiting: VecDeque<String> = start.iter().map(|path| (*path).to_owned()).collect();
    for row in server.lines("/v4/results").await {
        let (id, tester) = (row["id"].as_str().unwrap(), row["tester_id"].as_str().unwrap());
        for part in ["", "/text", "/raw", "/receipt"] {
            waiting.push_back(format!("/v4/reports/{id}{part}"));
        }
        waiting.extend([format!("/v1/report/{id}"), format!("/v3/report/{id}")]);
        waiting.extend([
            format!("/report/{id}"),
            format!("/cpan/report/{id}?raw=1"),
            format!("/cpan/report/{id}?json=1"),
            format!("/status/{id}"),
            format!("/tester/{tester}"),
            format!("/v4/testers/{tester}"),
        ]);
    }
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut texts = Vec::new();
    while let Some(path) = waiting.pop_front() {
        if path.starts_with("/v4/events") {
            texts.push((path, events(server).await));
            continue;
        }
        for accept in ["*/*", "application/x-ndjson"] {
            let answer = server.ask(server.client.get(server.at(&path)).header("accept", accept)).await;
            let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let text = format!("{head}{}", String::from_utf8_lossy(&answer.body));
            for found in paths_in(&text).into_iter().filter(|path| !path.starts_with("/static/")) {
                if seen.len() < 500 && seen.insert(found.clone()) {
                    waiting.push_back(found);
                }
            }
            texts.push((path.clone(), text));
        }
    }
    texts
}

/// All that is told to who listens from the beginning on. Events come without end.
async fn events(server: &Server) -> String {
    let mut listener = Listener::open(&server.client, &server.url, "?after=0", None).await;
    let mut told = String::new();
    for _ in server.lines("/v4/changes").await {
        told.push_str(&listener.change().await.to_string());
    }
    told
}

fn leaks(texts: &[(String, String)], token: &str) -> Vec<String> {
    let mut leaks = Vec::new();
    for (place, text) in texts {
        let text = text.replace("%40", "@").replace("&#64;", "@").replace("\\u0040", "@");
        for private in PRIVATE.into_iter().chain([token]).filter(|private| text.contains(private)) {
            let at = text.find(private).expect("it was found");
            let around = text.get(at.saturating_sub(60)..(at + 60).min(text.len())).unwrap_or_default();
            leaks.push(format!("{place} has {private}: …{around}…"));
        }
    }
    leaks
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_leaks() {
    let server = Server::with(&[
        "--listen",
        "127.0.0.1:0",
        "--set",
        "public_url=https://reports.example",
        "--set",
        "log.level=debug",
    ]);
    let (token, _) = server.token(&["--scope", "submit"]);
    let errors = submit_by_all_doors(&server, &token).await;
    server.settle_index().await;

    let mut texts = crawl(&server).await;
    assert!(texts.len() > 100, "{}", texts.len());
    assert!(texts.iter().any(|(path, text)| path == "/v4/events" && text.contains("Hide-Seek")));
    texts.extend(errors.into_iter().map(|text| ("an error".to_owned(), text)));
    texts.push(("the log".to_owned(), server.log()));
    assert_eq!(leaks(&texts, &token), Vec::<String>::new());

    for address in ["vera%40legacy.verborgen.example", "vera%40v4.verborgen.example"] {
        let found = server.json(&format!("/v4/search?q=%22{address}%22")).await;
        assert_eq!(found["total"], 0, "{address} can be searched for");
    }
    let found = server.json("/v4/search?q=verborgen").await;
    let hits = [("a search".to_owned(), found["items"].to_string())];
    assert_eq!(leaks(&hits, &token), Vec::<String>::new());
    the_bytes_are_for_readers_with_a_token(&server).await;
}

async fn the_bytes_are_for_readers_with_a_token(server: &Server) {
    let (reader, _) = server.token(&["--scope", "read"]);
    for row in server.lines("/v4/results").await {
        let report = server.json(&format!("/v4/reports/{}", row["id"].as_str().unwrap())).await;
        let raw = server.at(report["links"]["raw"].as_str().unwrap());
        let legacy = report["door"] == "metabase";
        assert_eq!(server.ask(server.client.get(&raw)).await.status, if legacy { 200 } else { 401 });
        assert_eq!(server.ask(server.client.get(&raw).bearer_auth(&reader)).await.status, 200);
    }
}
