//! Whoever keeps assay waiting is told so where that is possible, and cut off in any case.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::server::{PATIENCE, Server};
use crate::submissions::Made;

const DOORS: [&str; 3] = ["/v4/reports", "/v3/report", "/api/v1/register"];

fn impatient(more: &[&str]) -> Server {
    let settings = ["server.idle_timeout=1s", "server.body_timeout=4s", "server.body_rate=1KiB"];
    let settings = settings.iter().chain(more).flat_map(|setting| ["--set", setting]);
    Server::with(&["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect::<Vec<_>>())
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that the server says until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection is closed");
    // What is still unread when the server closes makes an end of another kind.
    drop(read);
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_answered_408_and_silence_is_cut_off() {
    let server = impatient(&[]);
    let mut half = connect(&server).await;
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    let trickle = async {
        let (mut reader, mut writer) = half.split();
        let drip = async {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let mut said = Vec::new();
        tokio::select! {
            read = reader.read_to_end(&mut said) => drop(read),
            () = drip => {}
        }
        String::from_utf8(said).unwrap()
    };
    let said = tokio::time::timeout(PATIENCE, trickle).await.expect("the connection is closed");
    assert!(said.starts_with("HTTP/1.1 408 "), "{said:?}");

    assert_eq!(rest(&mut connect(&server).await).await, "", "a connection on which nothing is asked just ends");

    let mut idle = connect(&server).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let said = rest(&mut idle).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("ok\n"), "one answer and no more: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_or_never_ends_is_answered_408_at_every_door() {
    let server = impatient(&[]);
    for door in DOORS {
        let mut stream = connect(&server).await;
        let head = format!("POST {door} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{{\"id\":");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_told(door, &rest(&mut stream).await);
    }
    for door in DOORS {
        let mut stream = connect(&server).await;
        let head = format!("POST {door} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut said = Vec::new();
        let began = Instant::now();
        // Fast enough for the pace, and without an end.
        let endless = async {
            while writer.write_all(format!("100\r\n{}\r\n", " ".repeat(256)).as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                assert!(began.elapsed() < PATIENCE, "{door} takes a body without an end");
            }
        };
        tokio::select! {
            read = reader.read_to_end(&mut said) => drop(read),
            () = endless => {}
        }
        assert_told(door, &String::from_utf8(said).unwrap());
    }
    assert_eq!(server.submit(&Made::default().json()).await.status, 202, "others are served");
}

/// A 408 with the door's own words.
fn assert_told(door: &str, said: &str) {
    assert!(said.starts_with("HTTP/1.1 408 "), "{door}: {said:?}");
    assert!(said.contains("the body did not arrive in time"), "{door}: {said:?}");
    let kind = if door.starts_with("/v4") { "application/problem+json" } else { "application/json" };
    assert!(said.to_lowercase().contains(&format!("content-type: {kind}\r\n")), "{door}: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_takes_nothing_of_the_answer_is_cut_off() {
    let server = impatient(&["server.body_timeout=10m"]);
    // Longer than what the system holds for a connection.
    let made = Made { text: "x".repeat(24 << 20), ..Made::default() };
    assert_eq!(server.submit(&made.json()).await.status, 202);
    server.settle().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let request = format!("GET /v4/reports/{}/text HTTP/1.1\r\nHost: a\r\n\r\n", made.id);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r");
    let end = Instant::now() + PATIENCE;
    // The one that asks is open, and those that it keeps are idle for a second at most.
    while server.metric("assay_connections").await > 1.0 {
        assert!(Instant::now() < end, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_wait_and_one_address_has_a_part_of_them() {
    let server = impatient(&["server.connections=16"]);
    let mut idle = Vec::new();
    for _ in 0..16 {
        idle.push(connect(&server).await);
    }
    // Served once one of them is cut off.
    assert_eq!(server.get("/healthz").await.status, 200);

    let server = impatient(&["server.address_connections=2", "intake.exempt=", "server.idle_timeout=1m"]);
    let (mut first, mut second) = (connect(&server).await, connect(&server).await);
    // Answered, both are known to have come before the third.
    for stream in [&mut first, &mut second] {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    assert_eq!(rest(&mut connect(&server).await).await, "", "a third is closed at once");
    drop(second);
    let end = Instant::now() + PATIENCE;
    loop {
        let mut third = connect(&server).await;
        // It may be closed before anything is written.
        let asked = third.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        if asked.is_ok() && rest(&mut third).await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < end, "there is no place for a third after the second has gone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
