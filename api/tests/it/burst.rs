//! Memory stays flat when far more arrives at once than there is room for.

use std::sync::Arc;
use std::time::Duration;

use crate::server::{Answer, Server};
use crate::submissions::Made;

const MEBIBYTE: u64 = 1 << 20;

/// The most memory that the process has held so far.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Sends so many bodies of two mebibytes at the same time, each until it is taken.
async fn send_at_once(server: &Arc<Server>, bodies: usize) -> usize {
    let text = "x".repeat(2 * MEBIBYTE as usize);
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..bodies {
        let (server, body) = (Arc::clone(server), Made { text: text.clone(), ..Made::default() }.json().to_string());
        sending.spawn(async move {
            for turned_away in 0..100 {
                let answer: Answer = server.post("/v4/reports", "application/json", body.clone()).await;
                match answer.status {
                    200 | 202 => return turned_away,
                    503 => assert!(!answer.header("retry-after").is_empty(), "{}", answer.text()),
                    status => panic!("{status}: {}", answer.text()),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("a body finds no room");
        });
    }
    sending.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_what_there_is_room_for_is_taken_with_the_memory_for_one() {
    let settings = ["intake.memory=16MiB", "intake.body_limit=4MiB", "read.cache=0", "workers=1", "index=none"];
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    let server = Server::with(&["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect::<Vec<_>>());
    let server = Arc::new(server);
    // As many as there is room for: what a body costs besides its bytes is in this figure.
    send_at_once(&server, 8).await;
    server.settle().await;
    let before = peak(&server);
    send_at_once(&server, 80).await;
    server.settle().await;
    let after = peak(&server);
    // Bodies may have 16 MiB, and each of them once more for its parsed text and once for its packed bytes; each
    // connection may hold half a mebibyte that is read and not yet looked at. Without the bound, the 160 MiB that arrive
    // would be held twice and more.
    let bound = 2 * 16 * MEBIBYTE + 80 * MEBIBYTE / 2;
    assert!(after < before + bound, "{} MiB before the burst, {} MiB in it", before / MEBIBYTE, after / MEBIBYTE);
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 88);
}
