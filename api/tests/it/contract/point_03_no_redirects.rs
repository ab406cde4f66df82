//! Contract §10, point 3: no POST is answered with a redirect, and plain http is served.

use std::collections::BTreeSet;

use serde_json::Value;

use super::legacy::{BASES, Tester};
use crate::server::{Answer, Server, exchange};
use crate::submissions::Made;

/// Clients follow 303 with a GET that carries the body, and lose the report; all others they take for failures.
fn stays(answer: &Answer, what: &str) {
    assert!(!(300..400).contains(&answer.status), "{what}: {} to {}", answer.status, answer.header("location"));
    for name in ["strict-transport-security", "upgrade", "refresh"] {
        assert_eq!(answer.header(name), "", "{what}: {name}");
    }
}

/// A server that readers reach at another address by https, which must not lead it to send anybody there.
fn behind_https() -> Server {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "public_url=https://reports.example.org"]);
    assert!(server.url.starts_with("http://"));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_taken_at_every_door_over_plain_http_without_a_redirect() {
    let server = behind_https();
    let tester = Tester::named("Ann Example");
    for base in BASES {
        let registered = exchange(&server, &tester.registering(base, true)).await;
        stays(&registered, base);
        assert_eq!(registered.status, 200);
        let submitting = tester.submitting(base, &tester.report(&Made::default()));
        let proxied = String::from_utf8(submitting.clone()).unwrap();
        let proxied = proxied.replace("Accept:", "X-Forwarded-Proto: http\r\nForwarded: proto=http\r\nAccept:");
        let old = String::from_utf8(submitting.clone()).unwrap().replace(" HTTP/1.1\r\n", " HTTP/1.0\r\n");
        for request in [submitting, proxied.into_bytes(), old.into_bytes()] {
            let answer = exchange(&server, &request).await;
            stays(&answer, base);
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    }
    let v3 = Made::default().json().to_string();
    for (path, status) in [("/v3/report", 201), ("/v1/report", 201), ("/v4/reports", 202)] {
        let mut report: Value = serde_json::from_str(&v3).unwrap();
        report["id"] = uuid::Uuid::new_v4().to_string().into();
        if path.starts_with("/v1") {
            report["environment"]["language"]["name"] = "perl".into();
        }
        let answer = server.post(path, "application/json", report.to_string()).await;
        stays(&answer, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    server.settle().await;
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], 2 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_posted_anywhere_is_not_sent_elsewhere() {
    let server = behind_https();
    let document = server.json("/v4/openapi.json").await;
    let mut paths: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let posted = paths.iter().filter(|path| document["paths"][*path]["post"].is_object()).count();
    assert!(posted > 3, "only {posted} paths take a POST");
    for base in BASES {
        for rest in ["submit/CPAN-Testers-Report", "submit/Other-Fact", "register", "guid/x", "search/x", ""] {
            paths.insert(format!("{base}{rest}"));
        }
        paths.insert(base.trim_end_matches('/').to_owned());
    }
    let doors = ["/v1/report", "/v3/report", "/v3", "/v1", "/v3/upload", "/schema/v1/report.json", "/"];
    paths.extend(doors.map(str::to_owned));
    // A GET of these leads to another page.
    let leading = ["/show/Foo-Bar.html", "/distro/F/Foo-Bar.html", "/author/P/PREACTION.html", "/docs", "/docs/"];
    paths.extend(leading.map(str::to_owned));
    paths.insert("/cgi-bin/pages.cgi?act=cpan-report&id=17".to_owned());
    let more: Vec<String> = paths.iter().flat_map(|path| [format!("{path}/"), format!("/{path}")]).collect();
    paths.extend(more);
    for path in paths {
        for body in ["", "{}"] {
            let answer = server.post(&path, "application/octet-stream", body).await;
            stays(&answer, &path);
            assert!(answer.status < 500, "POST {path}: {}", answer.status);
            assert_eq!(answer.header("location"), "", "POST {path}");
        }
    }
}
