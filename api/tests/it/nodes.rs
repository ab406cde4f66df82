//! Several processes and a Redis between them: each node knows at once what another did, and all keep one limit. While
//! Redis is away, all go on, and say so.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::{Value, json};
use services::{OwnServers, Server as Outside};

use crate::events::Listener;
use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";

/// A further process beside a server: `assay api` on the same database, or a worker.
pub struct Node {
    pub url: String,
    child: Child,
}

impl Node {
    pub fn beside(server: &Server, settings: &[&str]) -> Node {
        Node::run(server, &["api", "--listen", "127.0.0.1:0"], settings)
    }

    /// A worker on the same database, watched at `url`.
    pub fn worker(server: &Server, settings: &[&str]) -> Node {
        Node::run(server, &["worker", "--set", "worker_listen=127.0.0.1:0"], settings)
    }

    fn run(server: &Server, command: &[&str], settings: &[&str]) -> Node {
        let mut command = server.beside(command);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").expect("the node says where it listens").to_owned();
        Node { url, child }
    }

    /// Tells it to stop, and gives how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }

    pub async fn get(&self, server: &Server, path: &str) -> Answer {
        server.ask(server.client.get(format!("{}{path}", self.url))).await
    }

    async fn submit(&self, server: &Server, report: &Value) -> Answer {
        let request = server.client.post(format!("{}/v4/reports", self.url)).header("content-type", "application/json");
        server.ask(request.body(report.to_string())).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A Redis of this test's own.
async fn redis() -> Option<(OwnServers, String)> {
    let servers = tokio::task::spawn_blocking(|| OwnServers::start(&[Outside::Redis])).await.unwrap()?;
    let events = format!("events={}/1", servers.url(Outside::Redis));
    Some((servers, events))
}

fn serving(settings: &[&str]) -> Server {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    Server::with(&["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect::<Vec<_>>())
}

fn made(distribution: &str) -> Value {
    Made { distribution: distribution.to_owned(), ..Made::default() }.json()
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Counts of a distribution's only release, as a node tells them.
async fn passes(server: &Server, node: &Node, distribution: &str) -> i64 {
    let answer = node.get(server, &format!("/v4/releases/{distribution}/1.0")).await;
    if answer.status == 404 { 0 } else { answer.json()["pass"].as_i64().unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_knows_at_once_what_another_has_done() {
    let Some((servers, events)) = redis().await else { return };
    let server = serving(&[&events]);
    let node = Node::beside(&server, &[&events]);
    assert_eq!(server.json("/readyz").await["redis"], "ok");
    eventually("the bridge open", async || server.metric("assay_events_bridge_open").await == 1.0).await;
    assert_eq!(server.metric("assay_redis_reachable").await, 1.0);

    // Open at the node from the beginning, by each way there is.
    let mut events = Listener::open(&server.client, &node.url, "?kind=result", None).await;
    let address = node.url.replace("http://", "ws://");
    let (mut frames, _) = tokio_tungstenite::connect_async(format!("{address}/v4/results?after=0")).await.unwrap();

    // Each of these reads an answer that the node keeps, and a report later it has to give another.
    for number in 1..=5 {
        let path = format!("/v4/changes?after={}&wait=30", head(&server).await);
        let (changed, answer) = tokio::join!(node.get(&server, &path), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.submit(&made("Foo-Bar")).await
        });
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert!(!changed.json()["changes"].as_array().unwrap().is_empty());
        let frame = loop {
            let frame = frames.next().await.expect("the feed goes on").unwrap();
            if frame.is_text() {
                break serde_json::from_str::<Value>(frame.to_text().unwrap()).unwrap();
            }
        };
        assert_eq!(frame["value"]["distribution"], "Foo-Bar");
        assert_eq!(events.change().await, frame);
        let told = Instant::now();
        eventually("the node's counts", async || passes(&server, &node, "Foo-Bar").await == number).await;
        assert!(told.elapsed() < Duration::from_secs(9), "kept an old answer for {:?}", told.elapsed());
    }

    servers.kill(Outside::Redis);
    eventually("Redis known to be away", async || server.json("/readyz").await["redis"] == "away").await;
    let ready = node.get(&server, "/readyz").await;
    assert_eq!((ready.status, ready.json()["redis"].as_str()), (200, Some("away")));
    eventually("the bridge broken", async || server.metric("assay_events_bridge_open").await == 0.0).await;
    assert_eq!(server.metric("assay_redis_reachable").await, 0.0);
    for number in 6..=8 {
        assert_eq!(node.submit(&server, &made("Foo-Bar")).await.status, 202);
        server.settle().await;
        let told = Instant::now();
        eventually("the node's counts", async || passes(&server, &node, "Foo-Bar").await == number).await;
        assert!(told.elapsed() < Duration::from_secs(9), "kept an old answer for {:?}", told.elapsed());
    }

    servers.start_again(Outside::Redis);
    eventually("Redis known to be back", async || server.json("/readyz").await["redis"] == "ok").await;
    eventually("the bridge open", async || server.metric("assay_events_bridge_open").await == 1.0).await;
}

async fn head(server: &Server) -> i64 {
    server.json("/v4/changes?limit=1").await["head"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_keep_one_limit_and_each_its_own_while_redis_is_away() {
    let Some((servers, events)) = redis().await else { return };
    let limits = ["intake.exempt=192.0.2.1", "intake.address_rate=1", "intake.address_burst=6", "workers=0"];
    let settings: Vec<&str> = limits.into_iter().chain([events.as_str()]).collect();
    let server = serving(&settings);
    let node = Node::beside(&server, &settings);
    for number in 0..3 {
        assert_eq!(server.submit(&made(&format!("A-{number}"))).await.status, 202);
        assert_eq!(node.submit(&server, &made(&format!("B-{number}"))).await.status, 202);
    }
    for refused in [server.submit(&made("C")).await, node.submit(&server, &made("C")).await] {
        assert_eq!(refused.status, 429, "{}", refused.text());
        // At a report a minute, the next is due in a minute from the first.
        assert!((1..=61).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{:?}", refused.headers);
        assert_eq!(refused.json()["type"], "/problems/too-fast");
    }

    servers.kill(Outside::Redis);
    let begun = Instant::now();
    for number in 0..6 {
        assert_eq!(server.submit(&made(&format!("D-{number}"))).await.status, 202, "the node's own bucket is full");
    }
    assert_eq!(server.submit(&made("E")).await.status, 429, "and it is a bucket");
    assert!(begun.elapsed() < Duration::from_secs(20), "an absent Redis is waited for: {:?}", begun.elapsed());
    assert_eq!(node.submit(&server, &made("F")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_forgotten_at_one_node_is_forgotten_at_all() {
    let Some((_servers, events)) = redis().await else { return };
    let server = serving(&[&events]);
    let node = Node::beside(&server, &[&events]);
    eventually("the bridge open", async || {
        let metrics = node.get(&server, "/metrics").await.text();
        metrics.lines().any(|line| line == "assay_events_bridge_open 1")
    })
    .await;
    let profile = registration(PROFILE, "Ann Example", "ann@example.org", Some("secret"));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", profile).await.status, 200);
    let send = async |secret: &'static str| {
        let body = legacy_report(&uuid::Uuid::new_v4().to_string(), PROFILE, &Made::default());
        let request = server.client.post(format!("{}/api/v1/submit/CPAN-Testers-Report", node.url));
        server.ask(request.basic_auth(PROFILE, Some(secret)).body(body)).await.status
    };
    assert_eq!((send("secret").await, send("another").await), (201, 401));
    let (token, _) = server.token(&["--scope", "admin"]);
    let forgetting = server.client.delete(server.at(&format!("/v4/testers/{PROFILE}/secret"))).bearer_auth(token);
    assert_eq!(server.ask(forgetting).await.status, 204);
    // By itself, the node would remember for ten minutes.
    eventually("the other secret taken", async || send("another").await == 201).await;
    assert_eq!(send("secret").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tries_redis_out() {
    let Some((servers, events)) = redis().await else { return };
    let server = serving(&["workers=0"]);
    let queue = events.replace("events=", "queue=");
    let checked = || {
        let output = server.command(&["check", "--json", "--set", &queue]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let parts = told["parts"].as_array().unwrap().clone();
        let named = |name: &str| parts.iter().find(|part| part["part"] == name).unwrap().clone();
        (output.status.success(), named("queue"), named("events"))
    };
    let address = servers.url(Outside::Redis);
    let (works, queue, news) = checked();
    assert!(works);
    assert_eq!((&queue["works"], &news["works"]), (&json!(true), &json!(true)));
    assert_eq!(queue["found"], format!("{address}/1 answers; 0 jobs wait"));
    assert_eq!(news["found"], format!("{address}/1 answers"));
    servers.kill(Outside::Redis);
    let (works, queue, news) = checked();
    assert!(!works && queue["works"] == false && news["works"] == false, "{queue} {news}");
}
