//! A mirror that follows the change feed at one node while reports come in at another misses nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Client;
use serde_json::Value;

use crate::events::Listener;
use crate::nodes::Node;
use crate::server::Server;
use crate::submissions::Made;

/// Writers, each with a tester of their own, and what each does one after the other.
const WRITERS: usize = 8;
const STEPS: usize = 40;

/// What the feed told, the newest word on each row.
#[derive(Default)]
struct Mirror {
    rows: Rows,
    removed: usize,
    newest: i64,
    cursor: String,
}

/// By kind and key.
type Rows = BTreeMap<(String, String), Value>;

impl Mirror {
    /// Reads the next page of the feed, and waits a second for one that is not there yet. Whether there is nothing more
    /// up to `head`.
    async fn read_on(&mut self, client: &Client, url: &str, head: i64) -> bool {
        let url = format!("{url}/v4/changes?limit=50&wait=1{}", self.cursor);
        let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let changes = page["changes"].as_array().unwrap();
        changes.iter().for_each(|change| self.take(change));
        self.cursor = format!("&after={}", page["next"].as_str().expect("a page says where it ends"));
        changes.is_empty() && page["head"].as_i64().unwrap() >= head
    }

    fn take(&mut self, change: &Value) {
        let number = change["number"].as_i64().unwrap();
        assert!(number > self.newest, "change {number} was told after {}", self.newest);
        self.newest = number;
        let row = (text(change, "kind"), text(change, "key"));
        if change["removed"] == true {
            self.removed += 1;
            self.rows.remove(&row);
        } else {
            self.rows.insert(row, change["value"].clone());
        }
    }

    /// Listens to events for as long as some so many come, and is then cut off. How many came.
    async fn listen(&mut self, client: &Client, url: &str, events: usize, head: &AtomicI64) -> usize {
        let mut listener = Listener::open(client, url, "?after=0", Some(self.newest)).await;
        let mut taken = 0;
        while taken < events && self.newest < head.load(Ordering::SeqCst) {
            // The last change may be one that was told already when the head becomes known.
            let Ok(event) = tokio::time::timeout(Duration::from_secs(1), listener.next()).await else { break };
            if let Some(change) = event.expect("the feed goes on").change {
                self.take(&change);
                taken += 1;
            }
        }
        taken
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// Sends, corrects and retracts by turns that its seed decides.
async fn write(server: &Server, token: &str, writer: usize) {
    let mut random = StdRng::seed_from_u64(writer as u64);
    let mut sent: Vec<Made> = Vec::new();
    for _ in 0..STEPS {
        let earlier = sent.len();
        match random.random_range(0..10) {
            0..=1 if earlier > 0 => {
                let mut made = sent.swap_remove(random.random_range(0..earlier));
                made.grade = if made.grade == "fail" { "pass" } else { "fail" };
                let answer = server.ask(submission(server, token, &made)).await;
                assert_eq!(answer.status, 202, "{}", answer.text());
                sent.push(made);
            }
            2 if earlier > 0 => {
                let made = sent.swap_remove(random.random_range(0..earlier));
                let request = server.client.delete(server.at(&format!("/v4/reports/{}?reason=a+mistake", made.id)));
                let answer = server.ask(request.bearer_auth(token)).await;
                assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
            }
            _ => {
                let distribution = format!("Foo-Bar{}", random.random_range(0..4));
                let made = Made { distribution, tester: format!("Writer {writer}"), ..Made::default() };
                let answer = server.ask(submission(server, token, &made)).await;
                assert_eq!(answer.status, 202, "{}", answer.text());
                sent.push(made);
            }
        }
    }
}

fn submission(server: &Server, token: &str, made: &Made) -> reqwest::RequestBuilder {
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    request.bearer_auth(token).body(made.json().to_string())
}

/// All rows there are, under the keys that the feed gives them.
async fn listed(server: &Server) -> Rows {
    let results = server.lines("/v4/results").await;
    let summaries = server.lines("/v4/summaries").await;
    let release = |row: &Value| ["language", "distribution", "version"].map(|name| text(row, name)).join("/");
    let results = results.into_iter().map(|row| (("result".to_owned(), text(&row, "id")), row));
    let summaries = summaries.into_iter().map(|row| (("summary".to_owned(), release(&row)), row));
    results.chain(summaries).collect()
}

/// What eight writers do through a server while somebody follows. Gives the newest change number in the end.
async fn write_all(server: &Server) -> i64 {
    let tokens: Vec<String> = (0..WRITERS)
        .map(|writer| server.token(&["--scope", "submit", "--tester", &format!("Writer {writer}")]).0)
        .collect();
    join_all(tokens.iter().enumerate().map(|(writer, token)| write(server, token, writer))).await;
    server.settle().await;
    server.json("/v4/status").await["head"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_at_one_node_misses_nothing_that_is_written_at_another() {
    let server = Server::start();
    let node = Node::beside(&server, &[]);
    let head = AtomicI64::new(i64::MAX);
    let written = async { head.store(write_all(&server).await, Ordering::SeqCst) };
    let mut mirror = Mirror::default();
    let followed = async { while !mirror.read_on(&server.client, &node.url, head.load(Ordering::SeqCst)).await {} };
    tokio::join!(written, followed);

    let source = listed(&server).await;
    assert!(source.len() > WRITERS * STEPS / 3, "only {} rows", source.len());
    assert!(mirror.removed > 0, "nothing was taken back");
    assert_eq!(mirror.rows, source);
}

/// It comes again to the other node each time, and says only what it has seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_who_is_cut_off_again_and_again_misses_nothing_and_hears_nothing_twice() {
    let server = Server::start();
    let node = Node::beside(&server, &[]);
    let head = AtomicI64::new(i64::MAX);
    let written = async { head.store(write_all(&server).await, Ordering::SeqCst) };
    let mut mirror = Mirror::default();
    let mut cut = 0;
    let followed = async {
        while mirror.newest < head.load(Ordering::SeqCst) {
            let url = if cut % 2 == 0 { &node.url } else { &server.url };
            let taken = mirror.listen(&server.client, url, 7, &head).await;
            cut += usize::from(taken > 0);
        }
    };
    tokio::join!(written, followed);
    assert!(cut >= 20, "it was cut off {cut} times");
    assert_eq!(mirror.rows, listed(&server).await);
}
