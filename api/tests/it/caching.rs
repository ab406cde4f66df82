//! Every answer to a reader says how it may be kept, has a name, and is not sent again to who has it.

use serde_json::Value;

use crate::captures::register_testers;
use crate::server::{Answer, Server, exchange};
use crate::submissions::{Made, captures};

/// A server with something on each page, and the paths of all readers.
async fn stocked() -> (Server, Vec<String>) {
    let server = Server::start();
    register_testers(&server).await;
    let capture = captures().into_iter().find(|capture| capture.path != "/v3/report").unwrap();
    assert_eq!(exchange(&server, &capture.bytes).await.status, 201);
    server.settle_index().await;
    let row = server.lines("/v4/results").await.remove(0);
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let (id, tester, author) = (text("id"), text("tester_id"), text("author"));
    let (distribution, version) = (text("distribution"), text("version"));
    let paths = [
        format!("/v4/reports/{id}"),
        format!("/v4/reports/{id}/text"),
        format!("/v4/reports/{id}/raw"),
        format!("/v4/reports/{id}/receipt"),
        format!("/v4/releases/{distribution}"),
        format!("/v4/releases/{distribution}/{version}"),
        format!("/v4/distributions/{distribution}"),
        format!("/v4/authors/{author}"),
        format!("/v4/testers/{tester}"),
        format!("/v4/matrix/{distribution}"),
        format!("/v4/matrix/{distribution}/{version}"),
        "/v4/summaries".to_owned(),
        "/v4/results".to_owned(),
        "/v4/changes".to_owned(),
        "/v4/search?q=grade:pass".to_owned(),
        "/v4/openapi.json".to_owned(),
        "/docs".to_owned(),
        "/docs/search".to_owned(),
    ];
    (server, paths.to_vec())
}

/// Pages and the like: each tells the moment it was made, so its name may change from one second to the next.
const MOMENTARY: [&str; 5] = ["/", "/results", "/status", "/v4/status", "/search?q=grade:pass"];

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_has_a_name_and_a_rule_for_caches_and_answers_304_to_who_has_it() {
    let (server, paths) = stocked().await;
    for path in paths.iter().map(String::as_str).chain(MOMENTARY) {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.header("cache-control").is_empty(), "{path} has no Cache-Control");
        let etag = answer.header("etag");
        assert!(etag.trim_start_matches("W/").starts_with('"'), "{path} has no ETag");
        if MOMENTARY.contains(&path) {
            continue;
        }
        for known in [etag.to_owned(), format!("\"x\", {etag}"), "*".to_owned()] {
            let again = server.ask(server.client.get(server.at(path)).header("if-none-match", &known)).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} with {known}");
            assert_eq!(again.header("etag"), etag, "{path}");
            assert!(!again.header("cache-control").is_empty(), "{path}");
        }
        let head = server.ask(server.client.head(server.at(path))).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert!([etag, ""].contains(&head.header("etag")), "{path}: HEAD tells another name");
        let other = server.ask(server.client.get(server.at(path)).header("if-none-match", "W/\"fff\"")).await;
        assert_eq!((other.status, content(&other)), (200, content(&answer)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_changes_with_what_it_names() {
    let server = Server::start();
    let lists = ["/v4/releases/Foo-Bar/1.0", "/v4/matrix/Foo-Bar/1.0", "/v4/summaries", "/v4/results", "/v4/changes"];
    let mut before = vec![String::new(); lists.len()];
    for round in 1..=5 {
        assert_eq!(server.submit(&Made::default().json()).await.status, 202);
        server.settle().await;
        for (path, before) in lists.iter().zip(&mut before) {
            let request = server.client.get(server.at(path)).header("if-none-match", &*before);
            let answer = server.ask(request).await;
            assert_eq!(answer.status, 200, "{path} is told to be unchanged in round {round}");
            if path.contains("/1.0") {
                assert!(answer.text().contains(&format!("\"pass\":{round}")), "{path}: {}", answer.text());
            }
            *before = answer.header("etag").to_owned();
        }
    }
}

/// Corrects the report, and demands of each path that a reader who has the old answer is given the new one, unless it
/// is the same but for how fresh it is.
async fn correct(server: &Server, corrected: &Made, paths: &[&str]) {
    let mut before = Vec::new();
    for path in paths {
        before.push(server.get(path).await);
    }
    assert_eq!(server.submit(&corrected.json()).await.status, 202);
    server.settle().await;
    for (path, before) in paths.iter().zip(before) {
        let again = server.ask(server.client.get(server.at(path)).header("if-none-match", before.header("etag"))).await;
        let now = server.get(path).await;
        if again.status == 304 {
            assert_eq!(content(&now), content(&before), "{path} did change");
        } else {
            assert_eq!(again.status, now.status, "{path}");
        }
    }
}

/// An answer less how fresh it is.
fn content(answer: &Answer) -> String {
    let Ok(mut view) = serde_json::from_slice::<Value>(&answer.body) else { return answer.text() };
    for name in ["fresh_at", "head", "waiting"] {
        view.as_object_mut().unwrap().remove(name);
    }
    view.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_correction_is_hidden_behind_an_old_name() {
    let server = Server::start();
    let made = Made::default();
    let other = |version: &str| Made { version: version.to_owned(), ..Made::default() }.json();
    server.submit_all(&[made.json(), other("1.0"), other("2.0")]).await;
    server.settle().await;
    let tester = server.lines("/v4/results").await[0]["tester_id"].as_str().unwrap().to_owned();
    let paths = [
        "/v4/releases/Foo-Bar/1.0",
        "/v4/releases/Foo-Bar",
        "/v4/distributions/Foo-Bar",
        "/v4/matrix/Foo-Bar/1.0?axes=language_version,os,architecture",
        "/v4/matrix/Foo-Bar",
        "/v4/results?distribution=Foo-Bar",
        "/v4/summaries",
        "/v4/changes",
        &format!("/v4/reports/{}", made.id),
        &format!("/v4/reports/{}/text", made.id),
        &format!("/v4/reports/{}/receipt", made.id),
        &format!("/v4/testers/{tester}"),
    ];
    // Of the same grade, so that the release's own counts stay.
    let mut corrected = Made { perl: "5.37.1".to_owned(), ..made.clone() };
    correct(&server, &corrected, &paths).await;
    corrected.osname = "freebsd".to_owned();
    correct(&server, &corrected, &paths).await;
    corrected.text = "Only the text is another.".to_owned();
    correct(&server, &corrected, &paths).await;
    // Back and forth between releases, one of which comes and goes.
    for version in ["1.1", "1.0", "1.1", "2.0"] {
        corrected.version = version.to_owned();
        correct(&server, &corrected, &paths).await;
    }
    // The last report of a release goes, and it was not the release that changed last.
    corrected.version = "3.0".to_owned();
    correct(&server, &corrected, &paths).await;
    server.submit_all(&[other("2.0")]).await;
    server.settle().await;
    corrected.distribution = "Acme".to_owned();
    correct(&server, &corrected, &paths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_or_wrong_is_kept_by_nobody() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let tokens = server.ask(server.client.get(server.at("/v4/tokens")).bearer_auth(admin)).await;
    assert_eq!((tokens.status, tokens.header("cache-control")), (200, "no-store"));
    for path in ["/v4/releases/No-Such", "/v4/nothing", "/v4/matrix/Foo?axes=x", "/v4/tokens", "/readyz"] {
        assert_eq!(server.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}
