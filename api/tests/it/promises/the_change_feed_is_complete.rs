//! A mirror that follows the change feed while others write ends up with exactly what the lists show.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::recount::send_and_correct;
use crate::server::Server;

/// What the feed has told so far, by kind and key.
#[derive(Debug, Default, PartialEq)]
struct Mirror {
    rows: BTreeMap<(String, String), Value>,
    number: i64,
    removals: usize,
}

impl Mirror {
    fn apply(&mut self, change: &Value) {
        let number = change["number"].as_i64().unwrap();
        assert!(number > self.number, "{number} comes after {}", self.number);
        self.number = number;
        let text = |name: &str| change[name].as_str().unwrap().to_owned();
        let key = (text("kind"), text("key"));
        match change["removed"].as_bool().unwrap() {
            true => {
                assert!(change["value"].is_null());
                self.rows.remove(&key);
                self.removals += 1;
            }
            false => {
                self.rows.insert(key, change["value"].clone());
            }
        }
    }

    async fn follow(server: &Server, done: &AtomicBool) -> Mirror {
        let mut mirror = Mirror::default();
        let mut cursor = String::new();
        loop {
            // Whether all was written is asked before the feed, so that nothing can come in between.
            let last = done.load(Ordering::SeqCst);
            let wait = if last { 0 } else { 1 };
            let page = server.json(&format!("/v4/changes?after={cursor}&wait={wait}&limit=40")).await;
            let changes = page["changes"].as_array().unwrap();
            assert!(changes.len() <= 40);
            changes.iter().for_each(|change| mirror.apply(change));
            cursor = page["next"].as_str().unwrap().to_owned();
            if last && changes.is_empty() {
                assert_eq!(page["head"], mirror.number);
                return mirror;
            }
        }
    }
}

/// The same from the lists.
async fn listed(server: &Server) -> BTreeMap<(String, String), Value> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut rows = BTreeMap::new();
    for row in server.lines("/v4/results").await {
        rows.insert(("result".to_owned(), text(&row, "id")), row);
    }
    for row in server.lines("/v4/summaries").await {
        let key = ["language", "distribution", "version"].map(|name| text(&row, name)).join("/");
        rows.insert(("summary".to_owned(), key), row);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_change_feed_is_complete() {
    let server = Server::start();
    let done = AtomicBool::new(false);
    let write = async {
        let mut generators: Vec<StdRng> = (10..14).map(StdRng::seed_from_u64).collect();
        let writers = generators.iter_mut().map(|random| send_and_correct(&server, random, 50));
        futures::future::join_all(writers).await;
        // The only report of a release moves away, so that a release goes.
        for version in ["7", "8", "9"] {
            let made = crate::submissions::Made {
                id: "0b45cd74-d944-4999-9c3d-c81021ca3d34".to_owned(),
                version: version.to_owned(),
                ..Default::default()
            };
            assert_eq!(server.submit(&made.json()).await.status, 202);
            server.settle().await;
        }
        done.store(true, Ordering::SeqCst);
    };
    let (mirror, ()) = futures::join!(Mirror::follow(&server, &done), write);
    assert_eq!(mirror.rows, listed(&server).await);
    assert!(mirror.removals >= 2, "{}", mirror.removals);

    // As lines, and from the beginning, it tells the same.
    let mut late = Mirror::default();
    server.lines("/v4/changes").await.iter().for_each(|change| late.apply(change));
    assert_eq!((late.rows, late.number), (mirror.rows, mirror.number));
}
