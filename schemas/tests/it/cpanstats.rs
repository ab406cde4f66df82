//! Rows of the predecessor's table are read by its own rules, turned round (contract §3.2, §3.5, §3.7).

use schemas::cpanstats::{self, Row, Unfit};
use schemas::extract;
use schemas::report::Reporter;
use serde_json::Value;

use crate::fixtures;

fn row() -> Row {
    Row {
        id: Some(17),
        guid: "0B45CD74-d944-4999-9c3d-c81021ca3d34".to_owned(),
        state: "pass".to_owned(),
        postdate: "201608".to_owned(),
        tester: "\"Ann\" <ann@example.org>".to_owned(),
        dist: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        platform: "x86_64-linux".to_owned(),
        perl: "5.24.0".to_owned(),
        osname: "linux".to_owned(),
        osvers: "4.4".to_owned(),
        fulldate: "201608191234".to_owned(),
        kind: "2".to_owned(),
        uploadid: Some(5),
    }
}

fn with(change: impl FnOnce(&mut Row)) -> Row {
    let mut row = row();
    change(&mut row);
    row
}

#[test]
fn todays_rows_are_read_field_by_field() {
    let mut rows = 0;
    for line in fixtures::read("peer-answers/legacy.jsonl").lines() {
        let answer: Value = serde_json::from_str(line).expect("JSON");
        let (Some(values), report) = (answer["cpanstats"].as_object(), &answer["api_v3_report"]) else { continue };
        rows += 1;
        let text = |name: &str| values[name].as_str().expect("a text").to_owned();
        let row = Row {
            id: text("id").parse().ok(),
            guid: text("guid"),
            state: text("state"),
            postdate: text("postdate"),
            tester: text("tester"),
            dist: text("dist"),
            version: text("version"),
            platform: text("platform"),
            perl: text("perl"),
            osname: text("osname"),
            osvers: text("osvers"),
            fulldate: text("fulldate"),
            kind: text("type"),
            uploadid: text("uploadid").parse().ok(),
        };
        let bytes = serde_json::to_vec(&row).expect("JSON");
        let reading = cpanstats::parse(&bytes).expect("a report");
        let extract = extract::read(&reading.report);
        assert_eq!(reading.id.to_string(), report["id"].as_str().expect("text").to_lowercase());
        assert_eq!(extract.grade.as_str(), report["result"]["grade"]);
        assert_eq!(extract.distribution, report["distribution"]["name"]);
        assert_eq!(extract.version, report["distribution"]["version"]);
        assert_eq!(extract.architecture, report["environment"]["language"]["archname"]);
        assert_eq!(extract.language_version.verbatim, report["environment"]["language"]["version"]);
        assert_eq!(extract.osname, report["environment"]["system"]["osname"]);
        assert_eq!(extract.os_version, report["environment"]["system"]["osversion"]);
        assert_eq!(reading.reporter.email, report["reporter"]["email"]);
        assert_eq!(reading.reporter.name.as_deref().expect("a name"), report["reporter"]["name"]);
        let created = report["created"].as_str().expect("text");
        assert_eq!(reading.created.format("%Y-%m-%dT%H:%M").to_string(), created[..16]);
    }
    assert!(rows > 100, "{rows}");
}

#[test]
fn every_spelling_of_a_tester_is_taken_apart() {
    let check = |text: &str, name: Option<&str>, email: &str| {
        let expected = Reporter { name: name.map(str::to_owned), email: email.to_owned() };
        assert_eq!(cpanstats::reporter(text), expected, "{text}");
    };
    check("\"J&#246;rg Example\" <joerg@example.org>", Some("Jörg Example"), "joerg@example.org");
    check("J&#xF6;rg <joerg@example.org>", Some("Jörg"), "joerg@example.org");
    check("ann@example.org (Ann &amp; Bob)", Some("Ann & Bob"), "ann@example.org");
    check("ann@example.org", None, "ann@example.org");
    check("\"\" <ann@example.org>", None, "ann@example.org");
    check("Ann", Some("Ann"), "");
    check("\"An\0n\" <ann@example.org>\0", Some("Ann"), "ann@example.org");
    check("\"Z&#197;&#129;\" <z@example.org>", Some("Z\u{c5}\u{81}"), "z@example.org");
    check("\"A \"B\" C\" <a@example.org>", Some("A \"B\" C"), "a@example.org");
    check("Q&A; &#0; &#9999999999; &nothing", Some("Q&A;  &#9999999999; &nothing"), "");
    check("", None, "");
}

#[test]
fn damage_is_mended_where_the_row_is_still_a_report() {
    let read = |row: Row| cpanstats::read(&row).expect("a report");
    assert_eq!(read(with(|row| row.version.clear())).report.distribution.version, "0");
    assert_eq!(read(with(|row| row.version = "++-1.15".to_owned())).report.distribution.version, "++-1.15");
    assert_eq!(read(with(|row| row.perl = "v5.8.9".to_owned())).report.environment.language.version, "5.8.9");
    assert_eq!(read(with(|row| row.state = "PASS".to_owned())).report.result.grade.as_str(), "pass");
    let bare = read(with(|row| (row.osname.clear(), row.perl = "0".to_owned()).1));
    assert_eq!(extract::read(&bare.report).os, "linux");
    assert_eq!(bare.report.environment.language.version, "0");
    let seconds = read(with(|row| row.fulldate = "20160819123456".to_owned()));
    assert_eq!(seconds.created.to_rfc3339(), "2016-08-19T12:34:56+00:00");
    let month = read(with(|row| row.fulldate = "201608991234".to_owned()));
    assert_eq!(month.created.to_rfc3339(), "2016-08-01T00:00:00+00:00");
}

#[test]
fn what_is_no_report_says_why() {
    let unfit = |row: Row| cpanstats::read(&row).expect_err("no report");
    assert_eq!(unfit(with(|row| row.kind = "1".to_owned())), Unfit::NoReport);
    assert_eq!(unfit(with(|row| row.guid = "17".to_owned())), Unfit::Guid);
    assert_eq!(unfit(with(|row| row.state = "cpan".to_owned())), Unfit::Grade);
    assert_eq!(unfit(with(|row| row.dist.clear())), Unfit::Distribution);
    let undated = with(|row| (row.fulldate.clear(), row.postdate = "0".to_owned()).1);
    assert_eq!(unfit(undated), Unfit::Date);
    assert!(matches!(unfit(with(|row| row.dist = "Foo/../Bar".to_owned())), Unfit::Text(_)));
    assert!(matches!(cpanstats::parse(b"17"), Err(Unfit::Text(_))));
}
