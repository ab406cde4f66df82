//! The reading commands: what they print, how failures are told, and the exit code of each class.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::cli_stub::{self, End, Ran, Reply, Stub, assay, assay_with, reply};

fn problem(status: u16, title: &str, detail: &str) -> Reply {
    let body = json!({
        "type": "/problems/x", "title": title, "status": status, "detail": detail, "request_id": "req-17",
        "errors": [{"pointer": "/result/grade", "detail": "not a grade"}],
    });
    reply(status, "application/problem+json", body.to_string())
}

/// Asks for the status of a server that answers so.
async fn status_of(reply: Reply) -> Ran {
    let stub = Stub::scripted([reply]).await;
    assay(tempdir().unwrap().path(), &["status", "--server", &stub.url, "--timeout", "1s"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_of_refusal_has_its_exit_code_and_is_told_whole() {
    for (status, code) in
        [(400, 4), (401, 3), (403, 3), (404, 4), (409, 4), (413, 4), (422, 4), (429, 4), (500, 5), (502, 5), (503, 5)]
    {
        let ran = status_of(problem(status, "Some title", "Some detail.")).await;
        assert_eq!(ran.code, code, "{status}: {ran:?}");
        assert_eq!(ran.stdout, "", "{status}");
        let told =
            format!("error: {status} Some title: Some detail.\n  /result/grade: not a grade\n  request id: req-17\n");
        assert_eq!(ran.stderr, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_a_problem_document_still_tells_status_and_request_id() {
    let empty = Reply { headers: vec![("x-request-id", "h-1".to_owned())], ..reply(500, "", "") };
    let ran = status_of(empty).await;
    assert_eq!(ran.code, 5);
    assert_eq!(ran.stderr, "error: 500 Internal Server Error: the answer has no readable body\n  request id: h-1\n");

    let ran = status_of(reply(502, "text/html", "<html><h1>Bad gateway</h1></html>")).await;
    assert_eq!(ran.code, 5);
    let told = "error: 502 Bad Gateway: the answer is text/html, not the problem document an assay server sends\n";
    assert_eq!(ran.stderr, told);

    let ran = status_of(reply(429, "text/plain", "").header("retry-after", "7")).await;
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("429 Too Many Requests") && ran.stderr.contains("try again in 7 s"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_bodies_of_the_older_routes_are_read_too() {
    let ran = status_of(cli_stub::json(400, json!({"errors": [{"message": "Missing property.", "path": "/x"}]}))).await;
    assert_eq!(ran.stderr, "error: 400 Bad Request\n  /x: Missing property.\n");
    let ran = status_of(cli_stub::json(401, json!({"error": "User x unrecognized"}))).await;
    assert_eq!((ran.code, &*ran.stderr), (3, "error: 401 Unauthorized: User x unrecognized\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_cuts_the_connection_is_a_network_failure() {
    let home = tempdir().unwrap();
    let ran = assay(home.path(), &["status", "--server", "http://127.0.0.1:1"]).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.starts_with("error: http://127.0.0.1:1/v4/status could not be reached: "), "{ran:?}");

    let url = cli_stub::closing().await;
    let ran = assay(home.path(), &["status", "--server", &url]).await;
    assert_eq!(ran.code, 6, "{ran:?}");

    let ran = status_of(reply(200, "application/json", "{\"a\":").ending(End::Cut)).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("broke off"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_a_timeout() {
    let ran = status_of(reply(200, "application/json", "{").ending(End::Silence)).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains("did not answer within 1 s"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_assay_server_sends_is_a_server_failure() {
    for body in ["<html>", "", "{\"a\":1"] {
        let ran = status_of(reply(200, "text/html", body)).await;
        assert_eq!(ran.code, 5, "{body:?}: {ran:?}");
        assert!(ran.stderr.contains("is not what an assay server sends"), "{ran:?}");
    }
    let ran = status_of(reply(302, "text/html", "").header("location", "https://elsewhere.example/")).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("redirects to https://elsewhere.example/"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_two_and_asks_nobody() {
    let home = tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["report"],
        &["matrix", "X", "--axes", "colour"],
        &["matrix", "X", "--axes", "version,os,architecture,language_version"],
        &["results", "--grade", "good"],
        &["status", "--server", "not a url"],
        &["status", "--set", "nonsense"],
        &["submit", "no-such-file.json"],
        &["import", "-", "-"],
        &["token", "issue", "--scope", "everything"],
    ] {
        let ran = assay(home.path(), arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_sent_and_never_shown() {
    let home = tempdir().unwrap();
    let stub = Stub::scripted([problem(403, "Forbidden", "no")]).await;
    std::fs::write(home.path().join("token"), "as_secret\n").unwrap();
    let ways = [
        (None, vec!["--token", "as_secret"]),
        (None, vec!["--token-file", "token"]),
        (Some(("ASSAY_TOKEN", "as_secret")), vec![]),
        (Some(("ASSAY_CLIENT__TOKEN_FILE", "token")), vec![]),
    ];
    for (variable, flags) in ways {
        let arguments = [&["status", "--server", &*stub.url], &flags[..]].concat();
        let ran = assay_with(home.path(), variable.as_slice(), "", &arguments).await;
        assert_eq!(ran.code, 3);
        assert!(!ran.stderr.contains("as_secret"), "{ran:?}");
        assert_eq!(stub.asked().last().unwrap().header("authorization"), "Bearer as_secret");
    }
}

fn matrix() -> Value {
    json!({
        "distribution": "Foo-Bar", "version": "1.0", "language": "perl", "axes": ["language_version", "os"],
        "cells": [
            {"language_version": "5.36.0", "os": "linux", "pass": 12, "fail": 3, "na": 0, "unknown": 0},
            {"language_version": "5.8.9", "os": "mswin32", "pass": 0, "fail": 0, "na": 1, "unknown": 2},
        ],
        "totals": {"pass": 12, "fail": 3, "na": 1, "unknown": 2},
        "fresh_at": "2026-11-21T02:00:00Z", "head": 17, "waiting": 0,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matrix_is_a_grid_for_people_and_verbatim_json_for_machines() {
    let home = tempdir().unwrap();
    let stub = Stub::scripted([cli_stub::json(200, matrix())]).await;
    let ran = assay(home.path(), &["matrix", "Foo::Bar", "1.0", "--server", &stub.url]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(stub.asked()[0].uri, "/v4/matrix/Foo-Bar/1.0?axes=language_version%2Cos");
    let words: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["language_version", "\\", "os", "linux", "mswin32"]), "{}", ran.stdout);
    assert!(words.contains(&vec!["5.36.0", "12P", "3F"]), "{}", ran.stdout);
    assert!(words.contains(&vec!["5.8.9", "1N", "2U"]), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "no colours in a pipe");

    let ran = assay(home.path(), &["matrix", "Foo-Bar", "--server", &stub.url, "--json"]).await;
    assert_eq!(ran.stdout, format!("{}\n", matrix()));
}

fn result(id: &str, tester: &str) -> Value {
    json!({
        "id": id, "number": 1, "distribution": "Foo-Bar", "version": "1.0", "author": null, "grade": "fail",
        "language": "perl", "language_version": "5.36.0", "os": "linux", "osname": "linux", "os_version": "6.1",
        "architecture": "x86_64-linux", "tester_id": "t1", "tester": tester, "created_at": "2026-11-21T02:00:00Z",
        "received_at": "2026-11-21T02:00:01Z", "reason": null, "suite": null,
    })
}

fn page(items: Vec<Value>, next: Option<&str>) -> Value {
    json!({"items": items, "next": next, "fresh_at": "2026-11-21T02:00:00Z", "head": 1, "waiting": 0})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_from_page_to_page_and_text_from_strangers_is_harmless() {
    let home = tempdir().unwrap();
    let first = cli_stub::json(200, page(vec![result("r1", "Eve\u{1b}[2J\nroot")], Some("c2")));
    let second = cli_stub::json(200, page(vec![result("r2", "Jörg")], None));
    let stub = Stub::scripted([first.clone(), second, first]).await;
    let flags = ["results", "--grade", "fail", "--os", "linux", "--server", &stub.url];
    let ran = assay(home.path(), &[&flags[..], &["--all"]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let uris: Vec<String> = stub.asked().into_iter().map(|asked| asked.uri).collect();
    assert_eq!(uris, ["/v4/results?grade=fail&os=linux", "/v4/results?grade=fail&os=linux&cursor=c2"]);
    assert!(ran.stdout.contains("Eve\u{fffd}[2J root") && ran.stdout.contains("Jörg"), "{}", ran.stdout);
    let ran = assay(home.path(), &flags).await;
    assert_eq!(ran.stderr, "more: --cursor c2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_as_json_are_the_servers_own_stream() {
    let home = tempdir().unwrap();
    let stub = Stub::scripted([reply(200, "application/x-ndjson", "{\"a\": 1.50}\n{\"a\":2}\n")]).await;
    let ran = assay(home.path(), &["summaries", "--all", "--json", "--server", &stub.url]).await;
    assert_eq!((ran.code, &*ran.stdout), (0, "{\"a\": 1.50}\n{\"a\":2}\n"));
    assert_eq!(stub.asked()[0].header("accept"), "application/x-ndjson");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_read_to_the_head_one_a_line_as_they_came() {
    let home = tempdir().unwrap();
    let first = r#"{"changes": [{"number": 1, "kind": "result", "key": "k", "removed": false, "value": {"f": 1.0}},
        {"number": 2, "kind": "summary", "key": "perl/A/1", "removed": true,
         "value": null}], "next": "c2", "head": 2}"#;
    let last = r#"{"changes": [], "next": "c2", "head": 2}"#;
    let stub = Stub::scripted([reply(200, "application/json", first), reply(200, "application/json", last)]).await;
    let ran = assay(home.path(), &["changes", "--json", "--server", &stub.url]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], r#"{"number": 1, "kind": "result", "key": "k", "removed": false, "value": {"f": 1.0}}"#);
    assert_eq!(serde_json::from_str::<Value>(lines[1]).unwrap()["removed"], true);
    assert_eq!(ran.stderr, "go on: --after c2\n");
    assert_eq!(stub.asked()[1].uri, "/v4/changes?limit=1000&after=c2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_a_version_is_the_newest() {
    let home = tempdir().unwrap();
    let summary = json!({
        "language": "perl", "distribution": "Foo", "version": "2.0", "author": null, "maturity": "stable",
        "pass": 1, "fail": 0, "na": 0, "unknown": 0, "number": 1, "changed_at": "2026-11-21T02:00:00Z",
    });
    let stub = Stub::answering(move |asked| {
        let fresh = json!({"fresh_at": "2026-11-21T02:00:00Z", "head": 1, "waiting": 0, "links": {}});
        let rest = match asked.uri.as_str() {
            "/v4/distributions/Foo" => json!({
                "distribution": "Foo", "language": "perl", "author": null,
                "pass": 1, "fail": 0, "na": 0, "unknown": 0, "releases": [summary],
            }),
            "/v4/releases/Foo/2.0" => json!({
                "partitions": [{"language_maturity": "stable", "patched": false,
                                "pass": 1, "fail": 0, "na": 0, "unknown": 0}],
                "archive": null, "released_at": null, "testers": 1,
                "first_report_at": null, "last_report_at": null,
            }),
            _ => return cli_stub::json(404, json!({})),
        };
        let mut view = fresh;
        let mut add = |more: &Value| view.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        add(&rest);
        if asked.uri.contains("releases") {
            add(&summary);
        }
        cli_stub::json(200, view)
    })
    .await;
    let ran = assay(home.path(), &["release", "Foo", "--server", &stub.url]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("release   Foo 2.0\n"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_quiet() {
    let home = tempdir().unwrap();
    let items: Vec<Value> = (0..5000).map(|number| result(&format!("r{number}"), "x")).collect();
    let stub = Stub::scripted([cli_stub::json(200, page(items, None))]).await;
    for json in ["", "--json"] {
        let line = format!("{} results --server {} {json} | head -1", env!("CARGO_BIN_EXE_assay"), stub.url);
        let line = format!("set -o pipefail; {line}");
        let output =
            tokio::process::Command::new("bash").args(["-c", &line]).env("HOME", home.path()).output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_shows_settings_and_exit_codes_and_the_version_tells_where_bugs_go() {
    let home = tempdir().unwrap();
    let ran = assay(home.path(), &["--help"]).await;
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("Exit codes:") && ran.stdout.contains("$XDG_CONFIG_HOME/assay/assay.toml"));
    let ran = assay(home.path(), &["--version"]).await;
    assert!(ran.stdout.starts_with("assay 0.") && ran.stdout.contains("Report bugs"), "{ran:?}");
    let ran = assay(home.path(), &["help", "submit"]).await;
    assert!(ran.stdout.contains("Examples:"), "{ran:?}");
    let ran = assay(home.path(), &["completions", "bash"]).await;
    assert!(ran.stdout.contains("complete -F _assay"), "{ran:?}");
}
