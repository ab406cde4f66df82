//! Contract §10, point 7: `/v3/release` is one array under 200 with integer counts, and refuses `since`.

use serde_json::{Value, json};

use super::data::{Upload, assert_cors, error_of, others, put_uploads};
use crate::server::Server;
use crate::submissions::Made;

async fn loaded() -> Server {
    let server = Server::start();
    let mut reports = others("Foo-Bar", "1.0", &[("pass", 2), ("fail", 1)]);
    // Another partition: a development perl.
    let devel = Made { perl: "5.41.3".to_owned(), grade: "na", ..Made::default() };
    reports.push(devel.json());
    reports.extend(others("Foo-Bar", "1.1_01", &[("unknown", 1)]));
    reports.extend(others("CGI.pm-Lite.js", "v1.2.3", &[("pass", 1)]));
    let mut raku = Made { distribution: "Raku::Only".to_owned(), ..Made::default() }.json();
    raku["environment"]["language"]["name"] = json!("raku");
    reports.push(raku);
    server.submit_all(&reports).await;
    server.settle().await;
    server
}

fn row(distribution: &str, version: &str, counts: [i64; 4]) -> Value {
    let [pass, fail, na, unknown] = counts;
    json!({
        "dist": distribution, "version": version, "pass": pass, "fail": fail, "na": na, "unknown": unknown,
        "uploadid": null, "total": pass + fail + na + unknown,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_one_array_of_integers_summed_over_all_partitions() {
    let server = loaded().await;
    let upload = Upload {
        number: 77,
        distribution: "Foo-Bar",
        version: "1.0",
        author: "PREACTION",
        filename: "Foo-Bar-1.0.tar.gz",
        released_at: "2026-01-02T03:04:05Z",
    };
    put_uploads(&server, &[upload]).await;
    let mut known = row("Foo-Bar", "1.0", [2, 1, 1, 0]);
    known["uploadid"] = json!(77);
    let expected =
        [known.clone(), row("Foo-Bar", "1.1_01", [0, 0, 0, 1]), row("CGI.pm-Lite.js", "v1.2.3", [1, 0, 0, 0])];
    for path in ["/v1/release?precache=1", "/v3/release?precache=1", "/v3/release?limit=0&precache=1&unheard=of"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_cors(&answer, path);
        let mut rows = answer.json().as_array().unwrap().clone();
        rows.sort_by_key(|row| expected.iter().position(|known| known == row));
        assert_eq!(rows, expected, "{path}");
    }
    assert_eq!(server.json("/v3/release?limit=2").await.as_array().unwrap().len(), 2);
    assert_eq!(server.json("/v3/release?maturity=dev").await, json!([expected[1]]));
    assert_eq!(server.json("/v3/release/dist/Foo-Bar?maturity=stable").await, json!([known]));
    assert_eq!(server.json("/v3/release/author/preaction").await, json!([known]));
    assert_eq!(server.json("/v1/release/dist/CGI.pm-Lite.js").await, json!([expected[2]]));
    assert_eq!(server.json("/v3/release/dist/foo-bar?limit=1").await, json!([known]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_release_is_one_object_and_the_sum() {
    let server = loaded().await;
    let sum = json!({"dist": "Foo-Bar", "version": "1.0", "pass": 2, "fail": 1, "na": 1, "unknown": 0});
    for path in ["/v3/release/dist/Foo-Bar/1.0", "/v3/release/dist/FOO-bar/1.0", "/v3/release/dist/Foo-Bar/1.0?limit=3"]
    {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.json()), (200, sum.clone()), "{path}");
        assert_cors(&answer, path);
    }
    assert_eq!(server.json("/v3/release/dist/CGI.pm-Lite.js/v1.2.3").await["pass"], 1);
    // v1 has no such route (contract §1.2).
    let answer = server.get("/v1/release/dist/Foo-Bar/1.0").await;
    assert_eq!((answer.status, error_of(&answer).0), (404, "Not Found.".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn since_is_refused_there_in_the_words_of_today() {
    let server = loaded().await;
    for path in ["/v1/release?since=2016-08-20T00:00:00Z", "/v3/release?since=junk"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_cors(&answer, path);
        let told = ("\"since\" parameter not allowed".to_owned(), "/".to_owned(), false);
        assert_eq!(error_of(&answer), told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_whole_though_it_is_sent_in_pieces() {
    let server = Server::start();
    let reports: Vec<Value> =
        (0..2_500).flat_map(|number| others("Long-List", &format!("1.{number}"), &[("pass", 1)])).collect();
    server.submit_all(&reports).await;
    server.settle().await;
    let answer = server.get("/v3/release/dist/Long-List").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    assert_eq!(answer.header("content-length"), "");
    let rows = answer.json();
    let mut versions: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap()).collect();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 2_500);
    assert_eq!(server.json("/v3/release/dist/Long-List?limit=1500").await.as_array().unwrap().len(), 1_500);
    assert_eq!(server.json("/v3/summary/Long-List").await.as_array().unwrap().len(), 2_500);
    assert_eq!(server.json("/v3/summary?osname=haiku").await.as_array().unwrap().len(), 2_500);
}
