//! Contract §10, point 9: `/v3/summary`, its filters, and how a tester is written.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::data::assert_cors;
use crate::server::Server;
use crate::submissions::Made;

fn made(version: &str, grade: &'static str, perl: &str, osname: &str) -> Made {
    Made { version: version.to_owned(), grade, perl: perl.to_owned(), osname: osname.to_owned(), ..Made::default() }
}

async fn loaded(arguments: &[&str]) -> (Server, Vec<Made>) {
    let server = Server::with(&[&["--listen", "127.0.0.1:0"], arguments].concat());
    let reports = vec![
        made("1.0", "pass", "5.36.0", "linux"),
        made("1.0", "fail", "5.38.0", "MSWin32"),
        made("1.0", "na", "5.41.3", "linux"),
        made("1.1", "pass", "5.36.0 RC1", "darwin"),
        made("1.1", "unknown", "5.30.0 patch 1231", "Linux"),
        made("1.1", "pass", "5.8.9", "linux"),
    ];
    server.submit_all(&reports.iter().map(Made::json).collect::<Vec<_>>()).await;
    server.settle().await;
    (server, reports)
}

/// Places in the list above of the reports in an answer.
async fn found(server: &Server, reports: &[Made], path: &str) -> BTreeSet<usize> {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_cors(&answer, path);
    let rows = answer.json();
    let place = |row: &Value| reports.iter().position(|report| report.id == row["guid"]).unwrap();
    let places: BTreeSet<usize> = rows.as_array().unwrap().iter().map(place).collect();
    assert_eq!(places.len(), rows.as_array().unwrap().len(), "{path}: a row twice");
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_are_exact_and_may_be_given_several_times() {
    let (server, reports) = loaded(&[]).await;
    for (path, expected) in [
        ("/v3/summary/Foo-Bar", vec![0, 1, 2, 3, 4, 5]),
        ("/v3/summary/foo-bar", vec![0, 1, 2, 3, 4, 5]),
        ("/v3/summary/Foo-Bar/1.0", vec![0, 1, 2]),
        ("/v3/summary/Foo-Bar?grade=pass", vec![0, 3, 5]),
        ("/v3/summary/Foo-Bar?perl=5.36.0", vec![0]),
        ("/v3/summary/Foo-Bar?perl=5.36.0&perl=5.36.0%20RC1&perl=5.36.0", vec![0, 3]),
        ("/v3/summary?perl=5.36.0&perl=5.38.0", vec![0, 1]),
        ("/v3/summary?osname=linux", vec![0, 2, 5]),
        ("/v3/summary?osname=Linux", vec![4]),
        ("/v3/summary?osname=MSWin32&osname=darwin", vec![1, 3]),
        ("/v3/summary?osname=linux&perl=5.8.9", vec![5]),
        ("/v3/summary?osname=linux&grade=na", vec![2]),
        ("/v3/summary/Foo-Bar?perl_maturity=stable", vec![0, 1, 5]),
        ("/v3/summary/Foo-Bar?perl_maturity=dev", vec![2, 3, 4]),
        ("/v3/summary/Foo-Bar/1.1?perl_maturity=dev&osname=darwin", vec![3]),
        ("/v3/summary?osname=linux&osname=Linux&since=2016-08-20T00:00:00", vec![0, 2, 4, 5]),
        ("/v3/summary/Foo-Bar?unheard=of", vec![0, 1, 2, 3, 4, 5]),
    ] {
        assert_eq!(found(&server, &reports, path).await, expected.into_iter().collect(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_has_the_ten_keys_of_today_and_no_address() {
    let server = Server::start();
    let mut report = Made { tester: "Jörg \"J\" Example".to_owned(), ..Made::default() }.json();
    report["created"] = json!("2017-03-02T05:11:59Z");
    server.submit_all(&[report.clone()]).await;
    server.settle().await;
    let row = json!({
        "guid": report["id"], "date": "2017-03-02T05:11:00Z", "grade": "pass",
        "reporter": "\"J&#246;rg \"J\" Example\"", "dist": "Foo-Bar", "version": "1.0",
        "platform": "x86_64-linux", "perl": "5.36.0", "osname": "linux", "osvers": "6.1.0",
    });
    assert_eq!(server.json("/v3/summary/Foo-Bar").await, json!([row]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_shown_where_the_operator_says_so() {
    let (server, _) = loaded(&["--set", "privacy.addresses=true"]).await;
    let rows = server.json("/v3/summary/Foo-Bar/1.0").await;
    assert_eq!(rows[0]["reporter"], "\"Ann Example\" <ann.example@example.org>");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_given_as_it_was_submitted_with_id_and_time() {
    for (arguments, address) in [(&[][..], ""), (&["--set", "privacy.addresses=true"][..], "ann.example@example.org")] {
        let (server, reports) = loaded(arguments).await;
        let id = &reports[0].id;
        for said in [id.clone(), id.to_uppercase()] {
            let answer = server.get(&format!("/v3/report/{said}")).await;
            assert_eq!(answer.status, 200);
            assert_cors(&answer, "a report");
            let mut report = answer.json();
            let created = report.as_object_mut().unwrap().shift_remove("created").unwrap();
            assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
            let mut expected = reports[0].json();
            expected["reporter"]["email"] = json!(address);
            assert_eq!(report, expected);
        }
    }
}
