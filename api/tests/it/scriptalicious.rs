//! A real feed of one distribution, imported, is counted as a recount of the file counts it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::recount::{Counts, GRADES, check_counts, counts, recount, told};
use crate::server::Server;
use crate::submissions::{fixture, fixture_bytes};

const FEED: &str = "workload/feed-scriptalicious-2011.ndjson";

/// The lines of the file, in the words of result rows. Its systems differ from their canonical names in case alone.
fn rows_of_the_file() -> Vec<Value> {
    let text = String::from_utf8(fixture_bytes(FEED)).unwrap();
    let rows = text.lines().map(|line| {
        let report: Value = serde_json::from_str(line).unwrap();
        let (environment, distribution) = (&report["environment"], &report["distribution"]);
        json!({
            "distribution": distribution["name"],
            "version": distribution["version"],
            "grade": report["result"]["grade"],
            "language_version": environment["language"]["version"],
            "architecture": environment["language"]["archname"],
            "os": environment["system"]["osname"].as_str().unwrap().to_lowercase(),
        })
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scriptalicious_feed_is_counted_as_a_recount_of_the_file_counts_it() {
    let server = Server::start();
    let file = fixture(FEED);
    let import = || {
        // It asks a server, so it is told no data directory.
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(["import", "--restart", "--server", &server.url]).arg(&file);
        command.env_clear().env("HOME", server.home()).current_dir(server.home());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let first = import();
    assert!(first.contains("349 accepted, 0 duplicates"), "{first}");
    let second = import();
    assert!(second.contains("0 accepted, 349 duplicates"), "{second}");
    server.settle().await;

    let rows = rows_of_the_file();
    assert_eq!(rows.len(), 349);
    let fields = ["distribution", "version"];
    assert_eq!(told(&server.lines("/v4/summaries").await, &fields), recount(&rows, &fields));
    for axes in
        [&["version", "language_version", "os"][..], &["version", "architecture"], &["language_version"], &["os"]]
    {
        let matrix = server.json(&format!("/v4/matrix/Scriptalicious?axes={}", axes.join(","))).await;
        assert_eq!(told(matrix["cells"].as_array().unwrap(), axes), recount(&rows, axes), "{axes:?}");
    }
    check_counts(&server).await;
    the_page_shows_the_same(&server, &rows).await;
}

async fn the_page_shows_the_same(server: &Server, rows: &[Value]) {
    let rows: Vec<Value> = rows.iter().filter(|row| row["version"] == "1.15").cloned().collect();
    let answer = server.get("/dist/Scriptalicious/1.15").await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    let figures = between(&page, "<dl class=\"figures\">", "</dl>");
    assert_eq!(between(figures, "<dt>Reports</dt><dd>", "</dd>"), rows.len().to_string());
    let all = recount(&rows, &["version"])[&vec!["1.15".to_owned()]];
    assert_eq!(tally(figures), all);
    let cells = cells_of_the_page(between(&page, "<table class=\"matrix\">", "</table>"));
    assert_eq!(cells, recount(&rows, &["language_version", "os"]));
    let release = server.json("/v4/releases/Scriptalicious/1.15").await;
    assert_eq!(counts(&release), all);
}

/// The cells of a matrix, by where their links lead.
fn cells_of_the_page(table: &str) -> BTreeMap<Vec<String>, Counts> {
    let mut cells = BTreeMap::new();
    for link in table.split("<a href=\"").skip(1) {
        let (address, shown) = link.split_once("\">").unwrap();
        let address = address.replace("&#38;", "&").replace("&amp;", "&").replace("%20", " ");
        let parameter = |name: &str| {
            let said = address.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{name}=")));
            said.map(str::to_owned)
        };
        if let (Some(perl), Some(os)) = (parameter("language_version"), parameter("os")) {
            let shown = shown.split("</a>").next().unwrap();
            assert!(cells.insert(vec![perl, os], tally(shown)).is_none(), "a cell is there twice: {address}");
        }
    }
    cells
}

/// The numbers behind `P`, `F`, `N` and `U`; what is not shown is none.
fn tally(html: &str) -> Counts {
    GRADES.map(|grade| {
        let mark = format!("title=\"{grade}\">{}</abbr>", grade[..1].to_uppercase());
        let number = html.split(&mark).nth(1).map(|rest| rest.split('<').next().unwrap());
        number.map_or(0, |number| number.parse().unwrap())
    })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap().0
}
