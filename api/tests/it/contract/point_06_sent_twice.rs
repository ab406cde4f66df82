//! Contract §10, point 6: the same guid twice is one report, the last body wins, and counts stay right.

use serde_json::{Value, json};

use super::legacy::{Tester, shown_to_tester};
use crate::recount::check_counts;
use crate::server::{Server, exchange};
use crate::submissions::Made;

/// The one report in every list is this one; nothing else is listed or counted.
async fn only(server: &Server, made: &Made) {
    let mut counts =
        json!({"dist": made.distribution, "version": made.version, "pass": 0, "fail": 0, "na": 0, "unknown": 0});
    counts[made.grade] = json!(1);
    let path = format!("/v3/release/dist/{}/{}", made.distribution, made.version);
    assert_eq!(server.json(&path).await, counts);
    // Without the word the list may be some minutes old, as today's.
    let releases = server.json("/v3/release?precache=1").await;
    assert_eq!((releases.as_array().unwrap().len(), &releases[0]["total"]), (1, &json!(1)), "{releases}");
    assert_eq!((&releases[0]["version"], &releases[0][made.grade]), (&json!(made.version), &json!(1)), "{releases}");

    let fields = |row: &Value, names: [&str; 4]| names.map(|name| row[name].as_str().unwrap().to_owned());
    let said = [made.id.clone(), made.version.clone(), made.grade.to_owned(), made.perl.clone()];
    let summary = server.json(&format!("/v3/summary?osname={}", made.osname)).await;
    assert_eq!(summary.as_array().unwrap().len(), 1, "{summary}");
    assert_eq!(fields(&summary[0], ["guid", "version", "grade", "perl"]), said);
    let show = server.json("/show/Foo-Bar.json").await;
    assert_eq!(show.as_array().unwrap().len(), 1, "{show}");
    assert_eq!(fields(&show[0], ["guid", "version", "grade", "perl"]), said);
    let metadata = server.json("/cgi-bin/reports-metadata.cgi?range=1-").await;
    assert_eq!(metadata.as_object().unwrap().len(), 1, "{metadata}");
    // A correction keeps its number.
    assert_eq!(fields(&metadata["1"], ["guid", "version", "state", "perl"]), said);
    let log = server.get("/tail/log.txt").await.text();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains(&format!("[{}]", made.id)) && log.contains(&format!("[{}]", made.grade)), "{log}");
    let report = server.json(&format!("/v3/report/{}", made.id)).await;
    assert_eq!(report["result"]["output"]["uncategorized"], made.text.as_str());
    let partitions = server.json(&format!("/v4/releases/{}/{}", made.distribution, made.version)).await;
    let counted: i64 = partitions["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|part| ["pass", "fail", "na", "unknown"].map(|grade| part[grade].as_i64().unwrap()))
        .sum();
    assert_eq!(counted, 1, "{partitions}");
    check_counts(server).await;
}

/// What a tester sends under one guid, one after the other: each differs from that before in what is counted.
fn bodies() -> Vec<Made> {
    let first = Made { grade: "fail", text: "first".to_owned(), ..Made::default() };
    let regraded = Made { grade: "pass", text: "second".to_owned(), ..first.clone() };
    let patched = Made { perl: "5.41.3 patch 7".to_owned(), text: "third".to_owned(), ..regraded.clone() };
    let elsewhere = Made { osname: "MSWin32".to_owned(), text: "fourth".to_owned(), ..patched.clone() };
    let moved = Made { version: "1.1".to_owned(), grade: "na", text: "fifth".to_owned(), ..elsewhere.clone() };
    vec![first, regraded, patched, elsewhere, moved]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_body_takes_the_place_of_the_one_before() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let bodies = bodies();
    for made in &bodies {
        // Again makes no difference, whatever the case of its guid.
        tester.submits(&server, made).await;
        server.settle().await;
        tester.submits(&server, &Made { id: made.id.to_uppercase(), ..made.clone() }).await;
        server.settle().await;
        only(&server, made).await;
    }
    // An earlier body sent once more is the last one.
    tester.submits(&server, &bodies[0]).await;
    server.settle().await;
    only(&server, &bodies[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_body_wins_among_those_that_wait_together() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let (admin, _) = server.token(&["--scope", "admin"]);
    let workers = async |workers: usize| {
        let asked = server.client.put(server.at("/v4/workers")).bearer_auth(&admin).json(&json!({"workers": workers}));
        assert_eq!(server.ask(asked).await.status, 200);
    };
    workers(0).await;
    let bodies = bodies();
    for made in &bodies {
        tester.submits(&server, made).await;
    }
    workers(2).await;
    server.settle().await;
    only(&server, bodies.last().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tester_cannot_take_a_guid_over() {
    let server = Server::start();
    let (ann, bob) = (Tester::registered(&server, "Ann Example").await, Tester::registered(&server, "Bob").await);
    let made = Made::default();
    ann.submits(&server, &made).await;
    let stolen = Made { grade: "fail", ..made.clone() };
    let answer = exchange(&server, &bob.submitting("/api/v1/", &bob.report(&stolen))).await;
    assert!(shown_to_tester(&answer, 409).contains("another tester"));
    // Nor by calling the report Ann's.
    let answer = exchange(&server, &bob.submitting("/api/v1/", &ann.report(&stolen))).await;
    assert!(shown_to_tester(&answer, 403).contains(&ann.profile));
    server.settle().await;
    only(&server, &made).await;
}
