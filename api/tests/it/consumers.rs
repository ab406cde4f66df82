//! Programs that behave like today's consumers (contract §7) read assay unchanged. Their scripts are in
//! `fixtures/consumers`.

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::captures::register_testers;
use crate::server::{PATIENCE, Server, exchange};
use crate::submissions::{Made, captures, fixture};

fn start(script: &str, server: &Server, arguments: &[&str]) -> Child {
    let mut command = Command::new("perl");
    command.arg(fixture(&format!("consumers/{script}"))).arg(&server.url).args(arguments);
    command.env_remove("http_proxy").env_remove("all_proxy").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("perl is a part of the base system")
}

/// What a script understood.
fn understood(script: &str, output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{script}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn run(script: &'static str, server: &Server, arguments: &[&str]) -> Value {
    let child = start(script, server, arguments);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    understood(script, &output)
}

/// A server with what real clients sent.
async fn with_captures() -> Server {
    let server = Server::start();
    register_testers(&server).await;
    for capture in captures() {
        assert_eq!(exchange(&server, &capture.bytes).await.status, 201, "{}", capture.name);
    }
    server.settle().await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn metacpan_reads_the_counts_of_all_releases_at_once_and_nothing_of_an_empty_server() {
    let empty = Server::start();
    assert_eq!(run("metacpan.pl", &empty, &[]).await, json!({"status": 404, "releases": {}}));

    let server = with_captures().await;
    let summaries = server.lines("/v4/summaries?language=perl").await;
    let end = Instant::now() + PATIENCE;
    let seen = loop {
        // What is published follows the counts when they have been quiet for a while.
        let seen = run("metacpan.pl", &server, &[]).await;
        assert_eq!(seen["status"], 200);
        if seen["releases"].as_object().unwrap().len() == summaries.len() {
            break seen;
        }
        assert!(Instant::now() < end, "the published list does not follow: {seen}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let releases = seen["releases"].as_object().unwrap();
    for summary in &summaries {
        let version = summary["version"].as_str().unwrap().trim_start_matches('v');
        let read = &releases[&format!("{}-{version}", summary["distribution"].as_str().unwrap())];
        for grade in ["pass", "fail", "na", "unknown"] {
            assert_eq!(read[grade], summary[grade], "{grade} of {summary}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_reads_a_distribution_and_an_author() {
    let server = with_captures().await;
    let seen = run("matrix.pl", &server, &["Acme-l33t", "LABAUTH"]).await;
    let rows = server.lines("/v4/results?distribution=Acme-l33t").await;
    let fails =
        |perl: &str| rows.iter().filter(|row| row["language_version"] == perl && row["grade"] == "fail").count();
    assert_eq!(seen["dist"]["rows"], rows.len());
    for perl in ["5.36.0", "5.40.1", "5.32.1"] {
        assert!(fails(perl) > 0, "{perl}");
        assert_eq!(seen["dist"]["cells"][format!("Acme-l33t-0.01 {perl} linux")]["FAIL"], fails(perl), "{seen}");
    }
    let cells = seen["dist"]["cells"].as_object().unwrap().values();
    let counted: i64 =
        cells.flat_map(|cell| cell.as_object().unwrap().values()).map(|count| count.as_i64().unwrap()).sum();
    assert_eq!(counted, rows.len() as i64);
    let author = server.json("/v4/authors/LABAUTH").await;
    let newest = author["distributions"].as_array().unwrap().iter();
    let reports: i64 = newest
        .flat_map(|release| ["pass", "fail", "na", "unknown"].map(|grade| release[grade].as_i64().unwrap()))
        .sum();
    assert_eq!(seen["author"]["rows"], reports);
    assert!(reports > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_refilled_by_ranges_while_reports_come_in_has_each_of_them_once() {
    let server = Server::start();
    let reports: Vec<Value> = (0..6_000).map(|_| Made::default().json()).collect();
    // Some are there before the reader comes: more than an answer holds.
    for some in reports[..2_600].chunks(1_300) {
        server.submit_all(some).await;
    }
    server.settle().await;
    let reader = start("refill.pl", &server, &["6000"]);
    // Small and large submissions at once: they are processed in no fixed order.
    let (small, large) = reports[2_600..].split_at(400);
    let trickle = async {
        for some in small.chunks(7) {
            server.submit_all(some).await;
        }
    };
    let flood = async {
        for some in large.chunks(600) {
            server.submit_all(some).await;
        }
    };
    let corrections = async {
        for report in reports.iter().step_by(100).take(20) {
            let mut corrected = report.clone();
            corrected["result"]["grade"] = "fail".into();
            assert!(server.submit(&corrected).await.status < 300);
        }
    };
    tokio::join!(trickle, flood, corrections);
    let output = tokio::task::spawn_blocking(|| reader.wait_with_output().unwrap()).await.unwrap();
    let copy = understood("refill.pl", &output);
    let guids: BTreeSet<&str> = copy["guids"].as_array().unwrap().iter().map(|guid| guid.as_str().unwrap()).collect();
    let sent: BTreeSet<&str> = reports.iter().map(|report| report["id"].as_str().unwrap()).collect();
    assert_eq!(guids, sent);
    let numbers = server.lines("/v4/results").await.into_iter().map(|row| row["number"].as_i64().unwrap());
    assert_eq!(copy["guids"].as_array().unwrap().len(), 6_000);
    assert_eq!(copy["max"], numbers.max().unwrap());
    assert!(copy["pages"].as_i64().unwrap() > 2, "{}", copy["pages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_tail_log_gets_every_report_of_perl() {
    let server = with_captures().await;
    let seen = run("tail-log.pl", &server, &["2"]).await;
    let rows = server.lines("/v4/results?language=perl").await;
    assert_eq!(seen["lines"], rows.len());
    let reports = seen["reports"].as_object().unwrap();
    // Those by the v3 door name no archive.
    assert_eq!(reports.len() as i64 + seen["unknown"].as_i64().unwrap(), rows.len() as i64);
    assert_eq!(reports.len(), 137);
    for row in rows.iter().filter(|row| !row["author"].is_null()) {
        let report = &reports[row["id"].as_str().unwrap()];
        let fields = ["grade", "author", "perl", "os"].map(|field| report[field].clone());
        let expected = ["grade", "author", "language_version", "os"].map(|field| row[field].clone());
        assert_eq!(fields, expected, "{report}");
        let file = format!("{}-{}.", row["distribution"].as_str().unwrap(), row["version"].as_str().unwrap());
        assert!(report["file"].as_str().unwrap().contains(&file), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parser_of_report_pages_reads_letters_of_real_reports() {
    let server = with_captures().await;
    for row in server.lines("/v4/results?language=perl").await.iter().filter(|row| !row["author"].is_null()).step_by(9)
    {
        let letter = run("report-page.pl", &server, &[row["id"].as_str().unwrap()]).await;
        let about = format!("{}-{}", row["distribution"].as_str().unwrap(), row["version"].as_str().unwrap());
        let grade = row["grade"].as_str().unwrap().to_uppercase();
        assert_eq!((&letter["ok"], &letter["about"]), (&json!(grade), &json!(about)));
        assert_eq!((&letter["from"], &letter["date"]), (&row["tester"], &row["created_at"]));
        assert!(letter["length"].as_i64().unwrap() > 500, "{letter}");
        if !letter["conf:archname"].is_null() {
            assert_eq!((&letter["conf:osname"], &letter["conf:archname"]), (&row["osname"], &row["architecture"]));
        }
        let resource = letter["resource"].as_str().unwrap();
        assert!(resource.starts_with(&format!("cpan:///distfile/{}/", row["author"].as_str().unwrap())), "{resource}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_reader_reads_distributions_and_authors() {
    let server = with_captures().await;
    let rows = server.lines("/v4/results?distribution=Acme-l33t&version=0.01").await;
    for path in ["/dist/Acme-l33t.rss", "/dist/Acme-l33t/0.01.rss"] {
        let feed = run("feed-reader.pl", &server, &[path]).await;
        assert_eq!(feed["title"], "Acme-l33t 0.01");
        let entries: Vec<&Value> = feed["items"].as_array().unwrap().iter().map(|item| &item["guid"]).collect();
        let newest: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
        assert_eq!(entries, newest, "{path}");
        let title = "FAIL Acme-l33t-0.01 Perl 5 v5.36.0 on linux 4.19.0 (x86_64-linux-gnu-thread-multi)";
        assert!(feed["items"].as_array().unwrap().iter().any(|item| item["title"] == title), "{feed}");
        // A feed is what a reader of its kind takes for one.
        let channel = rss::Channel::read_from(&server.get(path).await.body[..]).unwrap();
        assert_eq!(channel.items().len(), rows.len());
        let itself = &channel.atom_ext().expect("it names itself").links()[0];
        assert_eq!((itself.rel(), itself.href()), ("self", server.at(path).as_str()));
    }
    let all = run("feed-reader.pl", &server, &["/author/LABAUTH.rss"]).await;
    let failing = run("feed-reader.pl", &server, &["/author/LABAUTH-nopass.rss"]).await;
    let titles = |feed: &Value| -> BTreeSet<String> {
        feed["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    };
    let (all, failing) = (titles(&all), titles(&failing));
    assert!(!failing.is_empty() && failing.iter().all(|title| !title.starts_with("PASS")), "{failing:?}");
    let rest: BTreeSet<String> = all.iter().filter(|title| !title.starts_with("PASS")).cloned().collect();
    assert_eq!(rest, failing);
    assert!(all.len() > failing.len());
    for path in ["/dist/No-Such.rss", "/author/NOBODY.rss", "/dist/Acme-l33t/9.9.rss"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}
