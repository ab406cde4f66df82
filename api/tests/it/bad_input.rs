//! Hostile and malformed requests get the answers that `fixtures/bad` tells, and leave nothing behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::server::{Connection, Server, exchange};
use crate::submissions::{Made, fixture, fixture_bytes, fixture_json};

/// The files whose names begin so, in the order of their names.
fn cases(doors: &[&str]) -> Vec<Value> {
    let entries =
        std::fs::read_dir(fixture("bad")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let wanted = |name: &String| name.ends_with(".json") && doors.iter().any(|door| name.starts_with(door));
    let mut names: Vec<String> = entries.filter(wanted).collect();
    names.sort();
    names.iter().map(|name| fixture_json(&format!("bad/{name}"))).collect()
}

fn body(said: &Value) -> Vec<u8> {
    if let Some(text) = said.as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(encoded) = said["base64"].as_str() {
        return STANDARD.decode(encoded).unwrap();
    }
    let part = |name: &str| said[name].as_str().unwrap().to_owned();
    let times = said["times"].as_u64().unwrap() as usize;
    format!("{}{}{}", part("prefix"), part("repeat").repeat(times), part("suffix")).into_bytes()
}

fn request(said: &Value) -> Vec<u8> {
    let body = body(&said["request"]["body"]);
    let text = |name: &str| said["request"][name].as_str().unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n", text("method"), text("path"));
    for header in said["request"]["headers"].as_array().unwrap() {
        head.push_str(&format!("{}: {}\r\n", header[0].as_str().unwrap(), header[1].as_str().unwrap()));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    [head.into_bytes(), body].concat()
}

/// What is wrong with the answers, in words; empty when nothing is.
async fn send(server: &Server, cases: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for case in cases {
        for before in case["before"].as_array().into_iter().flatten() {
            let answer = exchange(server, &fixture_bytes(before.as_str().unwrap())).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let answer = exchange(server, &request(case)).await;
        let (name, text) = (case["name"].as_str().unwrap(), answer.text());
        let mut check = |right: bool, what: &str| {
            if !right {
                faults.push(format!("{name}: {what}: {} {} {text}", answer.status, answer.header("content-type")));
            }
        };
        let expected = &case["answer"];
        check(expected["status"] == answer.status, "status");
        check(expected["type"] == answer.header("content-type"), "type");
        for part in expected["contains"].as_array().unwrap() {
            check(text.contains(part.as_str().unwrap()), &format!("lacks {part}"));
        }
        check(!text.contains(env!("CARGO_MANIFEST_DIR")) && !text.contains("src/"), "tells a path");
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_answered_as_told_and_leaves_nothing_stored() {
    let server = Server::start();
    let cases = cases(&["v4-", "v3-", "metabase-", "register-"]);
    assert!(cases.len() > 100, "{}", cases.len());
    assert_eq!(send(&server, &cases).await, Vec::<String>::new());

    assert_eq!(server.metric("assay_submissions_total").await, refusals(&server).await, "a bad report was taken");
    let status = server.json("/v4/status").await;
    assert_eq!((&status["waiting"], &status["head"]), (&0.into(), &0.into()), "{status}");
    assert_eq!(server.lines("/v4/results").await, Vec::<Value>::new());
    assert_eq!(server.lines("/v4/changes").await, Vec::<Value>::new());

    let made = Made::default();
    assert_eq!(server.submit(&made.json()).await.status, 202);
    server.settle().await;
    assert_eq!(server.json("/v4/status").await["totals"]["pass"], 1);
}

/// Submissions that were refused at a door.
async fn refusals(server: &Server) -> f64 {
    let text = server.get("/metrics").await.text();
    let lines = text.lines().filter(|line| line.starts_with("assay_submissions_total") && line.contains("\"refused\""));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_does_not_keep_the_others_from_being_taken() {
    let server = Server::start();
    // How many reports each file holds beside its bad lines.
    let expected = [
        ("ndjson-array", 0),
        ("ndjson-bad-utf8-line", 1),
        ("ndjson-broken-line", 2),
        ("ndjson-empty", 0),
        ("ndjson-one-bad-line", 2),
        ("ndjson-pretty-printed", 0),
    ];
    let cases = cases(&["ndjson-"]);
    assert_eq!(
        cases.iter().map(|case| case["name"].as_str().unwrap()).collect::<Vec<_>>(),
        expected.map(|(name, _)| name)
    );
    let mut counted = 0;
    for (case, (name, taken)) in cases.iter().zip(expected) {
        assert_eq!(send(&server, std::slice::from_ref(case)).await, Vec::<String>::new());
        server.settle().await;
        counted += taken;
        assert_eq!(server.json("/v4/status").await["totals"]["pass"], counted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_no_http_or_end_early_do_no_harm() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let pieces: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v4/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{\"id\":",
        b"POST /v4/reports HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v4/reports HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n\r\n\0\0\0\0",
    ];
    for piece in pieces {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(piece).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // The server may answer or only close; both end the connection.
        drop(tokio::time::timeout(crate::server::PATIENCE, stream.read_to_end(&mut answer)).await.unwrap());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{answer}");
    }
    let answer = Connection::open(&server).await.exchange(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, &*answer.text()), (200, "ok\n"));
    assert_eq!(server.lines("/v4/results").await, Vec::<Value>::new());
}
