//! Contract §10, point 14: a poller with `since` sees a report whose creation time is days old.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::data::error_of;
use crate::server::Server;
use crate::submissions::Made;

const LISTS: [&str; 4] =
    ["/v3/summary/Foo-Bar?", "/v3/summary/Foo-Bar/1.0?", "/v3/summary?osname=linux&", "/v3/release/dist/Foo-Bar?"];

fn at(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Rows of a list; none where it says that there are none.
async fn rows(server: &Server, list: &str, since: &str) -> usize {
    let path = format!("{list}since={since}");
    let answer = server.get(&path).await;
    if answer.status == 404 {
        assert_eq!(error_of(&answer).0, "No results found", "{path}");
        return 0;
    }
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json().as_array().unwrap().len()
}

/// When the server received the only report.
async fn received_at(server: &Server) -> DateTime<Utc> {
    let row = server.lines("/v4/results").await.remove(0);
    row["received_at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_sees_reports_by_their_receipt_whatever_the_testers_clock_says() {
    for created in ["2017-03-02T05:11:00Z", "2031-01-01T00:00:00Z"] {
        let server = Server::start();
        let mut report = Made::default().json();
        report["created"] = json!(created);
        server.submit_all(&[report]).await;
        server.settle().await;
        let received = received_at(&server).await;
        for list in LISTS {
            // Inclusive, and to the minute.
            assert_eq!(rows(&server, list, &at(received)).await, 1, "{list} {created}");
            assert_eq!(rows(&server, list, &at(received - TimeDelta::days(1))).await, 1, "{list} {created}");
            assert_eq!(rows(&server, list, &at(received + TimeDelta::minutes(5))).await, 0, "{list} {created}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_report_is_seen_again() {
    let server = Server::start();
    let made = Made { grade: "fail", ..Made::default() };
    server.submit_all(&[made.json()]).await;
    server.settle().await;
    let corrected = Made { grade: "pass", ..made };
    server.submit_all(&[corrected.json()]).await;
    server.settle().await;
    let since = at(received_at(&server).await);
    let rows = server.json(&format!("/v3/summary?osname=linux&since={since}")).await;
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["grade"]), (1, &json!("pass")));
    let rows = server.json(&format!("/v3/release/dist/Foo-Bar?since={since}")).await;
    assert_eq!((&rows[0]["pass"], &rows[0]["fail"]), (&json!(1), &json!(0)));
}
