//! WebSocket feeds: results and summaries that change, from a cursor on.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use futures::{SinkExt as _, StreamExt as _};
use pipeline::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::data::others;
use crate::history::{hit, search};
use crate::server::{PATIENCE, Server};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(server: &Server, path: &str) -> Socket {
    let (socket, answer) = connect_async(server.at(path).replace("http://", "ws://")).await.unwrap();
    assert_eq!(answer.status(), 101);
    socket
}

/// What the next text frame says.
async fn frame(socket: &mut Socket) -> Value {
    serde_json::from_str(&text(socket).await).unwrap()
}

/// The next text frame. Pings on the way do not make the wait longer.
async fn text(socket: &mut Socket) -> String {
    let told = async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a frame in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_told_as_they_change_and_again_from_a_cursor() {
    let server = Server::start();
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 1), ("fail", 1)])).await;
    server.settle().await;
    let mut all = open(&server, "/v4/results?after=0").await;
    let mut failing = open(&server, "/v4/results?after=0&grade=fail&distribution=Foo-Bar").await;
    let mut new = open(&server, "/v4/results").await;
    let (first, second) = (frame(&mut all).await, frame(&mut all).await);
    let known = server.lines("/v4/changes").await;
    let known: Vec<&Value> = known.iter().filter(|change| change["kind"] == "result").collect();
    assert_eq!(vec![&first, &second], known);
    assert_eq!(frame(&mut failing).await["value"]["grade"], "fail");

    // The feeds are open; what comes now is told by all of them that want it.
    server.submit_all(&others("Foo-Bar", "1.1", &[("fail", 1)])).await;
    for socket in [&mut all, &mut failing, &mut new] {
        assert_eq!(frame(socket).await["value"]["version"], "1.1");
    }
    let mut resumed = open(&server, &format!("/v4/results?after={}", first["number"])).await;
    assert_eq!(frame(&mut resumed).await, second);
    all.send(Message::Close(None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn summaries_are_told_with_their_counts() {
    let server = Server::start();
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 2)])).await;
    server.settle().await;
    server.submit_all(&others("Other", "1.0", &[("pass", 1)])).await;
    server.settle().await;
    let mut feed = open(&server, "/v4/summaries?after=0&distribution=Other").await;
    let told = frame(&mut feed).await;
    assert_eq!((&told["kind"], &told["key"]), (&"summary".into(), &"perl/Other/1.0".into()));
    server.submit_all(&others("Other", "1.0", &[("fail", 1)])).await;
    let told = frame(&mut feed).await;
    assert_eq!((&told["value"]["pass"], &told["value"]["fail"]), (&1.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_can_be_followed_under_both_versions() {
    let server = Server::start();
    for path in ["/v1/upload", "/v3/upload", "/v3/upload/dist/My.Dist", "/v1/upload/author/PREACTION"] {
        let mut socket = open(&server, path).await;
        socket.send(Message::Ping("alive".into())).await.unwrap();
        loop {
            let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an answer in time");
            match message.unwrap().unwrap() {
                Message::Pong(said) => break assert_eq!(&said[..], b"alive"),
                Message::Ping(_) => {}
                other => panic!("{path}: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_upstream_tells_of_arrives_at_each_follower_who_wants_it() {
    let hits = Arc::new(Mutex::new(Vec::new()));
    let url = search(hits.clone(), Arc::new(AtomicUsize::new(0))).await;
    let upstream = format!("uploads.upstream={url}");
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &upstream, "--set", "uploads.every=1s"]);
    let mut all = [open(&server, "/v3/upload").await, open(&server, "/v1/upload").await];
    let mut by_distribution = open(&server, "/v3/upload/dist/Other").await;
    let mut by_author = open(&server, "/v1/upload/author/BOB").await;
    let hour = (Clock::System.now() - TimeDelta::hours(1)).format("%Y-%m-%dT%H:00:").to_string();
    let row = |distribution: &str, author: &str, second: &str| {
        json!({
            "dist": distribution, "version": "v1.2.3", "author": author,
            "filename": format!("{distribution}-v1.2.3.tar.gz"), "released": format!("{hour}{second}Z"),
        })
    };
    let told = [row("Foo-Bar", "ANN", "01"), row("Other", "BOB", "02")];
    for upload in &told {
        let [author, archive, released] =
            ["author", "filename", "released"].map(|name| upload[name].as_str().unwrap().to_owned());
        hits.lock().unwrap().push(hit(&author, &archive, released.trim_end_matches('Z'), "latest"));
        for socket in &mut all {
            // Each once, though the upstream tells of it at every question.
            assert_eq!(text(socket).await, upload.to_string());
        }
    }
    assert_eq!(text(&mut by_distribution).await, told[1].to_string());
    assert_eq!(text(&mut by_author).await, told[1].to_string());
    assert_eq!(server.json("/v3/upload").await, json!(told));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_feeds_are_open_than_the_operator_allows() {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "read.feeds=1"]);
    let first = open(&server, "/v4/results").await;
    let refused = connect_async(server.at("/v3/upload").replace("http://", "ws://")).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 503);
    drop(first);
    let end = std::time::Instant::now() + PATIENCE;
    while connect_async(server.at("/v3/upload").replace("http://", "ws://")).await.is_err() {
        assert!(std::time::Instant::now() < end, "the place of a closed feed stays taken");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_feeds_do_not_keep_the_server_from_ending() {
    let mut server = Server::start();
    let mut uploads = open(&server, "/v3/upload").await;
    let mut results = open(&server, "/v4/results").await;
    // It fails where the server does not end in time.
    server.stop();
    for socket in [&mut uploads, &mut results] {
        loop {
            match tokio::time::timeout(PATIENCE, socket.next()).await.expect("an end in time") {
                Some(Ok(Message::Ping(_))) => {}
                None | Some(Ok(Message::Close(_)) | Err(_)) => break,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_a_feed_has_no_use_for_are_refused() {
    let server = Server::start();
    for path in ["/v4/results?limit=3", "/v4/results?after=x", "/v4/summaries?since=2026-01-01", "/v4/results?nope=1"] {
        let refused = connect_async(server.at(path).replace("http://", "ws://")).await.unwrap_err();
        let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{path}: {refused}") };
        assert_eq!(answer.status(), 400, "{path}");
    }
}
