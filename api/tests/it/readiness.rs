//! A node says whether it should be given requests, before it stops taking them: to proxies, and to health checks.

use std::process::Command;
use std::time::Instant;

use crate::nodes::Node;
use crate::server::{PATIENCE, Server};
use crate::submissions::Made;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_told_to_stop_says_so_while_it_still_takes_reports() {
    let mut server = Server::with(&["--listen", "127.0.0.1:0", "--set", "server.notice=10m"]);
    let told = server.run_there(&["status", "--ready"]);
    assert!(told.lines().any(|line| line.starts_with("database") && line.ends_with("ok")), "{told}");
    let parts: serde_json::Value = serde_json::from_str(&server.run_there(&["status", "--ready", "--json"])).unwrap();
    assert_eq!((&parts["database"], &parts["intake"]), (&"ok".into(), &"open".into()));

    let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", server.pid())]).status().unwrap();
    assert!(asked.success());
    let end = Instant::now() + PATIENCE;
    while server.get("/readyz").await.status == 200 {
        assert!(Instant::now() < end, "{}", server.log());
    }
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["error"].clone()), (503, "this node is about to stop".into()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(["status", "--ready", "--server", &server.url]).env_clear().env("HOME", server.home());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("this node is about to stop"), "{output:?}");
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.kill();
}

/// What supervisors and Prometheus ask a worker, which takes no requests otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_answers_those_who_watch_it_and_nobody_else() {
    let mut server = Server::with(&["--listen", "127.0.0.1:0", "--set", "workers=0", "--set", "index=none"]);
    server.submit_all(&[Made::default().json()]).await;
    // On SQLite, the directory is its own once the server is gone.
    server.stop();
    let mut worker = Node::worker(&server, &["index=none"]);
    let ask = async |path: &str| worker.get(&server, path).await;

    assert_eq!(ask("/healthz").await.text(), "ok\n");
    let ready = ask("/readyz").await;
    assert_eq!((ready.status, ready.header("cache-control")), (200, "no-store"));
    assert_eq!((&ready.json()["database"], &ready.json()["index"]), (&"ok".into(), &"off".into()));
    // As a container engine asks.
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(["status", "--ready", "--server", &worker.url]).env_clear().env("HOME", server.home());
    assert!(command.output().unwrap().status.success());
    let end = Instant::now() + PATIENCE;
    while !ask("/metrics").await.text().contains("\nassay_processed_total 1\n") {
        assert!(Instant::now() < end, "{}", ask("/metrics").await.text());
    }
    let metrics = ask("/metrics").await.text();
    for line in ["assay_reports_waiting 0", "assay_feed_head 2", "assay_dropped_bodies_total 0"] {
        assert!(metrics.lines().any(|one| one == line), "no {line} in:\n{metrics}");
    }
    for path in ["/", "/v4/reports", "/v4/status"] {
        let answer = ask(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"), "{path}");
    }
    assert!(worker.stop().success());
}
