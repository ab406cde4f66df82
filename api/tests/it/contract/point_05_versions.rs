//! Contract §10, point 5: versions of perl as they are stored, the four flags of §3.3, and the cases of
//! CPAN::DistnameInfo, all by the door that clients use.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::legacy::{Tester, shown_to_tester};
use crate::history::{hit, import, write};
use crate::raw::Raw;
use crate::server::{Server, exchange};
use crate::submissions::{Made, fixture_bytes};

/// As a client says it, as it is stored, whether it is `perlmat` 2, whether `patched` 2, and its `perl_maturity`.
const PERLS: [(&str, &str, bool, bool, &str); 14] = [
    ("v5.36.0", "5.36.0", false, false, "stable"),
    ("5.8.8", "5.8.8", false, false, "stable"),
    ("vv5.24.0", "5.24.0", false, false, "stable"),
    ("v5.10.1", "5.10.1", false, false, "stable"),
    ("v5.7.3", "5.7.3", true, false, "dev"),
    ("v5.9.5", "5.9.5", true, false, "dev"),
    ("v5.25.10", "5.25.10", true, false, "dev"),
    ("v5.43.4", "5.43.4", true, false, "dev"),
    // A candidate is of the stable perl it leads to among the partitions, and no stable one for the summary's filter.
    ("v5.16.0 RC0", "5.16.0 RC0", false, true, "dev"),
    ("v5.20.3 RC1", "5.20.3 RC1", false, true, "dev"),
    ("v5.8.9 patch 33443", "5.8.9 patch 33443", false, true, "dev"),
    ("5.31.0 patch 1231", "5.31.0 patch 1231", true, true, "dev"),
    ("v5.11.0 patch GitLive-blead-1437-g8bca5c8", "5.11.0 patch GitLive-blead-1437-g8bca5c8", true, true, "dev"),
    ("v5.27.0 RC", "5.27.0 RC", true, false, "dev"),
];

/// A legacy report of this perl, said exactly so, on a distribution version.
fn report(tester: &Tester, id: &str, perl: &str, version: &str) -> String {
    let made = Made { id: id.to_owned(), perl: "SAID".to_owned(), version: version.to_owned(), ..Made::default() };
    tester.report(&made).replace("vSAID", perl)
}

/// Sends a report of each of these perls; gives their ids, in order.
async fn with_perls(server: &Server) -> Vec<String> {
    let tester = Tester::registered(server, "Ann Example").await;
    let ids: Vec<String> = PERLS.iter().map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for (id, (said, ..)) in ids.iter().zip(PERLS) {
        tester.submits_body(server, &report(&tester, id, said, "1.0")).await;
    }
    server.settle().await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_perl_loses_its_v_and_keeps_candidate_and_patch() {
    let server = Server::start();
    let ids = with_perls(&server).await;
    let summary = server.json("/v3/summary/Foo-Bar").await;
    let show = server.json("/show/Foo-Bar.json").await;
    let log = server.get("/tail/log.txt").await.text();
    for (id, (said, stored, ..)) in ids.iter().zip(PERLS) {
        for rows in [&summary, &show] {
            let row = rows.as_array().unwrap().iter().find(|row| row["guid"] == id.as_str()).unwrap();
            assert_eq!(row["perl"], stored, "{said}");
        }
        let report = server.json(&format!("/v3/report/{id}")).await;
        assert_eq!(report["environment"]["language"]["version"], stored, "{said}");
        assert!(log.contains(&format!("] [perl-v{stored}] [{id}] [")), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_the_perl_divide_counts_and_rows() {
    let server = Server::start();
    let ids = with_perls(&server).await;
    let mut expected = BTreeMap::new();
    for (_, _, development, patched, _) in PERLS {
        let maturity = if development { "development" } else { "stable" };
        *expected.entry((maturity.to_owned(), patched)).or_insert(0) += 1;
    }
    let release = server.json("/v4/releases/Foo-Bar/1.0").await;
    let told = |part: &Value| {
        let key = (part["language_maturity"].as_str().unwrap().to_owned(), part["patched"].as_bool().unwrap());
        (key, part["pass"].as_i64().unwrap())
    };
    let partitions: BTreeMap<_, _> = release["partitions"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(partitions, expected);
    assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], PERLS.len());
    for wanted in ["stable", "dev"] {
        let rows = server.json(&format!("/v3/summary/Foo-Bar?perl_maturity={wanted}")).await;
        let found: BTreeSet<&str> = rows.as_array().unwrap().iter().map(|row| row["guid"].as_str().unwrap()).collect();
        let of = ids.iter().zip(PERLS).filter(|(_, (.., maturity))| *maturity == wanted);
        assert_eq!(found, of.map(|(id, _)| id.as_str()).collect(), "{wanted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_is_mature_by_its_version() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let versions = [
        ("1.0", false),
        ("1.0_01", true),
        ("1_0", true),
        ("v1.2.3", false),
        ("v1.2.3_4", true),
        ("1.0-TRIAL", true),
        // DistnameInfo calls these two developer releases; the flag is of another mind (§3.1, §3.3).
        ("1.0-TRIAL2", false),
        ("1.1-TRIAL-1", false),
    ];
    for (version, _) in versions {
        let id = uuid::Uuid::new_v4().to_string();
        tester.submits_body(&server, &report(&tester, &id, "v5.36.0", version)).await;
    }
    server.settle().await;
    for (asked, developer) in [("stable", false), ("dev", true)] {
        let of: BTreeSet<&str> =
            versions.iter().filter(|(_, known)| *known == developer).map(|(version, _)| *version).collect();
        for path in ["/v3/release", "/v1/release/dist/Foo-Bar", "/v3/release/author/PREACTION"] {
            let rows = server.json(&format!("{path}?maturity={asked}")).await;
            let found: BTreeSet<&str> =
                rows.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap()).collect();
            assert_eq!(found, of, "{path} {asked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_leaves_cpan_with_its_upload_and_stays_counted() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let id = uuid::Uuid::new_v4().to_string();
    tester.submits_body(&server, &report(&tester, &id, "v5.36.0", "1.0")).await;
    server.settle().await;
    let raw = Raw::of(&server).await;
    for (status, on_cpan) in [("latest", true), ("backpan", false)] {
        let hits = json!({"hits": {"hits": [hit("PREACTION", "Foo-Bar-1.0.tar.gz", "2026-01-02T03:04:05", status)]}});
        let file = write(&server, "search.json", hits.to_string());
        import(&server, &["uploads", &file]);
        let flag: bool = raw.value("SELECT on_cpan FROM releases WHERE distribution = 'Foo-Bar'").await;
        assert_eq!(flag, on_cpan, "{status}");
        assert_eq!(server.json("/v3/release/dist/Foo-Bar/1.0").await["pass"], 1, "{status}");
        assert_eq!(server.json("/v3/release/dist/Foo-Bar").await.as_array().unwrap().len(), 1, "{status}");
    }
    raw.close().await;
}

/// Author, distribution and version.
type Read = (String, String, String);

/// An archive's path below the authors' directories, and what the real module read of it: `None` where it lacks one
/// of author, name and version, and today's server fails.
fn archives() -> Vec<(String, Option<Read>)> {
    let table = String::from_utf8(fixture_bytes("distnameinfo-vectors.tsv")).unwrap();
    let read = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let whole = columns[1..4].iter().all(|column| *column != "\\N");
        let [author, name, version] = [1, 2, 3].map(|place| columns[place].to_owned());
        (columns[0].to_owned(), whole.then_some((author, name, version)))
    };
    table.lines().skip(1).map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_read_as_distnameinfo_reads_it() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let usual = "cpan:///distfile/PREACTION/Foo-Bar-1.0.tar.gz";
    let mut expected = BTreeMap::new();
    let mut refused = 0;
    for some in archives().chunks(32) {
        let sent = some.iter().map(async |(path, read)| {
            let made = Made::default();
            let body = tester.report(&made).replace(usual, &format!("cpan:///distfile/{path}"));
            let answer = exchange(&server, &tester.submitting("/api/v1/", &body)).await;
            if read.is_none() {
                let told = shown_to_tester(&answer, 400);
                assert!(told.contains("from the resource") && told.contains(path), "{told}");
                return None;
            }
            assert_eq!(answer.status, 201, "{path}: {}", answer.text());
            read.clone().map(|read| (made.id, read))
        });
        for id in futures::future::join_all(sent).await {
            refused += usize::from(id.is_none());
            expected.extend(id);
        }
    }
    assert_eq!((expected.len(), refused), (1_380, 8));
    server.settle().await;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = server.lines("/v4/results").await;
    let found: BTreeMap<String, _> = rows
        .iter()
        .map(|row| (text(row, "id"), (text(row, "author"), text(row, "distribution"), text(row, "version"))))
        .collect();
    let differing: Vec<_> = expected.iter().filter(|(id, read)| found.get(*id) != Some(read)).collect();
    assert!(differing.is_empty(), "{} differ: {:?}", differing.len(), &differing[..differing.len().min(20)]);
    assert_eq!(found.len(), expected.len());
}
