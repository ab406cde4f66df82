//! A node says whether it should be given requests, before it stops taking them: to proxies, and to health checks.

use std::process::Command;
use std::time::Instant;

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
