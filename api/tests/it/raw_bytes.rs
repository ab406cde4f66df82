//! The bytes of a submission come back as they were sent.

use std::io::Write as _;

use schemas::ids::Digest;

use crate::captures::register_testers;
use crate::server::{Answer, Server, exchange};
use crate::submissions::{Made, captures};

async fn check(server: &Server, id: &str, sent: &[u8]) {
    let path = format!("/v4/reports/{id}/raw");
    let raw = server.get(&path).await;
    assert_eq!(raw.status, 200, "{id}: {}", String::from_utf8_lossy(&raw.body));
    assert!(raw.body == sent, "{id}: {} bytes were sent, {} other ones came back", sent.len(), raw.body.len());
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    let digest = Digest::of(sent).to_string();
    assert_eq!(raw.header("etag"), format!("\"{digest}\""));
    let report = server.json(&format!("/v4/reports/{id}")).await;
    assert_eq!((&report["digest"], &report["size"]), (&digest.as_str().into(), &sent.len().into()));

    let again = server.ask(server.client.get(server.at(&path)).header("if-none-match", raw.header("etag"))).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = server.ask(server.client.get(server.at(&path)).header("if-none-match", "\"0\"")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_capture_comes_back_byte_for_byte() {
    let server = Server::start();
    register_testers(&server).await;
    for capture in captures() {
        let answer = exchange(&server, &capture.bytes).await;
        assert_eq!(answer.status, 201, "{}: {}", capture.name, answer.text());
        let answer = answer.json();
        let id = answer["id"].as_str().or(answer["guid"].as_str()).unwrap();
        check(&server, id, capture.body.as_bytes()).await;
    }
}

async fn send_packed(server: &Server, coding: &str, body: Vec<u8>) -> Answer {
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    server.ask(request.header("content-encoding", coding).body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_sent_packed_comes_back_unpacked_byte_for_byte() {
    let server = Server::start();
    // Odd spacing, escapes, and text that packs well and badly: nothing of it may be tidied.
    let text = format!("Zo\u{eb}\u{1f980}\ttab {} \u{7f}", "line of a test\n".repeat(3_000));
    for coding in ["gzip", "zstd", "br", "identity"] {
        let made = Made { text: text.clone(), ..Made::default() };
        let sent = serde_json::to_string_pretty(&made.json()).unwrap().replace("\": ", "\" :\t  ");
        let sent = format!(" {}\r\n\r\n", sent.replace("Zo\u{eb}", "Zo\\u00EB"));
        let answer = send_packed(&server, coding, pack(coding, sent.as_bytes())).await;
        assert_eq!(answer.status, 202, "{coding}: {}", answer.text());
        check(&server, &made.id, sent.as_bytes()).await;
    }
    server.settle().await;
    assert_eq!(server.json("/v4/status").await["totals"]["pass"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_comes_back_without_its_line_feed() {
    let server = Server::start();
    let (first, second) = (Made::default(), Made::default());
    let body = format!("{}\r\n\n{}", first.json(), second.json());
    assert_eq!(server.post("/v4/reports", "application/x-ndjson", body).await.status, 202);
    check(&server, &first.id, first.json().to_string().as_bytes()).await;
    check(&server, &second.id, second.json().to_string().as_bytes()).await;
}

fn pack(coding: &str, plain: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(plain, 3).unwrap(),
        "br" => {
            let mut packed = Vec::new();
            brotli::CompressorWriter::new(&mut packed, 4096, 5, 20).write_all(plain).unwrap();
            packed
        }
        _ => plain.to_vec(),
    }
}
