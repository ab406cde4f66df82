//! A run of a few kills against the real assay, small enough for every test run: every check passes.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Checks that a run makes, each of at least one thing.
const CHECKS: [&str; 20] = [
    "settled",
    "kept",
    "revised",
    "bytes",
    "rows",
    "counts",
    "matrix",
    "partitions",
    "authors",
    "testers",
    "index",
    "feed",
    "database",
    "tombstones",
    "history",
    "rebuilt",
    "fsck",
    "answers",
    "processes",
    "recoveries",
];

/// Checks that only the deployed profile has.
const DEPLOYED: [&str; 2] = ["spooled", "available"];

/// What every run of the deployed profile does at least once.
const OUTAGES: [&str; 15] = [
    "Elasticsearch killed",
    "Elasticsearch paused",
    "HAProxy killed",
    "PostgreSQL killed",
    "PostgreSQL paused",
    "Redis emptied",
    "Redis killed",
    "Redis paused",
    "all of assay killed",
    "api 1 killed",
    "api 2 killed",
    "api paused",
    "worker 1 killed",
    "worker 2 killed",
    "worker paused",
];

/// Exit code for: a server cannot be had here.
const NOT_HAD: i32 = 3;

/// One run after the other: each keeps a machine busy.
static TURN: Mutex<()> = Mutex::new(());

fn run(arguments: &[&str]) -> Output {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let chaos = Path::new(env!("CARGO_BIN_EXE_assay-chaos"));
    // It is another package's program, so that cargo builds it with the workspace's tests, and not for this one alone.
    let assay = chaos.with_file_name("assay");
    assert!(assay.is_file(), "there is no {}: build it first, with `cargo build -p api`", assay.display());
    Command::new(chaos).args(arguments).args(["--json", "--assay"]).arg(&assay).output().unwrap()
}

/// How often each check of a story looked at something.
fn looked_at(story: &Value, name: &str) -> u64 {
    let check = story["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    check.and_then(|check| check["looked_at"].as_u64()).unwrap_or_default()
}

#[test]
fn a_few_kills_of_everything_deployed_break_no_promise() {
    torment("redis", &OUTAGES);
}

#[test]
fn nor_do_they_where_the_queue_is_in_the_database() {
    let outages: Vec<&str> = OUTAGES.into_iter().filter(|outage| !outage.contains("Redis")).collect();
    torment("postgres", &outages);
}

fn torment(queue: &str, outages: &[&str]) {
    let deployed = ["--mode", "deployed", "--queue", queue, "--kills", "13", "--reports", "500", "--seconds", "120"];
    let ended = run(&[&deployed[..], &["--seed", "4"]].concat());
    let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if ended.status.code() == Some(NOT_HAD) {
        // In CI, that is a panic of the program.
        let told = "NOT RUN: the deployed profile cannot be tormented here. This test proved nothing.";
        services::say(&format!("{told} {said}"));
        return;
    }
    assert!(ended.status.success(), "{told}{said}");
    let story: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(story["passed"], true);
    for outage in outages {
        let number = story["survived"]["outages"][*outage].as_u64();
        assert!(number.is_some_and(|number| number > 0), "nothing was done to {outage}: {told}");
    }
    for what in ["spooled", "corrections", "conflicts", "retractions", "changes"] {
        assert!(story["survived"][what].as_u64().is_some_and(|number| number > 0), "no {what}: {told}");
    }
    for name in CHECKS.into_iter().chain(DEPLOYED) {
        assert!(looked_at(&story, name) > 0, "{name} looked at nothing: {told}");
    }
}

/// A bug that cannot be planted any more shows nothing of the harness.
#[test]
fn every_planted_bug_can_still_be_planted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let patches = std::fs::read_dir(root.join("chaos/planted")).unwrap().map(|entry| entry.unwrap().path());
    let patches: Vec<_> = patches.filter(|path| path.extension().is_some_and(|ending| ending == "patch")).collect();
    assert!(patches.len() >= 8, "{patches:?}");
    for patch in patches {
        let checked = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(&root).output().unwrap();
        assert!(checked.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&checked.stderr));
        let text = std::fs::read_to_string(&patch).unwrap();
        let named = text.lines().find_map(|line| line.strip_prefix("Check: ")).expect("it says what finds it");
        assert!(CHECKS.into_iter().chain(DEPLOYED).any(|check| check == named), "{}: {named}", patch.display());
    }
}

#[test]
fn a_few_kills_break_no_promise() {
    let ended = run(&["--kills", "6", "--reports", "500", "--seconds", "12", "--seed", "4"]);
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}{}", String::from_utf8_lossy(&ended.stderr));
    let story: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(story["passed"], true);
    for what in ["kills", "reports", "corrections", "conflicts", "retractions", "changes"] {
        assert!(story["survived"][what].as_u64().is_some_and(|number| number > 0), "no {what}: {told}");
    }
    // Without a disk of its own to fill, there is nothing to recover from.
    let filled = story["survived"]["disk_fills"].as_u64().is_some_and(|number| number > 0);
    for name in CHECKS.into_iter().filter(|name| filled || *name != "recoveries") {
        assert!(looked_at(&story, name) > 0, "{name} looked at nothing: {told}");
    }
}
