//! `assay rebuild` and `assay fsck` on a real data directory, beside the server that runs on it.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::raw::Raw;
use crate::recount::{check_counts, send_and_correct};
use crate::server::{PATIENCE, Server};
use crate::submissions::Made;

/// Reports on distributions that nobody else sends to.
async fn quiet_reports(server: &Server, count: usize) {
    let reports: Vec<Value> = (0..count)
        .map(|number| Made { distribution: format!("Quiet-{}", number % 4), ..Made::default() }.json())
        .collect();
    for piece in reports.chunks(500) {
        server.submit_all(piece).await;
    }
    server.settle_index().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_beside_a_busy_server_changes_what_differs_and_nothing_else() {
    let server = Server::start();
    quiet_reports(&server, 600).await;
    let before = server.lines("/v4/results").await;
    let raw = Raw::of(&server).await;
    raw.execute("UPDATE extracts SET document = replace(document, '6.1.0', '5.0.0') WHERE number IN (1, 300, 599)")
        .await;
    let head = server.json("/v4/changes?limit=1").await["head"].as_i64().unwrap();

    let done = AtomicBool::new(false);
    let load = async {
        let mut random = StdRng::seed_from_u64(11);
        while !done.load(Ordering::Relaxed) {
            send_and_correct(&server, &mut random, 20).await;
        }
    };
    let run = async {
        let mut command = tokio::process::Command::from(server.command(&["rebuild", "--json"]));
        let output = command.output().await.unwrap();
        done.store(true, Ordering::Relaxed);
        output
    };
    let ((), output) = tokio::join!(load, run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rebuilt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&rebuilt["complete"], &rebuilt["index"]), (&true.into(), &"server".into()), "{rebuilt}");
    assert_eq!(rebuilt["changes"], 6, "{rebuilt}");
    assert!(rebuilt["reports"].as_i64().unwrap() >= 600);

    server.settle_index().await;
    let changes = server.lines(&format!("/v4/changes?after={head}")).await;
    // A release that lost its last report to a correction has no value any more.
    let quiet = |change: &&Value| {
        let distribution = change["value"]["distribution"].as_str();
        distribution.is_some_and(|distribution| distribution.starts_with("Quiet-"))
    };
    let told: BTreeSet<&str> = changes.iter().filter(quiet).map(|change| change["key"].as_str().unwrap()).collect();
    let id = |number: usize| before.iter().find(|row| row["number"] == number).unwrap()["id"].as_str().unwrap();
    let expected = [id(1), id(300), id(599), "perl/Quiet-0/1.0", "perl/Quiet-3/1.0", "perl/Quiet-2/1.0"];
    assert_eq!(told, BTreeSet::from(expected));
    let after = server.lines("/v4/results").await;
    assert!(before.iter().all(|row| after.contains(row)), "the rows are as they were");
    check_counts(&server).await;
    let (code, checked) = told_clean(&server);
    assert_eq!((code, &checked["clean"]), (0, &true.into()), "{checked:#}");
}

fn told_clean(server: &Server) -> (i32, Value) {
    server.told(&["fsck", "--deep", "--json"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_rebuild_goes_on_where_it_was() {
    let mut server = Server::start();
    quiet_reports(&server, 600).await;
    server.stop();
    let raw = Raw::of(&server).await;
    // The second batch never ends.
    raw.execute_either(
        "CREATE TRIGGER endless BEFORE UPDATE OF position ON rebuilds WHEN new.position > 256 BEGIN \
         SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n); END",
        "CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN new; END'",
    )
    .await;
    if let Raw::Postgres(_) = raw {
        raw.execute(
            "CREATE TRIGGER endless BEFORE UPDATE OF position ON rebuilds FOR EACH ROW WHEN (new.position > 256) \
             EXECUTE FUNCTION endless()",
        )
        .await;
    }
    let mut running = server.command(&["rebuild"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    let position = "SELECT COALESCE(max(position), 0) FROM rebuilds";
    while raw.value::<i64>(position).await == 0 {
        assert!(Instant::now() < end && running.try_wait().unwrap().is_none(), "the first batch does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(raw.value::<i64>(position).await, 256);
    raw.execute_either("DROP TRIGGER endless", "DROP FUNCTION endless CASCADE").await;

    let output = server.command(&["rebuild", "--resume", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("256 reports are read, 344 are left"), "{said}");
    let rebuilt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&rebuilt["resumed"], &rebuilt["reports"], &rebuilt["changes"]), (&true.into(), &600.into(), &0.into()));

    let nothing_left = server.command(&["rebuild", "--resume"]).output().unwrap();
    assert_eq!(nothing_left.status.code(), Some(1), "it is through");
    let (code, anew) = server.told(&["rebuild", "--distribution", "Quiet-1", "--release", "1.0", "--json"]);
    assert_eq!((code, &anew["resumed"], &anew["reports"]), (0, &false.into(), &150.into()));
    let (code, shadow) = server.told(&["rebuild", "--shadow", "--since", "2000-01-01", "--json"]);
    assert_eq!((code, &shadow["reports"], &shadow["same"]), (0, &600.into(), &600.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsck_tells_by_its_exit_code_what_it_found() {
    let mut server = Server::start();
    let (code, clean) = told_clean(&server);
    assert_eq!((code, &clean["clean"]), (0, &true.into()), "{clean:#}");
    quiet_reports(&server, 20).await;
    let raw = Raw::of(&server).await;
    raw.execute("UPDATE summaries SET fail = fail + 2 WHERE release = 1").await;
    raw.overwrite_body(2, &[0]).await;
    let damaged: uuid::Uuid = raw.value("SELECT id FROM reports WHERE number = 2").await;

    let (code, found) = server.told(&["fsck", "--json", "--only", "bodies,summaries"]);
    assert_eq!((code, found["checks"].as_array().unwrap().len()), (1, 2));
    assert_eq!(found["checks"][0]["examples"][0]["about"], format!("report {damaged}"));
    assert_eq!((&found["checks"][1]["faults"], &found["checks"][1]["repaired"]), (&1.into(), &0.into()));

    let (code, mended) = server.told(&["fsck", "--repair", "--json", "--only", "summaries"]);
    assert_eq!((code, &mended["checks"][0]["repaired"]), (0, &1.into()));
    let text = server.command(&["fsck"]).output().unwrap();
    assert_eq!(text.status.code(), Some(1));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(&format!("bodies: report {damaged}: ")), "{text}");
    server.settle().await;
    check_counts(&server).await;

    if server.database().is_some() {
        return;
    }
    server.stop();
    let moved = server.home().join("moved");
    std::fs::rename(server.data(), &moved).unwrap();
    let unchecked = server.command(&["fsck"]).output().unwrap();
    assert_eq!(unchecked.status.code(), Some(2), "there is no database");
    assert!(!server.data().exists(), "looking makes nothing");
    std::fs::rename(&moved, server.data()).unwrap();
}
