//! Without its document index, or with a broken one, assay takes reports and counts them; only search is away.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::profile::embedded_only;
use crate::recount::check_counts;
use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::Made;

/// Why a test is left out elsewhere.
const TANTIVY: &str = "it is about the files of tantivy's index";

async fn reports_are_taken_and_counted(server: &Server) {
    let made: Vec<_> = (0..10).map(|_| Made::default().json()).collect();
    server.submit_all(&made).await;
    server.settle().await;
    check_counts(server).await;
    assert_eq!(server.get("/dist/Foo-Bar/1.0").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200, "the node is not to be taken out of service");
}

fn unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!((&answer.json()["type"], &answer.json()["status"]), (&"/problems/unavailable".into(), &503.into()));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_part_fails_alone() {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "index=none"]);
    reports_are_taken_and_counted(&server).await;
    unavailable(&server.get("/v4/search?q=successful").await);
    let page = server.get("/search?q=successful").await;
    assert_eq!((page.status, page.header("content-type")), (503, "text/html; charset=utf-8"));
    assert!(server.json("/v4/status").await["index"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_lost_while_assay_runs_delays_search_alone() {
    if embedded_only(TANTIVY) {
        return;
    }
    let mut server = Server::start();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    std::fs::remove_dir_all(server.data().join("index")).unwrap();
    std::fs::write(server.data().join("index"), "not a directory").unwrap();
    reports_are_taken_and_counted(&server).await;
    let answer = server.get("/v4/search?q=successful").await;
    assert!(matches!(answer.status, 200 | 503), "{}", answer.text());

    // Mended, it is filled again by itself.
    std::fs::remove_file(server.data().join("index")).unwrap();
    server.settle_index().await;
    assert_eq!(server.json("/v4/search?q=successful").await["total"], 20);

    // Unusable at the next start.
    std::fs::remove_dir_all(server.data().join("index")).unwrap();
    std::fs::write(server.data().join("index"), "not a directory").unwrap();
    server.stop();
    server.start_again();
    reports_are_taken_and_counted(&server).await;
    unavailable(&server.get("/v4/search?q=successful").await);

    std::fs::remove_file(server.data().join("index")).unwrap();
    server.settle_index().await;
    assert_eq!(server.json("/v4/search?q=successful").await["total"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_damaged_between_two_starts_is_made_again() {
    if embedded_only(TANTIVY) {
        return;
    }
    let mut server = Server::start();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    let index = server.data().join("index");
    server.kill();
    let mut cut = 0;
    for entry in std::fs::read_dir(&index).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "term") {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            cut += 1;
        }
    }
    assert!(cut > 0, "there is nothing to damage in {}", index.display());
    server.start_again();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    assert_eq!(server.json("/v4/search?q=successful").await["total"], 20);
    assert!(server.log().contains("begun anew"), "the damage was not told");
}

/// The paths of an index's files with an extension.
fn files(index: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    assert!(!files.is_empty(), "{} has no {extension}", index.display());
    files
}

/// Damages the index of a server that runs; search comes back without a restart, with all reports.
async fn comes_back(damage: impl Fn(&Path)) {
    let server = Server::start();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    damage(&server.data().join("index"));
    reports_are_taken_and_counted(&server).await;
    let end = Instant::now() + PATIENCE;
    while !found(&server, 20).await {
        assert!(Instant::now() < end, "search does not come back:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.settle_index().await;
    assert!(found(&server, 20).await, "search is gone again");
}

/// Whether a search is answered with so many reports.
async fn found(server: &Server, expected: u64) -> bool {
    let answer = server.get("/v4/search?q=%22all%20tests%20successful%22").await;
    match answer.status {
        200 => answer.json()["total"] == expected,
        _ => {
            unavailable(&answer);
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_directory_vanishes_while_assay_runs_is_made_again() {
    if embedded_only(TANTIVY) {
        return;
    }
    comes_back(|index| std::fs::remove_dir_all(index).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_list_is_overwritten_while_assay_runs_is_made_again() {
    if embedded_only(TANTIVY) {
        return;
    }
    comes_back(|index| std::fs::write(index.join("meta.json"), "garbage").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_files_are_removed_while_assay_runs_is_searched_on() {
    if embedded_only(TANTIVY) {
        return;
    }
    for extension in ["idx", "pos", "fast", "term"] {
        comes_back(|index| files(index, extension).iter().for_each(|file| std::fs::remove_file(file).unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lost_any_file_between_two_starts_is_made_again() {
    if embedded_only(TANTIVY) {
        return;
    }
    let mut server = Server::start();
    reports_are_taken_and_counted(&server).await;
    for (begun, extension) in ["idx", "pos", "fast", "term", "fieldnorm", "store"].into_iter().enumerate() {
        server.settle_index().await;
        server.stop();
        files(&server.data().join("index"), extension).iter().for_each(|file| std::fs::remove_file(file).unwrap());
        server.start_again();
        server.settle_index().await;
        assert!(found(&server, 10).await, "without {extension}");
        assert_eq!(server.log().matches("begun anew").count(), begun + 1, "without {extension}:\n{}", server.log());
    }
}

/// What was cut off a file is still mapped into memory, and the system ends a process that reads it. Whoever keeps
/// assay running starts it again, and then the damage is found.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_files_are_cut_while_assay_runs_is_made_again_at_the_latest_by_a_restart() {
    if embedded_only(TANTIVY) {
        return;
    }
    let mut server = Server::start();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    for file in files(&server.data().join("index"), "term") {
        std::fs::File::options().write(true).open(file).unwrap().set_len(0).unwrap();
    }
    let asked = server.client.get(server.at("/v4/search?q=successful")).send().await;
    if asked.is_err() {
        server.kill();
        server.start_again();
    }
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    assert!(found(&server, 20).await, "search does not come back:\n{}", server.log());
    assert!(server.log().contains("begun anew"), "the damage was not told");
}
