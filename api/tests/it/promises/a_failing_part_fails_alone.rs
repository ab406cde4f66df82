//! Without its document index, or with a broken one, assay takes reports and counts them; only search is away.

use crate::recount::check_counts;
use crate::server::{Answer, Server};
use crate::submissions::Made;

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
    let mut server = Server::start();
    reports_are_taken_and_counted(&server).await;
    server.settle_index().await;
    std::fs::remove_dir_all(server.data().join("index")).unwrap();
    std::fs::write(server.data().join("index"), "not a directory").unwrap();
    reports_are_taken_and_counted(&server).await;
    let answer = server.get("/v4/search?q=successful").await;
    assert!(matches!(answer.status, 200 | 503), "{}", answer.text());

    // Still unusable at the next start.
    server.stop();
    server.start_again();
    reports_are_taken_and_counted(&server).await;
    unavailable(&server.get("/v4/search?q=successful").await);

    // Mended, it is filled again.
    server.stop();
    std::fs::remove_file(server.data().join("index")).unwrap();
    server.start_again();
    server.settle_index().await;
    assert_eq!(server.json("/v4/search?q=successful").await["total"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_damaged_between_two_starts_is_made_again() {
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
