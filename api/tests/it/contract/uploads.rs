//! `/v1/upload` and `/v3/upload`: rows by time of release, and `since` (contract §1.3).

use serde_json::{Value, json};

use super::data::{Upload, assert_cors, put_uploads};
use crate::server::Server;

const ROWS: [(&str, &str, &str, &str); 3] = [
    ("My-Dist", "1.001", "PREACTION", "2016-11-19T03:03:20Z"),
    ("Other.Dist", "0.1", "PREACTION", "2016-11-20T00:00:00Z"),
    ("My-Dist", "1.002", "OTHER", "2015-01-01T12:00:00Z"),
];

fn row(place: usize) -> Value {
    let (distribution, version, author, released_at) = ROWS[place];
    let filename = format!("{distribution}-{version}.tar.gz");
    json!({"dist": distribution, "version": version, "author": author, "filename": filename, "released": released_at})
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_by_the_time_of_their_release() {
    let server = Server::start();
    let names = ROWS.map(|(distribution, version, ..)| format!("{distribution}-{version}.tar.gz"));
    let uploads: Vec<Upload> = ROWS
        .iter()
        .zip(&names)
        .zip(1..)
        .map(|(((distribution, version, author, released_at), filename), number)| Upload {
            number,
            distribution,
            version,
            author,
            filename,
            released_at,
        })
        .collect();
    put_uploads(&server, &uploads).await;
    for (path, expected) in [
        ("upload", vec![2, 0, 1]),
        ("upload?limit=1&maturity=dev", vec![2, 0, 1]),
        ("upload?since=2016-11-19T03:03:20", vec![0, 1]),
        ("upload?since=2016-11-19T03:03:21Z", vec![1]),
        ("upload?since=2016-11-19T05:03:20%2B02:00", vec![0, 1]),
        ("upload?since=2030-01-01T00:00:00Z", vec![]),
        ("upload/dist/My-Dist", vec![2, 0]),
        ("upload/dist/Other.Dist", vec![1]),
        ("upload/author/PREACTION", vec![0, 1]),
        ("upload/author/preaction?since=2016-11-20T00:00:00Z", vec![1]),
    ] {
        for version in ["v1", "v3"] {
            let answer = server.get(&format!("/{version}/{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_cors(&answer, path);
            let expected: Vec<Value> = expected.iter().copied().map(row).collect();
            assert_eq!(answer.json(), json!(expected), "{path}");
        }
    }
    assert_eq!(server.get("/v3/upload/dist/My-Dist?since=2030-01-01T00:00:00Z").await.status, 404);
}
