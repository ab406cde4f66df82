//! Bodies, pages, the queue and memory have limits, and beyond them there is a clear answer.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::server::{Answer, PATIENCE, Server, exchange};
use crate::submissions::{Made, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";

#[tokio::test(flavor = "multi_thread")]
async fn bounded() {
    let set = ["intake.body_limit=64KiB", "intake.queue_limit=3", "read.page_limit=50", "workers=0"];
    let settings = set.into_iter().flat_map(|setting| ["--set", setting]);
    let server = Server::with(&["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect::<Vec<_>>());
    let profile = registration(PROFILE, "Ann Example", "ann@example.org", Some("secret"));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", profile).await.status, 200);

    bodies(&server).await;
    pages(&server).await;
    queue(&server).await;
}

/// One answer of each door to the same body.
async fn by_each_door(server: &Server, body: &str) -> [Answer; 4] {
    let credentials = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{PROFILE}:secret")));
    let send = async |path: &str, kind: &str, more: &str| {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"
        );
        // An ordinary client may miss an answer that comes while it still sends.
        exchange(server, format!("{head}{body}").as_bytes()).await
    };
    [
        send("/v4/reports", "application/json", "").await,
        send("/v4/reports", "application/x-ndjson", "").await,
        send("/v3/report", "application/json", "").await,
        send("/api/v1/submit/CPAN-Testers-Report", "application/octet-stream", &credentials).await,
    ]
}

async fn bodies(server: &Server) {
    let long = Made { text: "x".repeat(70_000), ..Made::default() }.json().to_string();
    for answer in by_each_door(server, &long).await {
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert!(answer.text().contains("65536 bytes"), "{}", answer.text());
    }
    let packed = zstd::encode_all(long.as_bytes(), 3).unwrap();
    let request = server.client.post(server.at("/v4/reports")).header("content-encoding", "zstd");
    assert_eq!(server.ask(request.body(packed)).await.status, 413);
    // A body without an announced length is counted as it comes.
    let piece = format!("3e8\r\n{}\r\n", " ".repeat(1000));
    let head = "POST /v4/reports HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = format!("{head}{}0\r\n\r\n", piece.repeat(70));
    assert_eq!(exchange(server, request.as_bytes()).await.status, 413);
}

async fn pages(server: &Server) {
    for list in ["results", "summaries"] {
        assert_eq!(server.get(&format!("/v4/{list}?limit=50")).await.status, 200);
        let answer = server.get(&format!("/v4/{list}?limit=51")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["errors"][0]["detail"], "expected a number from 1 to 50");
    }
}

async fn queue(server: &Server) {
    let end = Instant::now() + PATIENCE;
    let mut taken = 0;
    let refused = loop {
        let answer = server.submit(&Made::default().json()).await;
        match answer.status {
            202 => taken += 1,
            _ => break answer,
        }
        assert!(Instant::now() < end, "{taken} reports wait, and nobody is turned away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(taken >= 3, "{taken}");
    assert_eq!(refused.status, 429, "{}", refused.text());
    for answer in by_each_door(server, &Made::default().json().to_string()).await {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().unwrap()));
    }
    assert_eq!(server.json("/v4/status").await["waiting"], taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_what_is_asked_or_sent() {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "read.cache=1MiB"]);
    let text = "ok 1 - a line of some test\n".repeat(2_000);
    let send = async |times: usize| {
        for _ in 0..times {
            let reports: Vec<Value> = (0..20).map(|_| Made { text: text.clone(), ..Made::default() }.json()).collect();
            server.submit_all(&reports).await;
        }
        for number in 0..times * 20 {
            assert_eq!(server.get(&format!("/v4/releases/Foo-Bar/{number}")).await.status, 404);
            assert_eq!(server.get(&format!("/v4/matrix/Foo-Bar?axes=os&{number}")).await.status, 200);
            assert_eq!(
                server.get(&format!("/v4/results?limit=20&distribution=Foo-Bar&os=o{number}")).await.status,
                200
            );
        }
        server.settle_index().await;
        server.metric("process_resident_memory_bytes").await
    };
    let warm = send(10).await;
    let later = send(30).await;
    let megabytes = |bytes: f64| (bytes / 1e6).round();
    assert!(warm > 1e6, "{warm}");
    assert!(
        later < warm + 100e6 && later < 400e6,
        "{} MB after the first requests, {} MB after four times as many",
        megabytes(warm),
        megabytes(later)
    );
}
