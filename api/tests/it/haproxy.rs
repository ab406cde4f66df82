//! Several nodes behind HAProxy, as `deploy/haproxy.cfg` has it: one may die or be told to stop, and no report is lost.

mod front;
mod resends;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::events::Listener;
use crate::profile::Deployed;
use crate::server::PATIENCE;
use crate::submissions::Made;
use front::{Front, configuration, free_port};

/// Two api nodes and a worker: on one data directory, or each on its own before the servers that `TEST_PROFILE` names.
struct Nodes {
    directory: TempDir,
    settings: Vec<String>,
    deployed: Option<Deployed>,
    addresses: [String; 2],
    api: [Option<Child>; 2],
    worker: Option<Child>,
}

impl Nodes {
    fn start(settings: &[&str]) -> Nodes {
        let directory = tempfile::tempdir().unwrap();
        let settings: Vec<String> = ["proxies=127.0.0.1", "intake.anonymous=true"]
            .iter()
            .chain(settings)
            .map(|setting| (*setting).to_owned())
            .collect();
        let deployed = Deployed::of_profile();
        let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut nodes = Nodes { directory, settings, deployed, addresses, api: [None, None], worker: None };
        let migrated = nodes.assay("worker").arg("migrate").status().unwrap();
        assert!(migrated.success());
        nodes.worker = Some(nodes.assay("worker").arg("worker").spawn().unwrap());
        nodes.start_node(1);
        nodes.start_node(2);
        nodes
    }

    fn start_node(&mut self, node: usize) {
        let mut command = self.assay(&format!("api{node}"));
        command.args(["api", "--listen", &self.addresses[node - 1]]);
        self.api[node - 1] = Some(command.spawn().unwrap());
    }

    /// A command of the process with this name.
    fn assay(&self, name: &str) -> Command {
        let home = self.directory.path();
        // Files of the embedded profile are shared; a node that has none of them keeps its spool for itself.
        let data = if self.deployed.is_some() { home.join(name) } else { home.join("data") };
        let log = std::fs::File::options().create(true).append(true).open(home.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.env_clear().env("HOME", home).env("ASSAY_DATA", data);
        command.envs(self.deployed.iter().flat_map(Deployed::environment));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command
    }

    fn front(&self) -> Option<Front> {
        let front = Front::start([&self.addresses[0], &self.addresses[1]])?;
        front.wait_for_node(1, "UP");
        front.wait_for_node(2, "UP");
        Some(front)
    }

    fn kill(&mut self, node: usize) {
        let mut child = self.api[node - 1].take().expect("the node runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Tells it to stop, and gives it to be waited for.
    fn ask_to_stop(&mut self, node: usize) -> Child {
        let child = self.api[node - 1].take().expect("the node runs");
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
        assert!(asked.success());
        child
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.api.iter_mut().chain([&mut self.worker]).flatten() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default());
        }
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// Four senders who submit one report after the other until they are told to stop. Gives how many were sent; the first
/// answer that is no acceptance fails the test.
struct Senders {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    fn start(front: &Front, path: &'static str) -> Senders {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let send = |sender: usize| {
            let (stop, sent, url, client) = (Arc::clone(&stop), Arc::clone(&sent), front.at(path), client());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let report = Made { tester: format!("Sender {sender}"), ..Made::default() };
                    let answer = client.post(&url).json(&report.json()).send().await.unwrap();
                    let status = answer.status();
                    assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let tasks = (0..4).map(send).collect();
        Senders { stop, sent, tasks }
    }

    /// Waits until so many more have been taken.
    async fn more(&self, reports: usize) {
        let wanted = self.sent.load(Ordering::SeqCst) + reports;
        while self.sent.load(Ordering::SeqCst) < wanted && self.tasks.iter().any(|task| !task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.sent.load(Ordering::SeqCst)
    }
}

/// How many reports are counted, once all are.
async fn counted(front: &Front) -> u64 {
    let client = client();
    loop {
        let status: Value = client.get(front.at("/v4/status")).send().await.unwrap().json().await.unwrap();
        if status["waiting"] == 0 {
            return status["totals"]["pass"].as_u64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn haproxy_finds_nothing_to_say_about_the_configuration() {
    let Some(program) = services::haproxy() else { return };
    let mut command = Command::new(program);
    command.args(["-c", "-f"]).arg(configuration()).envs([("API_1", "127.0.0.1:1"), ("API_2", "127.0.0.1:2")]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("WARNING"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_costs_no_submission() {
    let mut nodes = Nodes::start(&[]);
    let Some(front) = nodes.front() else { return };
    // They name their ids, so one that died with the node is sent to the other.
    let senders = Senders::start(&front, "/v4/reports");
    senders.more(50).await;
    nodes.kill(1);
    front.wait_for_node(1, "DOWN");
    senders.more(50).await;
    nodes.start_node(1);
    front.wait_for_node(1, "UP");
    senders.more(50).await;
    let sent = senders.end().await;
    assert_eq!(counted(&front).await, sent as u64, "none is lost, none is counted twice");
    let again: usize = ["wretr", "wredis"]
        .map(|column| front.figure("submissions", "BACKEND", column).parse::<usize>().unwrap())
        .iter()
        .sum();
    assert!(again > 0, "the node was killed while it was being used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_leaves_without_a_failed_request() {
    // HAProxy sees within two seconds that a node is about to leave; on a busy machine a check takes longer.
    let mut nodes = Nodes::start(&["server.notice=10s"]);
    let Some(front) = nodes.front() else { return };
    // assay gives these their ids, so nobody but their sender may send them again.
    let senders = Senders::start(&front, "/v3/report");
    for node in [1, 2] {
        senders.more(20).await;
        let mut leaving = nodes.ask_to_stop(node);
        front.wait_for_node(node, "DOWN");
        senders.more(20).await;
        assert!(leaving.wait().unwrap().success());
        nodes.start_node(node);
        front.wait_for_node(node, "UP");
    }
    let sent = senders.end().await;
    assert_eq!(counted(&front).await, sent as u64, "none is lost, none is counted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_says_where_they_ask_from() {
    let limits = ["intake.address_burst=3", "intake.address_rate=1", "intake.exempt=192.0.2.1"];
    let nodes = Nodes::start(&limits);
    let Some(front) = nodes.front() else { return };
    // From another address than HAProxy's own, and a claim to be somebody else with each report.
    let client = Client::builder().no_proxy().local_address(Some([127, 0, 0, 2].into())).build().unwrap();
    let mut answers = Vec::new();
    for number in 0..8 {
        let request = client.post(front.at("/v4/reports")).header("x-forwarded-for", format!("203.0.113.{number}"));
        answers.push(request.json(&Made::default().json()).send().await.unwrap().status().as_u16());
    }
    // Each of the two nodes lets three through.
    assert!(answers.iter().filter(|status| **status == 202).count() <= 6 && answers.contains(&429), "{answers:?}");
    let measures = client.get(front.at("/metrics")).send().await.unwrap();
    assert_eq!(measures.status(), 404, "measures are a node's own, and nobody's outside");
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_pass_and_without_a_node_the_answer_says_when_to_come_again() {
    let mut nodes = Nodes::start(&[]);
    let Some(front) = nodes.front() else { return };
    let address = front.url.replace("http://", "ws://");
    let (mut feed, _) = tokio_tungstenite::connect_async(format!("{address}/v4/results?after=0")).await.unwrap();
    let made = Made::default();
    let client = client();
    let mut events = Listener::open(&client, &front.url, "?kind=result&after=0", None).await;
    let news = tokio::spawn(client.get(front.at("/v4/changes?after=0&wait=60")).send());
    let sent = client.post(front.at("/v4/reports")).json(&made.json()).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    let frame = loop {
        let frame = feed.next().await.expect("the feed goes on").unwrap();
        if frame.is_text() {
            break frame;
        }
    };
    assert!(frame.to_text().unwrap().contains(&made.id), "{frame}");
    let news: Value = news.await.unwrap().unwrap().json().await.unwrap();
    assert_ne!(news["changes"], json!([]));
    assert_eq!(events.change().await["key"], made.id);

    nodes.kill(1);
    nodes.kill(2);
    front.wait_for_node(1, "DOWN");
    front.wait_for_node(2, "DOWN");
    let answer = client.post(front.at("/v4/reports")).json(&made.json()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 503);
}
