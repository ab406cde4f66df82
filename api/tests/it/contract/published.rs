//! The published list of releases: what it holds, how it is named, and what happens without it.

use serde_json::Value;

use super::data::others;
use crate::server::{PATIENCE, Server};

const SOON: [&str; 6] = ["--listen", "127.0.0.1:0", "--set", "publish.quiet=100ms", "--set", "publish.latest=1s"];

/// Waits until the list comes out of the published file, with so many rows.
async fn published(server: &Server, rows: usize) -> (String, Value) {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = server.get("/v3/release").await;
        // Only the file has a length and a name made of its change number.
        if answer.status == 200 && answer.header("etag").contains('-') {
            let list = answer.json();
            if list.as_array().unwrap().len() == rows {
                assert_eq!(answer.header("content-length"), answer.body.len().to_string());
                return (answer.header("etag").to_owned(), list);
            }
        }
        assert!(std::time::Instant::now() < end, "the list was not published:\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_published_named_and_published_anew() {
    let server = Server::with(&SOON);
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 3)])).await;
    server.settle().await;
    let (etag, list) = published(&server, 1).await;
    assert_eq!(list, server.json("/v3/release?precache=1").await);
    for path in ["/v3/release", "/v1/release"] {
        let answer = server.ask(server.client.get(server.at(path)).header("if-none-match", &etag)).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{path}");
        assert_eq!(answer.header("etag"), etag);
    }
    server.submit_all(&others("Foo-Bar", "1.1", &[("fail", 1)])).await;
    server.settle().await;
    let (newer, list) = published(&server, 2).await;
    assert_ne!(newer, etag);
    assert_eq!(list, server.json("/v3/release?precache=1").await);
    let files: Vec<_> = std::fs::read_dir(server.data().join("published")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_file_the_database_answers_the_same() {
    let mut server = Server::with(&SOON);
    server.submit_all(&others("Foo-Bar", "1.0", &[("pass", 3)])).await;
    server.settle().await;
    let (_, list) = published(&server, 1).await;
    server.stop();
    std::fs::remove_dir_all(server.data().join("published")).unwrap();
    server.start_again();
    assert_eq!(server.json("/v3/release").await, list);
    let (_, again) = published(&server, 1).await;
    assert_eq!(again, list);
}
