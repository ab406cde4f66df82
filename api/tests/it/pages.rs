//! The pages of the demo corpus, as browsers get them: whole, fresh, linked, and with the counts of the API.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::{captures, fixture_bytes};

/// Reports of the demo corpus: those of `fixtures/demo/reports.ndjson`, and the captures.
const REPORTS: i64 = 1093 + 141;

/// Most addresses of each kind, as their first part tells it, that the crawl follows.
const MOST_OF_A_KIND: usize = 40;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A server with the demo corpus, processed and indexed.
async fn demo() -> Server {
    let server = Server::with(&["--listen", "127.0.0.1:0", "--demo"]);
    let end = Instant::now() + PATIENCE;
    loop {
        let status = server.json("/v4/status").await;
        let counts = ["pass", "fail", "na", "unknown"].map(|grade| status["totals"][grade].as_i64().unwrap());
        if counts.iter().sum::<i64>() == REPORTS {
            break;
        }
        assert!(Instant::now() < end, "the demo corpus is not there in time: {status}\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.settle_index().await;
    server
}

#[tokio::test]
async fn every_kind_of_page_is_served_whole_and_says_how_fresh_it_is() {
    let server = demo().await;
    for (path, shown) in usual_pages(&server).await {
        let page = server.get(&path).await;
        check_page(&path, &page, 200);
        let html = page.text();
        assert!(html.contains(&shown), "{path} does not show {shown:?}");
        let about_reports = !path.starts_with("/docs");
        assert_eq!(html.contains("Complete up to <time"), about_reports, "{path} says how fresh it is");
        assert!(!about_reports || html.contains("nothing waiting"), "{path}");
    }
    for (path, status, shown) in [
        ("/nowhere", 404, "nothing lives at /nowhere"),
        ("/dist/No-Such-Distribution", 404, "there are no reports of No-Such-Distribution"),
        ("/dist/Scriptalicious/0.0", 404, "there are no reports of Scriptalicious 0.0"),
        ("/report/0b45cd74-d944-4999-9c3d-000000000000", 404, "0b45cd74-d944-4999-9c3d-000000000000"),
        ("/report/x", 400, "expected a UUID"),
        ("/author/NOBODY", 404, "NOBODY"),
        ("/tester/nobody", 404, "there is no tester nobody"),
        ("/results?grade=good", 400, "expected pass, fail, na or unknown"),
        ("/results?colour=red", 400, "colour"),
        ("/search?q=grade%3A", 400, "The query cannot be read"),
    ] {
        let page = server.get(path).await;
        check_page(path, &page, status);
        assert!(page.text().contains(shown), "{path} does not show {shown:?}: {}", page.text());
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
    }
}

/// Each kind of page, and what must stand on it.
async fn usual_pages(server: &Server) -> Vec<(String, String)> {
    let one = async |filter: &str| {
        let rows = server.json(&format!("/v4/results?limit=1&{filter}")).await;
        let row = rows["items"][0].clone();
        assert!(row.is_object(), "no report with {filter}");
        row
    };
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let mut pages: Vec<(String, String)> = [
        ("/", "<dd>1,234</dd>"),
        ("/dist/Scriptalicious", "<h1>Scriptalicious</h1>"),
        ("/dist/Scriptalicious/1.15", "<dt>Reports</dt><dd>87</dd>"),
        ("/matrix/Scriptalicious", "Scriptalicious: grades by perl version and release"),
        ("/dist/JSON%3A%3AName", "Distribution · raku"),
        ("/dist/JSON%3A%3AName/0.0.7?language=raku", "grades by raku version and system"),
        ("/matrix/JSON%3A%3AName?language=raku", "<h1><a href=\"/dist/JSON%3A%3AName?language=raku\">"),
        ("/results", "<h1>Newest reports</h1>"),
        // As the form sends it.
        ("/results?distribution=Scriptalicious&version=&os=&tester=&language=&grade=na", "1 report</p>"),
        ("/author/LABAUTH", "<dt>Distributions</dt><dd>19</dd>"),
        ("/author/labauth", "<h1>LABAUTH</h1>"),
        ("/search", "<h1>Search reports</h1>"),
        ("/search?q=Can%27t+locate", "<mark>"),
        ("/search?q=zzznothing", "No report matches"),
        ("/status", "All parts answer."),
        ("/docs", "/v4/reports"),
        ("/docs/search", "<h1>How to search</h1>"),
    ]
    .map(|(path, shown)| (path.to_owned(), shown.to_owned()))
    .to_vec();
    for filter in ["grade=pass", "grade=fail", "grade=na", "grade=unknown", "language=raku", "distribution=Xlab-Bytes"]
    {
        let row = one(filter).await;
        let (id, grade) = (text(&row, "id"), text(&row, "grade"));
        pages.push((format!("/report/{id}"), format!("<span class=\"word\">{grade}</span>")));
        pages.push((format!("/status/{id}"), "It is counted, and everybody can read it.".to_owned()));
        pages.push((format!("/tester/{}", text(&row, "tester_id")), format!("<h1>{}</h1>", text(&row, "tester"))));
    }
    pages
}

#[track_caller]
fn check_page(path: &str, page: &Answer, status: u16) {
    assert_eq!(page.status, status, "{path}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
    assert_eq!(page.header("content-security-policy"), POLICY, "{path}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    let html = page.text();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{path} is not whole");
    assert!(!html.contains("<script") && !html.contains("style=\""), "{path} breaks its own policy");
}

#[tokio::test]
async fn a_reader_who_has_a_page_is_not_sent_it_again() {
    let server = demo().await;
    for path in ["/dist/Scriptalicious/1.15", "/matrix/Scriptalicious", "/docs"] {
        // Pages say to the minute how fresh they are, and a minute may just end.
        let mut answers = Vec::new();
        for _ in 0..2 {
            let etag = server.get(path).await.header("etag").to_owned();
            assert!(etag.starts_with("W/\""), "{path}: {etag:?}");
            let again = server.client.get(server.at(path)).header("if-none-match", &etag);
            answers.push(server.ask(again).await);
        }
        let known = answers.iter().find(|answer| answer.status == 304);
        let known = known.unwrap_or_else(|| panic!("{path} is sent again: {answers:?}"));
        assert_eq!(known.body, b"", "{path}");
        let other = server.client.get(server.at(path)).header("if-none-match", "W/\"other\"");
        assert_eq!(server.ask(other).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_name_of_a_distribution_leads_straight_to_it() {
    let server = demo().await;
    for (typed, address) in [
        ("Scriptalicious", "/dist/Scriptalicious"),
        ("File%3A%3ANext", "/dist/File-Next"),
        ("JSON%3A%3AName", "/dist/JSON%3A%3AName?language=raku"),
    ] {
        let answer = server.get(&format!("/search?q={typed}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, address), "{typed}");
        check_page(address, &server.get(address).await, 200);
    }
    check_page("a quoted name", &server.get("/search?q=%22Scriptalicious%22").await, 200);
}

#[tokio::test]
async fn every_link_on_a_page_leads_somewhere_and_no_page_shows_an_address() {
    let server = demo().await;
    let addresses = addresses_of_the_corpus();
    assert!(addresses.len() > 20, "the corpus has addresses: {addresses:?}");
    let mut waiting: VecDeque<String> = usual_pages(&server).await.into_iter().map(|(path, _)| path).collect();
    let mut known: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let kind = |path: &str| path.split(['/', '?']).nth(1).unwrap().to_owned();
    let mut followed = 0;
    while let Some(path) = waiting.pop_front() {
        let answer = server.get(&path).await;
        // The name of a distribution as an example of a search leads to its page.
        assert!(answer.status == 200 || answer.status == 303, "{path} is answered {}", answer.status);
        followed += 1;
        if !answer.header("content-type").starts_with("text/html") || answer.status != 200 {
            continue;
        }
        check_page(&path, &answer, 200);
        let html = answer.text();
        for address in &addresses {
            assert!(!html.contains(address.as_str()), "{path} shows {address}");
        }
        for link in links(&html) {
            assert!(!link.contains("//"), "{path} names another host: {link}");
            let many = kinds.entry(kind(&link)).or_default();
            if *many < MOST_OF_A_KIND && known.insert(link.clone()) {
                *many += 1;
                waiting.push_back(link);
            }
        }
    }
    for kind in ["dist", "matrix", "results", "report", "author", "tester", "status", "docs", "static", "v4", "metrics"]
    {
        assert!(kinds.contains_key(kind), "nothing leads to /{kind}: {kinds:?}");
    }
    assert!(followed > 200, "{followed} addresses: {kinds:?}");
}

/// Where the links and files of a page are, without their fragments.
fn links(html: &str) -> Vec<String> {
    let addresses = html.split("href=\"").skip(1).map(|rest| &rest[..rest.find('"').expect("a value ends")]);
    let addresses = addresses.map(|address| address.replace("&#38;", "&"));
    let addresses = addresses.map(|address| address.split('#').next().unwrap().to_owned());
    addresses.filter(|address| !address.is_empty()).collect()
}

/// Mail addresses that were submitted, in the reports' own fields or in their texts.
fn addresses_of_the_corpus() -> BTreeSet<String> {
    let mut addresses = BTreeSet::new();
    let mut corpus = String::from_utf8(fixture_bytes("demo/reports.ndjson")).unwrap();
    corpus.push_str(&String::from_utf8(fixture_bytes("demo/registrations.ndjson")).unwrap());
    captures().iter().for_each(|capture| corpus.push_str(&capture.body));
    for (at, _) in corpus.match_indices('@') {
        let named = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
        let name = corpus[..at].rfind(|c| !named(c)).map_or(0, |end| end + 1);
        let name = &corpus[name..at];
        let host = &corpus[at + 1..];
        let host = &host[..host.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(0)];
        let host = host.trim_end_matches('.');
        if !name.is_empty() && host.rsplit_once('.').is_some_and(|(_, last)| last.chars().all(char::is_alphabetic)) {
            addresses.insert(format!("@{host}"));
            addresses.insert(format!("{name}@{host}"));
        }
    }
    addresses
}

/// Counts of the grades, as letters with figures: `P12 F3`.
type Shown = BTreeMap<char, i64>;

#[tokio::test]
async fn a_browser_shows_the_counts_of_the_matrix_and_each_cell_leads_to_its_reports() {
    let Some(browser) = browser() else { return };
    let server = demo().await;
    for (page, axes) in [
        ("/dist/Scriptalicious/1.15", "/v4/matrix/Scriptalicious/1.15?axes=language_version,os"),
        ("/matrix/Scriptalicious", "/v4/matrix/Scriptalicious?axes=language_version,version"),
        ("/dist/JSON%3A%3AName/0.0.7", "/v4/matrix/JSON%3A%3AName/0.0.7?axes=language_version,os&language=raku"),
        ("/matrix/App-FindCallers", "/v4/matrix/App-FindCallers?axes=language_version,version"),
    ] {
        let shown = cells(&rendered(&browser, &server.at(page)));
        let matrix = server.json(axes).await;
        assert_eq!(counts_shown(&shown), counts_known(&matrix), "{page}");
        for cell in &shown {
            let address = cell.address.strip_prefix("/results?").expect("a cell leads to reports");
            let rows = server.lines(&format!("/v4/results?{address}")).await;
            let mut behind = Shown::new();
            for row in rows {
                *behind.entry(letter(row["grade"].as_str().unwrap())).or_default() += 1;
            }
            assert_eq!(behind, cell.counts, "{page}: the reports behind {address}");
            check_page(&cell.address, &server.get(&cell.address).await, 200);
        }
    }
}

/// A cell as the browser has it.
struct Cell {
    row: String,
    column: String,
    counts: Shown,
    address: String,
}

/// The cells of a rendered page's matrix that hold something, without the sums.
fn cells(html: &str) -> Vec<Cell> {
    let start = html.find("<table class=\"matrix\">").expect("the page has a matrix");
    let table = &html[start..start + html[start..].find("</table>").expect("it ends")];
    let (head, body) = table.split_once("<tbody>").expect("it has a body");
    let body = body.split("</tbody>").next().unwrap();
    let head = head.split("<tr").nth(1).expect("a row of heads");
    let columns: Vec<String> =
        head.split("<th ").skip(1).map(|cell| text_of(cell.split_once('>').unwrap().1)).collect();
    let mut cells = Vec::new();
    for row in body.split("<tr").skip(1) {
        let mut parts = row.split("<td");
        let name = text_of(parts.next().unwrap().split_once("<th scope=\"row\">").expect("a row has a head").1);
        for (cell, column) in parts.zip(&columns[1..]) {
            let (attributes, content) = cell.split_once('>').unwrap();
            if content.starts_with("</td>") || attributes.contains("sum") {
                continue;
            }
            let address = content.split("href=\"").nth(1).expect("a cell is a link").split('"').next().unwrap();
            let counts = text_of(content);
            let counts = counts.split_whitespace().map(|count| {
                let figure = count[1..].replace(',', "").parse().unwrap_or_else(|error| panic!("{count}: {error}"));
                (count.chars().next().unwrap(), figure)
            });
            let (row, column) = (name.clone(), column.clone());
            cells.push(Cell { row, column, counts: counts.collect(), address: address.replace("&amp;", "&") });
        }
    }
    cells
}

/// Text without tags; pieces that stand apart stay apart.
fn text_of(html: &str) -> String {
    let mut pieces = html.split('<');
    let mut text = pieces.next().unwrap().to_owned();
    pieces.for_each(|piece| text.push_str(piece.split_once('>').map_or("", |(_, text)| text)));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn counts_shown(cells: &[Cell]) -> BTreeMap<(String, String), Shown> {
    assert!(!cells.is_empty());
    cells.iter().map(|cell| ((cell.row.clone(), cell.column.clone()), cell.counts.clone())).collect()
}

fn counts_known(matrix: &Value) -> BTreeMap<(String, String), Shown> {
    let mut across = matrix["axes"].as_array().unwrap().iter().map(|axis| axis.as_str().unwrap());
    let across = across.rfind(|axis| *axis != "language_version").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cells = matrix["cells"].as_array().unwrap().iter().map(|cell| {
        let counts = ["pass", "fail", "na", "unknown"].map(|grade| (letter(grade), cell[grade].as_i64().unwrap()));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        ((text(&cell["language_version"]), text(&cell[across])), counts)
    });
    cells.collect()
}

/// How pages abbreviate a grade.
fn letter(grade: &str) -> char {
    grade.chars().next().unwrap().to_ascii_uppercase()
}

/// The page as a headless browser has it after it was drawn.
fn rendered(browser: &PathBuf, address: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", address])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed:\n{told}", browser.display());
    String::from_utf8(output.stdout).unwrap()
}

/// An installed Chromium. Without one the test says that it proves nothing, and in CI it fails.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs one of {names:?} to look at the pages");
        services::say(&format!("SKIPPED: none of {names:?} is installed, so NO browser looked at the pages"));
    }
    found
}
