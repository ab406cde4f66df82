//! `assay import`: every line ends somewhere, once, however often the import is stopped and begun again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::cli_stub::{Asked, Reply, Stub, assay, assay_with, reply};

/// Answers each line: a report known already is a duplicate, one with `bad` is refused, what is not JSON too.
fn answers(asked: &Asked, known: &Mutex<BTreeSet<String>>) -> Reply {
    let mut known = known.lock().unwrap();
    let mut text = String::new();
    for (index, line) in asked.body.lines().enumerate() {
        let report: Value = serde_json::from_str(line).unwrap_or_default();
        let number = index + 1;
        let view = match report["id"].as_str() {
            None => json!({"line": number, "outcome": "rejected", "status": 400, "detail": "not JSON"}),
            Some(_) if report["bad"] == true => json!({
                "line": number, "outcome": "rejected", "status": 422, "detail": "it has a fault",
                "errors": [{"pointer": "/bad", "detail": "is true"}],
            }),
            Some(id) if known.insert(id.to_owned()) => json!({"line": number, "outcome": "accepted", "status": 202}),
            Some(_) => json!({"line": number, "outcome": "duplicate", "status": 200}),
        };
        text.push_str(&format!("{view}\n"));
    }
    reply(200, "application/x-ndjson", text)
}

async fn server() -> (Stub, Arc<Mutex<BTreeSet<String>>>) {
    let known = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = known.clone();
    (Stub::answering(move |asked| answers(asked, &kept)).await, known)
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{{\"id\":\"r{number}\",\"n\":{number}}}\n")).collect()
}

fn rejected(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bookmarks(home: &Path) -> usize {
    let folder = home.join(".local/state/assay/import");
    let servers = std::fs::read_dir(folder).map(|servers| servers.collect()).unwrap_or_else(|_| Vec::new());
    servers.into_iter().map(|server| std::fs::read_dir(server.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_imported_twice_is_there_once_whatever_its_compression() {
    let home = tempdir().unwrap();
    let (stub, known) = server().await;
    let text = format!("{}\n{{\"no\": \"id\"}}\n", lines(0..500));
    std::fs::write(home.path().join("a.ndjson"), &text).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    std::fs::write(home.path().join("a.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(home.path().join("a.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();

    let flags = ["--server", &stub.url, "--batch", "64", "--json"];
    let ran = assay(home.path(), &[&["import", "a.ndjson"], &flags[..]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["total"], json!({"accepted": 501, "duplicate": 0, "corrected": 0, "rejected": 0}));
    assert_eq!(known.lock().unwrap().len(), 501);

    let ran = assay_with(home.path(), &[], &text, &[&["import", "a.gz", "a.zst", "-"], &flags[..]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["total"], json!({"accepted": 0, "duplicate": 1503, "corrected": 0, "rejected": 0}));
    assert_eq!(bookmarks(home.path()), 0, "a finished import leaves no bookmark");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_are_kept_beside_the_file_with_number_and_reason() {
    let home = tempdir().unwrap();
    let (stub, _) = server().await;
    let text = format!("{}{{\"id\":\"x\",\"bad\":true}}\n\nnonsense\n{}", lines(0..3), lines(3..5));
    std::fs::write(home.path().join("a.ndjson"), text).unwrap();
    let ran = assay(home.path(), &["import", "a.ndjson", "--server", &stub.url, "--batch", "2"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.stdout, "a.ndjson: 5 accepted, 0 duplicates, 0 corrected, 2 rejected\n");
    let rejected = rejected(&home.path().join("a.ndjson.rejected.ndjson"));
    let expected = json!([
        {"line": 4, "status": 422, "reason": "it has a fault", "errors": [{"pointer": "/bad", "detail": "is true"}],
         "report": {"id": "x", "bad": true}},
        {"line": 6, "status": 400, "reason": "not JSON", "errors": [], "report": "nonsense"},
    ]);
    assert_eq!(Value::from(rejected), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_import_goes_on_where_it_was() {
    let home = tempdir().unwrap();
    let known = Arc::new(Mutex::new(BTreeSet::new()));
    let (kept, count) = (known.clone(), AtomicUsize::new(0));
    let broken = Arc::new(AtomicBool::new(true));
    let broken_here = broken.clone();
    let stub = Stub::answering(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        4.. if broken_here.load(Ordering::SeqCst) => reply(500, "text/plain", ""),
        _ => answers(asked, &kept),
    })
    .await;
    let text = format!("{{\"id\":\"x\",\"bad\":true}}\n{}{{\"id\":\"y\",\"bad\":true}}\n", lines(0..98));
    std::fs::write(home.path().join("a.ndjson"), text).unwrap();
    let flags = ["import", "a.ndjson", "--server", &stub.url, "--batch", "10", "--jobs", "1", "--retry-for", "0s"];
    let ran = assay(home.path(), &flags).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("a.ndjson is not imported whole: "), "{ran:?}");
    assert_eq!(bookmarks(home.path()), 1);

    broken.store(false, Ordering::SeqCst);
    let before = stub.asked().len();
    let ran = assay(home.path(), &flags).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("going on after line 40"), "{ran:?}");
    assert_eq!(ran.stdout, "a.ndjson: 98 accepted, 0 duplicates, 0 corrected, 2 rejected\n");
    assert_eq!(stub.asked().len() - before, 6, "only the other six batches are sent");
    assert_eq!(known.lock().unwrap().len(), 98);
    let rejected = rejected(&home.path().join("a.ndjson.rejected.ndjson"));
    assert_eq!(rejected.iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_under_the_same_name_begins_at_its_first_line() {
    let home = tempdir().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let known = Mutex::new(BTreeSet::new());
    let here = count.clone();
    let stub = Stub::answering(move |asked| match here.fetch_add(1, Ordering::SeqCst) {
        1 => reply(500, "text/plain", ""),
        _ => answers(asked, &known),
    })
    .await;
    let path = home.path().join("a.ndjson");
    std::fs::write(&path, lines(0..20)).unwrap();
    let flags = ["import", "a.ndjson", "--server", &stub.url, "--batch", "10", "--jobs", "1", "--retry-for", "0s"];
    assert_eq!(assay(home.path(), &flags).await.code, 5);
    std::fs::write(&path, lines(100..130)).unwrap();
    let ran = assay(home.path(), &flags).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("is not the file it was"), "{ran:?}");
    assert_eq!(ran.stdout, "a.ndjson: 30 accepted, 0 duplicates, 0 corrected, 0 rejected\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_waited_for_and_a_batch_too_large_is_split() {
    let home = tempdir().unwrap();
    let known = Arc::new(Mutex::new(BTreeSet::new()));
    let (kept, count) = (known.clone(), AtomicUsize::new(0));
    let stub = Stub::answering(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        0 => reply(429, "text/plain", "").header("retry-after", "1"),
        1 => reply(503, "text/plain", ""),
        _ if asked.body.lines().count() > 3 => reply(413, "text/plain", ""),
        _ if asked.body.contains("\"r7\"") && asked.body.lines().count() > 1 => reply(400, "text/html", "<p>no</p>"),
        _ if asked.body.contains("\"r7\"") => reply(400, "text/html", "<p>no</p>"),
        _ => answers(asked, &kept),
    })
    .await;
    std::fs::write(home.path().join("a.ndjson"), lines(0..20)).unwrap();
    let ran = assay(home.path(), &["import", "a.ndjson", "--server", &stub.url]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.stdout, "a.ndjson: 19 accepted, 0 duplicates, 0 corrected, 1 rejected\n");
    assert_eq!(rejected(&home.path().join("a.ndjson.rejected.ndjson"))[0]["line"], 8);
    let mut times = BTreeMap::new();
    for line in stub
        .asked()
        .iter()
        .filter(|asked| asked.body.lines().count() == 1)
        .flat_map(|asked| asked.body.lines().map(str::to_owned).collect::<Vec<_>>())
    {
        *times.entry(line).or_insert(0) += 1;
    }
    assert!(times.values().all(|count| *count == 1), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_the_server_puts_off_are_sent_again() {
    let home = tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let stub = Stub::answering(move |asked| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let views = asked.body.lines().enumerate().map(|(index, line)| match first && line.contains("\"r1\"") {
            true => json!({"line": index + 1, "outcome": "rejected", "status": 429}).to_string(),
            false => json!({"line": index + 1, "outcome": "accepted", "status": 202}).to_string(),
        });
        reply(200, "application/x-ndjson", views.collect::<Vec<_>>().join("\n"))
    })
    .await;
    std::fs::write(home.path().join("a.ndjson"), lines(0..3)).unwrap();
    let ran = assay(home.path(), &["import", "a.ndjson", "--server", &stub.url]).await;
    assert_eq!((ran.code, &*ran.stdout), (0, "a.ndjson: 3 accepted, 0 duplicates, 0 corrected, 0 rejected\n"));
    assert_eq!(stub.asked()[1].body, "{\"id\":\"r1\",\"n\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_a_damaged_archive_stops_it_with_the_right_code() {
    let home = tempdir().unwrap();
    let stub = Stub::scripted([reply(403, "text/plain", "")]).await;
    std::fs::write(home.path().join("a.ndjson"), lines(0..3)).unwrap();
    let ran = assay(home.path(), &["import", "a.ndjson", "--server", &stub.url]).await;
    assert_eq!(ran.code, 3, "{ran:?}");

    let (stub, _) = server().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(0..2000).as_bytes()).unwrap();
    let mut bytes = gzip.finish().unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(home.path().join("b.gz"), bytes).unwrap();
    let ran = assay(home.path(), &["import", "b.gz", "--server", &stub.url, "--batch", "50"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("could not be read"), "{ran:?}");
}
