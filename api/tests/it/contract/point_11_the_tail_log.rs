//! Tail log format and header line; `[/]` for unknown upload.

use super::point_10_show_rows_and_single_reports::submit_legacy;
use crate::server::Server;
use crate::submissions::Made;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_todays_bytes() {
    let server = Server::start();
    let legacy = Made { grade: "na", archname: "i86pc-solaris-thread-multi-64".to_owned(), ..Made::default() };
    submit_legacy(&server, &legacy).await;
    server.settle().await;
    let mut newer = Made { tester: "Kurt [the] Example".to_owned(), ..Made::default() }.json();
    newer["created"] = "2026-11-20T23:00:01Z".into();
    assert_eq!(server.submit(&newer).await.status, 202);
    let raku = serde_json::json!({
        "reporter": {"name": "Ann", "email": "ann@example.org"},
        "environment": {
            "language": {"name": "Perl 6", "version": "v6.d", "archname": "x86_64-linux"},
            "system": {"osname": "linux"},
        },
        "distribution": {"name": "JSON::Name", "version": "0.0.7"},
        "result": {"grade": "pass", "output": {"test": "ok"}},
    });
    assert_eq!(server.post("/v3/report", "application/json", raku.to_string()).await.status, 201);
    server.settle().await;

    let answer = server.get("/tail/log.txt").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    let text = answer.text();
    let (first, lines) = text.split_once('\n').unwrap();
    let moment =
        first.strip_prefix("The last 1000 reports as of ").and_then(|rest| rest.strip_suffix(':')).expect(first);
    assert!(chrono::NaiveDateTime::parse_from_str(moment, "%Y-%m-%dT%H:%M:%SZ").is_ok(), "{first}");
    // Newest first, Perl alone; brackets inside a field would make it two.
    let expected = format!(
        "[2026-11-20T23:00:01Z] [Kurt (the) Example] [pass] [/] [x86_64-linux] [perl-v5.36.0] [{}] [2026-11-20T23:00:01Z]\n\
         [2026-11-20T22:19:33Z] [Jörg Example] [na] [PREACTION/Foo-Bar-1.0.tar.gz] [i86pc-solaris-thread-multi-64] \
         [perl-v5.36.0] [{}] [2026-11-20T22:19:33Z]\n",
        newer["id"].as_str().unwrap(),
        legacy.id,
    );
    assert_eq!(lines, expected);

    let kept = answer.header("cache-control");
    let seconds = kept.strip_prefix("max-age=").and_then(|rest| rest.strip_suffix(", must-revalidate"));
    assert!(seconds.is_some_and(|seconds| seconds.parse::<u32>().unwrap() <= 300), "{kept}");
    let ask =
        || server.ask(server.client.get(server.at("/tail/log.txt")).header("if-none-match", answer.header("etag")));
    assert_eq!(ask().await.status, 304);
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle().await;
    assert_eq!(ask().await.text().lines().count(), 4);
    let head = server.ask(server.client.head(server.at("/tail/log.txt"))).await;
    assert_eq!((head.status, head.header("content-length").is_empty()), (200, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_ends_after_a_thousand_lines() {
    let server = Server::start();
    assert_eq!(server.get("/tail/log.txt").await.text().lines().count(), 1);
    let reports: Vec<_> = (0..1_003).map(|_| Made::default().json()).collect();
    server.submit_all(&reports).await;
    server.settle().await;
    let text = server.get("/tail/log.txt").await.text();
    let rows = server.lines("/v4/results").await;
    let newest: Vec<&str> = rows.iter().take(1_000).map(|row| row["id"].as_str().unwrap()).collect();
    let listed: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(['[', ']']).nth(3).unwrap()).collect();
    assert_eq!(listed.len(), 1_000);
    assert_eq!(listed, newest);
}
