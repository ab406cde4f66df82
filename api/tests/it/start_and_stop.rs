//! A stop drains within a bound, whatever is open; a data directory has one worker, who is named to others.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::profile::embedded_only;
use crate::server::{Answer, Server};
use crate::submissions::Made;

async fn begin_upload(server: &Server, made: &Made) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let body = made.json().to_string().into_bytes();
    let head = format!("POST /v4/reports HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let (first, rest) = body.split_at(20);
    stream.write_all(first).await.unwrap();
    (stream, rest.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_who_waits_and_cuts_off_who_does_not_go_on() {
    let mut server = Server::with(&["--listen", "127.0.0.1:0", "--set", "server.drain=3s", "--set", "workers=0"]);
    let waiting = Made::default();
    assert_eq!(server.submit(&waiting.json()).await.status, 202);
    let ask = |path: String| {
        let request = server.client.get(server.at(&path));
        tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await.unwrap() })
    };
    let head = server.json("/v4/status").await["head"].clone();
    let news = ask(format!("/v4/changes?after={head}&wait=60"));
    let receipt = ask(format!("/v4/reports/{}/receipt?wait=60", waiting.id));
    let (mut slow, _) = begin_upload(&server, &Made::default()).await;
    let in_time = Made::default();
    let (mut quick, rest) = begin_upload(&server, &in_time).await;
    // An idle connection, kept open by its client.
    let idle = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;

    let began = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    quick.write_all(&rest).await.unwrap();
    let mut said = String::new();
    quick.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 202 "), "what is under way is finished: {said:?}");
    let (news, receipt) = (news.await.unwrap(), receipt.await.unwrap());
    assert_eq!((news.status, receipt.status), (200, 200));
    assert_eq!(news.json()["changes"], serde_json::json!([]));
    assert_eq!(receipt.json()["state"], "accepted");
    let mut server = stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    let mut cut = Vec::new();
    // The end may be of either kind.
    drop(slow.read_to_end(&mut cut).await);
    assert!(!String::from_utf8_lossy(&cut).contains(" 202 "), "what was not sent to its end is not accepted");
    drop(idle);

    server.start_again();
    let receipt = server.json(&format!("/v4/reports/{}/receipt", in_time.id)).await;
    assert_eq!(receipt["state"], "accepted", "what was acknowledged while it stopped is there");
    assert!(!server.log().contains("the database was not closed in time"), "{}", server.log());
}

fn refused(server: &Server, command: &[&str], holder: &str) {
    let output = server.command(command).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{command:?}: {told}");
    assert!(told.contains(holder), "{told}");
    assert!(told.contains(server.data().to_str().unwrap()) && told.contains("--data"), "{told}");
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_on_the_same_directory_is_told_who_has_it() {
    if embedded_only("it is about a directory that holds the database") {
        return;
    }
    let server = Server::start();
    let holder = format!("assay serve (process {})", server.pid());
    for command in [&SERVE[..], &["worker"], &["rebuild", "--clear"]] {
        refused(&server, command, &holder);
    }
    // Those who only look, or write nothing but a token, may.
    server.run(&["check"]);
    refused(&server, &SERVE, &holder);
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_shares_a_directory_with_one_worker() {
    if embedded_only("it is about a directory that holds the database") {
        return;
    }
    let mut server = Server::start();
    server.stop();
    let mut api = start(&server, &["api", "--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    BufReader::new(api.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("the line says where").to_owned();
    let mut worker = start(&server, &["worker"]);
    let holder = format!("assay worker (process {})", worker.id());
    let end = Instant::now() + crate::server::PATIENCE;
    // It has the directory a moment after its start.
    while std::fs::read_to_string(server.data().join("lock")).unwrap().trim() != holder {
        assert!(Instant::now() < end, "the worker does not take the directory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for command in [&SERVE[..], &["worker"]] {
        refused(&server, command, &holder);
    }
    let made = Made::default();
    let request = server.client.post(format!("{url}/v4/reports")).header("prefer", "wait=60");
    let answer = server.ask(request.header("content-type", "application/json").body(made.json().to_string())).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &"processed".into()), "{}", answer.text());
    for child in [&mut api, &mut worker] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A lock ends with its process, however it ended.
    server.start_again();
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 1);
}

fn start(server: &Server, command: &[&str]) -> Child {
    let mut command = server.command(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
