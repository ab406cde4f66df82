//! Contract §10, point 4: string facts are decoded once, names are kept whole, testers are written as in §3.2.

use serde_json::Value;

use super::legacy::Tester;
use crate::server::Server;
use crate::submissions::Made;

/// A tester's name, and as rows of the contract write it: all beyond ASCII as decimal character references, and
/// nothing else changed.
const NAMES: [(&str, &str); 6] = [
    ("Jörg Example", "J&#246;rg Example"),
    ("Łukasz Żółć", "&#321;ukasz &#379;&#243;&#322;&#263;"),
    ("山田 太郎 \u{1f42a}", "&#23665;&#30000; &#22826;&#37070; &#128042;"),
    // One whose own tool encoded it twice keeps one layer, as with today's server (§11.1).
    ("Zo\u{c3}\u{ab}", "Zo&#195;&#171;"),
    ("Ann \"the\" O'Neil, Jr. (CPAN) & Söhne", "Ann \"the\" O'Neil, Jr. (CPAN) & S&#246;hne"),
    (
        "Dr. María del Carmen de la Concepción Fernández y García-Huidobro von und zu Hohenstaufen",
        "Dr. Mar&#237;a del Carmen de la Concepci&#243;n Fern&#225;ndez y Garc&#237;a-Huidobro von und zu Hohenstaufen",
    ),
];

fn of<'a>(rows: &'a Value, id: &str) -> &'a Value {
    let mut rows: Box<dyn Iterator<Item = &Value>> = match rows {
        Value::Array(rows) => Box::new(rows.iter()),
        Value::Object(rows) => Box::new(rows.values()),
        other => panic!("{other}"),
    };
    rows.find(|row| row["guid"] == id).unwrap_or_else(|| panic!("{id} is missing"))
}

#[tokio::test(flavor = "multi_thread")]
async fn names_come_out_as_they_were_meant_in_every_list() {
    for (setting, address) in [("privacy.addresses=true", " <ann@example.org>"), ("privacy.addresses=false", "")] {
        let server = Server::with(&["--listen", "127.0.0.1:0", "--set", setting]);
        let mut sent = Vec::new();
        for (name, written) in NAMES {
            let tester = Tester::registered(&server, name).await;
            let made = Made::default();
            tester.submits(&server, &made).await;
            sent.push((tester, made.id, name, written));
        }
        server.settle().await;
        let show = server.json("/show/Foo-Bar.json").await;
        let metadata = server.json("/cgi-bin/reports-metadata.cgi?range=1-").await;
        let summary = server.json("/v3/summary/Foo-Bar").await;
        let log = server.get("/tail/log.txt").await.text();
        for (tester, id, name, written) in &sent {
            assert_eq!(of(&show, id)["tester"], format!("\"{name}\"{address}"));
            assert_eq!(of(&metadata, id)["tester"], format!("\"{written}\"{address}"));
            assert_eq!(of(&summary, id)["reporter"], format!("\"{written}\"{address}"));
            let line = log.lines().find(|line| line.contains(id.as_str())).unwrap();
            assert!(line.contains(&format!("] [{name}] [pass] [")), "{line}");
            assert_eq!(server.json(&format!("/v3/report/{id}")).await["reporter"]["name"], *name);
            assert_eq!(server.json(&format!("/v4/testers/{}", tester.profile)).await["name"], *name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_report_is_no_string_fact_and_not_decoded_again() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    // Output in UTF-8 that a client read as Latin-1, and a letter that it read well.
    let text = "# Zo\u{c3}\u{ab} and Zo\u{eb}\u{0}\u{7}\r\u{1b}[1m\u{ff}\n";
    let made = Made { text: text.to_owned(), ..Made::default() };
    tester.submits(&server, &made).await;
    server.settle().await;
    let report = server.json(&format!("/v3/report/{}", made.id)).await;
    assert_eq!(report["result"]["output"]["uncategorized"], text);
}
