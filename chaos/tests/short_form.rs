//! A run of a few kills against the real assay, small enough for every test run: every check passes.

use std::path::Path;
use std::process::Command;

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

#[test]
fn a_few_kills_break_no_promise() {
    let chaos = Path::new(env!("CARGO_BIN_EXE_assay-chaos"));
    // It is another package's program, so that cargo builds it with the workspace's tests, and not for this one alone.
    let assay = chaos.with_file_name("assay");
    assert!(assay.is_file(), "there is no {}: build it first, with `cargo build -p api`", assay.display());
    let ended = Command::new(chaos)
        .args(["--kills", "6", "--reports", "500", "--seconds", "12", "--seed", "4", "--json", "--assay"])
        .arg(&assay)
        .output()
        .unwrap();
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
        let check = story["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
        let looked_at = check.and_then(|check| check["looked_at"].as_u64());
        assert!(looked_at.is_some_and(|number| number > 0), "{name} looked at nothing: {told}");
    }
}
