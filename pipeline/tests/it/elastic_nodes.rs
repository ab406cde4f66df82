//! The document index in a search engine whose nodes are full, killed, silent, or stand behind TLS.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use elasticsearch::http::Method;
use pipeline::accept::chain;
use pipeline::catch_up::{CatchUp, CatchUpError};
use pipeline::index::{Address, Document, DocumentIndex, Elastic, IndexError, Order};
use schemas::query::parse;
use serde_json::{Value, json};
use services::{OwnServers, Server};
use tempfile::TempDir;

use crate::elastic::{Ended, Fresh, ask, document, numbers};
use crate::stack::{Stack, id, report_with_text};

#[test]
fn an_engine_that_has_no_room_is_asked_again_until_it_has() {
    let Some(servers) = OwnServers::start(&[Server::Elasticsearch]) else { return };
    let url = servers.url(Server::Elasticsearch);
    let index = Fresh::at(url);
    let filler = "quite a lot of words to fill a text ".repeat(6_000);
    let documents: Vec<Document> = (1..=20).map(|number| document(number, &filler)).collect();
    let limit = |limit: Value| {
        let settings = json!({ "persistent": { "network.breaker.inflight_requests.limit": limit } });
        let answer = ask(url, Method::Put, "_cluster/settings", Some(settings));
        assert_eq!(answer["acknowledged"], true, "{answer}");
    };
    let tripped = || {
        let stats = ask(url, Method::Get, "_nodes/stats/breaker", None);
        let nodes = stats["nodes"].as_object().unwrap().values();
        nodes.map(|node| node["breakers"]["inflight_requests"]["tripped"].as_u64().unwrap()).sum::<u64>()
    };
    index.put(vec![], vec![], 1).unwrap();
    limit(json!("1mb"));
    thread::scope(|scope| {
        let putting = scope.spawn(|| index.put(documents, vec![], 20));
        // The engine says how often it has answered 429.
        while tripped() < 2 {
            assert!(!putting.is_finished(), "it is tried more than once");
            thread::yield_now();
        }
        limit(Value::Null);
        putting.join().unwrap().unwrap();
    });
    assert_eq!((index.documents().unwrap(), index.mark().unwrap()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_delays_search_and_loses_nothing() {
    let Some(servers) = OwnServers::start(&[Server::Elasticsearch]) else { return };
    let index = Arc::new(Fresh::at(servers.url(Server::Elasticsearch)));
    let stack = Stack::new().await;
    let catch_up = CatchUp::new(stack.process.clone(), index.clone());
    accept(&stack, 0).await;
    while catch_up.step().await.unwrap() > 0 {}
    assert_eq!(numbers(&**index, "marmalade"), [1]);

    servers.kill(Server::Elasticsearch);
    accept(&stack, 1).await;
    assert!(matches!(catch_up.step().await, Err(CatchUpError::Index(IndexError::Engine { .. }))));
    let refused = index.search(&parse("marmalade").unwrap(), Order::Newest, 0, 10).unwrap_err();
    let told = chain(&refused);
    assert!(told.contains("could not be searched") && told.contains("did not answer"), "{told}");
    assert_eq!(stack.store().totals().await.unwrap().pass, 2, "counting does not wait for the index");

    servers.start_again(Server::Elasticsearch);
    while catch_up.step().await.unwrap() > 0 {}
    assert_eq!((numbers(&**index, "marmalade"), index.documents().unwrap()), (vec![1, 2], 2));
}

async fn accept(stack: &Stack, number: usize) {
    let body = report_with_text("Foo-Bar", "1.0", "pass", "5.36.0", "linux", "marmalade\n");
    stack.accept(&id(number), &body, "Ann").await;
    stack.work_off().await;
}

#[test]
fn of_three_nodes_one_may_stop_without_a_failed_search() {
    let Some(servers) = OwnServers::start(&[Server::ElasticsearchCluster]) else { return };
    let index = Fresh::at(servers.url(Server::ElasticsearchCluster));
    index.put((1..=50).map(|number| document(number, "marmalade")).collect(), vec![], 50).unwrap();
    let (stop, searches) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for order in [Order::Newest, Order::Relevance] {
            let (index, stop, searches) = (&index, &stop, &searches);
            scope.spawn(move || {
                let _ended = Ended(stop);
                while !stop.load(Ordering::SeqCst) {
                    let found = index.search(&parse("marmalade").unwrap(), order, 0, 100).unwrap();
                    assert!(found.total >= 50 && found.hits.len() as u64 == found.total, "{found:?}");
                    searches.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let ended = Ended(&stop);
        let more = |count: u64| {
            let before = searches.load(Ordering::SeqCst);
            while searches.load(Ordering::SeqCst) < before + count {
                assert!(!stop.load(Ordering::SeqCst), "a search has failed");
                thread::yield_now();
            }
        };
        let nodes: Vec<&str> = servers.url(Server::ElasticsearchCluster).split(',').collect();
        for (round, node) in [1, 2, 3].into_iter().enumerate() {
            // Each shard has its copy again.
            let health = ask(nodes[node - 1], Method::Get, "_cluster/health?wait_for_status=green&timeout=120s", None);
            assert_eq!(health["status"], "green", "{health}");
            more(20);
            servers.kill_node(node);
            more(20);
            let number = 51 + round as i64;
            index.put(vec![document(number, "marmalade")], vec![], number).unwrap();
            more(20);
            servers.start_again(Server::ElasticsearchCluster);
        }
        drop(ended);
    });
    assert_eq!((index.documents().unwrap(), index.mark().unwrap()), (53, 53));
}

#[test]
fn a_node_that_is_away_or_says_nothing_is_passed_over() {
    let Some(url) = services::elasticsearch() else { return };
    let index = Fresh::at(&url);
    index.put(vec![document(1, "marmalade")], vec![], 1).unwrap();
    let (away, silent) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let gone = away.local_addr().unwrap();
    drop(away);
    // Connections are taken by the system and never answered.
    let hosts = format!("{},{gone},{}", silent.local_addr().unwrap(), url.strip_prefix("http://").unwrap());
    let several: Address = format!("http://{hosts}/{}", index.prefix()).parse().unwrap();
    let several = Elastic::new(&several).unwrap();
    for _ in 0..6 {
        assert_eq!(numbers(&several, "marmalade"), [1]);
    }
}

/// HAProxy before an engine: with TLS, for who knows the password.
struct Guarded {
    directory: TempDir,
    child: Child,
    host: String,
}

impl Guarded {
    fn before(program: &std::path::Path, engine: &str) -> Guarded {
        let directory = tempfile::tempdir().unwrap();
        let pem = |name: &str| directory.path().join(name).display().to_string();
        let (key, certificate) = (pem("key.pem"), pem("certificate.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", &key, "-out", &certificate])
            .output()
            .expect("openssl runs, which HAProxy needs, too");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let both = std::fs::read_to_string(&certificate).unwrap() + &std::fs::read_to_string(&key).unwrap();
        std::fs::write(pem("both.pem"), both).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let configuration = format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             userlist people\n  user ann insecure-password p@ss:w/\n\
             listen engine\n  bind {host} ssl crt {}\n  http-request deny deny_status 401 unless {{ http_auth(people) }}\n\
             \x20 server engine {}\n",
            pem("both.pem"),
            engine.strip_prefix("http://").unwrap(),
        );
        std::fs::write(pem("haproxy.cfg"), configuration).unwrap();
        let child =
            Command::new(program).args(["-db", "-f", &pem("haproxy.cfg")]).stdout(Stdio::null()).spawn().unwrap();
        let guarded = Guarded { directory, child, host };
        while std::net::TcpStream::connect(&guarded.host).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        guarded
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn an_engine_behind_tls_and_a_password_is_reached_with_both_and_not_without() {
    let (Some(url), Some(program)) = (services::elasticsearch(), services::haproxy()) else { return };
    let index = Fresh::at(&url);
    let guarded = Guarded::before(&program, &url);
    let (host, prefix) = (&guarded.host, index.prefix());
    let ca = guarded.directory.path().join("certificate.pem").display().to_string();
    let at = |text: String| Elastic::new(&text.parse::<Address>().unwrap());

    let known = at(format!("https://ann:p%40ss:w%2F@{host}/{prefix}?ca={ca}")).unwrap();
    known.put(vec![document(1, "marmalade")], vec![], 1).unwrap();
    assert_eq!((numbers(&known, "marmalade"), numbers(&*index, "marmalade")), (vec![1], vec![1]));

    let told = |index: Elastic| chain(&index.mark().unwrap_err());
    let wrong = told(at(format!("https://ann:hunter2@{host}/{prefix}?ca={ca}")).unwrap());
    assert!(wrong.contains("answered 401") && !wrong.contains("hunter2"), "{wrong}");
    let stranger = told(at(format!("https://ann:p%40ss:w%2F@{host}/{prefix}")).unwrap());
    assert!(stranger.contains("did not answer") && !stranger.contains("p@ss"), "{stranger}");
    let missing = at(format!("https://{host}/{prefix}?ca=/no/such.pem")).map(|_| ()).unwrap_err();
    assert!(chain(&missing).contains("/no/such.pem"), "{}", chain(&missing));
}
