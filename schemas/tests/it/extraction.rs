//! What is read out of real reports: whole texts as golden files, and the figures that must be in them.

use std::collections::BTreeMap;

use schemas::extract::{self, Details, Extract, Source};
use schemas::grade::Grade;
use schemas::platform;
use schemas::report::Report;
use schemas::text::decoded;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fixtures;

/// A report with one text, as the legacy upgrade makes it.
pub fn report(grade: &str, name: &str, version: &str, text: &str) -> Report {
    let report = json!({
        "reporter": {"name": "Example Tester", "email": "tester@example.org"},
        "environment": {
            "language": {"name": "Perl 5", "version": "5.36.0", "archname": "x86_64-linux"},
            "system": {"osname": "linux", "osversion": "6.1.0"},
        },
        "distribution": {"name": name, "version": version, "path": format!("AUTHOR/{name}-{version}.tar.gz")},
        "result": {"grade": grade, "output": {"uncategorized": text}},
    });
    serde_json::from_value(report).expect("a report")
}

/// A mail of the years before the Metabase, its grade and release in its subject: `PASS Foo-Bar-1.0 archname osvers`.
fn mail(subject: &str, text: &str) -> Report {
    // Pages of the old site hold the mail's subject in the text.
    let subject = match text.lines().find_map(|line| line.strip_prefix("Subject: ")) {
        Some(subject) if subject.starts_with(|first: char| first.is_ascii_uppercase()) => subject,
        _ => subject,
    };
    let words: Vec<&str> = subject.split(' ').collect();
    let (name, version) = words[1].rsplit_once('-').expect("a release");
    let mut report = report(&words[0].to_ascii_lowercase(), name, version, text);
    let plain = decoded(text);
    let between = |before: &str, after: &[char]| {
        let rest = plain.split_once(before).expect("perl -V").1;
        rest.split(after).next().expect("a value").to_owned()
    };
    report.environment.language.archname = between("archname=", &[',', '\n']);
    report.environment.system.osname = between("osname=", &[',', '\n']);
    report.environment.system.osversion = Some(between("osvers=", &[',', '\n']));
    // `revision 5 version 8 subversion 8 patch 33443`; the oldest say `5.0 patchlevel 5 subversion 5`.
    let summary = between("Summary of my perl5 (", &[')']);
    let parts: Vec<&str> = summary.trim_start_matches("revision ").split(' ').collect();
    let patch = parts.get(6).map(|patch| format!(" patch {patch}")).unwrap_or_default();
    report.environment.language.version = format!("5.{}.{}{patch}", parts[2], parts[4]);
    assert_eq!(platform::from_archname(words[2]).is_some(), !words[2].starts_with('v'), "{subject}");
    report
}

/// Everything read out of a report.
#[derive(Serialize)]
struct Golden {
    row: Extract,
    details: Details,
}

fn read(report: &Report) -> Golden {
    Golden { row: extract::read(report), details: extract::details(report) }
}

fn assert_golden(folder: &str, name: &str, report: &Report) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, read(report)));
}

/// Texts of today's clients with the grade and release they are about.
const CLIENTS: [(&str, &str, &str, &str); 6] = [
    ("report-cpan-reporter-1.2020", "pass", "Bitcoin-Crypto", "4.005"),
    ("report-cpanminus-reporter-0.12-with-report-prereqs", "pass", "Throwable", "0.200013"),
    ("report-cpanminus-reporter-0.18-mswin32-na", "na", "Wx-DialUpManager", "0.03"),
    ("report-cpanplus-0.9113", "pass", "WWW-Google-ClientLogin", "0.02"),
    ("report-cpanplus-0.9178", "pass", "Perinci-Sub-ConvertArgs-Argv", "0.110"),
    ("report-cpanplus-0.9908", "pass", "Catalyst-Runtime", "5.90128"),
];

#[test]
fn clients_texts_are_read_as_looked_at() {
    for (file, grade, name, version) in CLIENTS {
        let text = fixtures::read(&format!("texts/clients/{file}.txt"));
        assert_golden("clients", file, &report(grade, name, version, &text));
    }
}

/// The mails of `texts/scriptalicious` with their number.
pub fn mails() -> Vec<(String, Report)> {
    let index = fixtures::read("texts/scriptalicious/INDEX.tsv");
    let rows = index.lines().skip(1).map(|row| row.split_once('\t').expect("two columns"));
    rows.map(|(number, subject)| {
        let text = fixtures::read(&format!("texts/scriptalicious/{number}.txt"));
        (number.to_owned(), mail(subject, &text))
    })
    .collect()
}

#[test]
fn mails_of_2008_to_2013_are_read_as_looked_at() {
    let mails = mails();
    assert_eq!(mails.len(), 96);
    for (number, report) in mails {
        assert_golden("mails", &number, &report);
    }
}

#[test]
fn sections_are_the_whole_text() {
    for (number, report) in mails() {
        let text = report.text();
        let sections = extract::details(&report).sections;
        assert_eq!(sections.first().map(|section| section.start), Some(0), "{number}");
        assert_eq!(sections.last().map(|section| section.end), Some(text.len()), "{number}");
        for pair in sections.windows(2) {
            assert_eq!(pair[0].end, pair[1].start, "{number}");
        }
        let configuration = sections.iter().find(|section| section.name == "configuration").expect("perl -V");
        assert!(text[configuration.start..].starts_with("Summary of my perl5"), "{number}");
    }
}

#[test]
fn the_details_and_the_row_tell_the_same_suite() {
    for (number, report) in mails() {
        assert_eq!(extract::read(&report).suite, extract::details(&report).suite, "{number}");
    }
}

/// The text reports of the Metabase submissions, by file.
pub fn submissions() -> Vec<(String, Report)> {
    let content = |value: &Value| -> Value { serde_json::from_str(value.as_str().expect("a text")).expect("JSON") };
    let captures = fixtures::captures("/api/v1/submit/CPAN-Testers-Report").into_iter().map(|capture| {
        let envelope: Value = serde_json::from_str(&capture.body).expect("JSON");
        let facts = content(&envelope["content"]);
        let legacy = content(&facts[0]["content"]);
        let release = capture.meta["dist"].as_str().expect("a release");
        let (name, version) = release.rsplit_once('-').expect("a version");
        let (grade, text) =
            (legacy["grade"].as_str().expect("a grade"), legacy["textreport"].as_str().expect("a text"));
        (capture.file, report(grade, name, version, text))
    });
    captures.collect()
}

#[test]
fn every_submission_that_ran_its_tests_has_figures() {
    let submissions = submissions();
    assert!(submissions.len() >= 130, "{}", submissions.len());
    for (file, report) in submissions {
        let (row, details) = (extract::read(&report), extract::details(&report));
        let text = report.text();
        assert_eq!(row.suite.files.is_some(), text.contains("\nFiles="), "{file}");
        assert_eq!(row.suite.duration.is_some(), text.contains(" wallclock sec"), "{file}");
        assert_eq!(row.reason.is_some(), row.grade != Grade::Pass, "{file}");
        assert_eq!(row.grade == Grade::Fail, !details.failing_files.is_empty(), "{file}");
        assert!(details.user_agent.is_some_and(|agent| agent.contains("eporter")), "{file}");
        assert!(details.configuration.len() > 60, "{file}: {}", details.configuration.len());
        assert!(details.toolchain.contains_key("Test::Harness"), "{file}");
        assert!(details.environment.contains_key("PATH"), "{file}");
        if row.grade == Grade::Pass {
            assert_eq!(row.suite.failures, Some(0), "{file}");
        }
    }
}

#[test]
fn facts_of_2010_to_2017_are_read() {
    for file in fixtures::files("facts") {
        let fact: Value = serde_json::from_str(&fixtures::read(&format!("facts/{file}"))).expect("JSON");
        let text = fact["textreport"].as_str().expect("a text");
        let report = report(fact["grade"].as_str().expect("a grade"), "Foo", "1.0", text);
        let (row, details) = (extract::read(&report), extract::details(&report));
        assert!(details.user_agent.is_some(), "{file}");
        assert!(details.configuration.contains_key("archname"), "{file}");
        assert!(details.environment.contains_key("PATH"), "{file}");
        assert_eq!(row.suite.tests.is_some(), row.grade == Grade::Pass, "{file}");
    }
}

#[test]
fn structured_fields_win_over_the_text() {
    let text = fixtures::read("texts/clients/report-cpan-reporter-1.2020.txt");
    let mut report = report("pass", "Foo", "1.0", &text);
    let from_text = extract::details(&report);
    assert_eq!(from_text.sources["tests"], Source::Text);
    assert_eq!(from_text.sources["configuration"], Source::Text);

    let told = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    report.result.tests = Some(7);
    report.result.duration = Some(1.5);
    report.environment.user_agent = Some("smoker/1.0".to_owned());
    report.environment.toolchain = Some(told(&[("CPAN", "2.0")]));
    report.environment.language.variables =
        Some(BTreeMap::from([("useithreads".to_owned(), json!("define")), ("$^X".to_owned(), json!(5))]));
    let details = extract::details(&report);
    assert_eq!(details.suite.tests, Some(7));
    assert_eq!(details.suite.files, Some(77));
    assert_eq!(details.user_agent.as_deref(), Some("smoker/1.0"));
    assert_eq!(details.toolchain, told(&[("CPAN", "2.0")]));
    assert_eq!(details.configuration, told(&[("useithreads", "define")]));
    assert_eq!(details.special_variables, told(&[("$^X", "5")]));
    assert_eq!(details.environment, from_text.environment);
    let structured = ["tests", "duration", "user_agent", "toolchain", "configuration", "special_variables"];
    for (field, source) in &details.sources {
        let wanted = if structured.contains(&field.as_str()) { Source::Structured } else { Source::Text };
        assert_eq!(*source, wanted, "{field}");
    }
}

#[test]
fn raku_reports_are_counted_from_their_tap() {
    let captures = fixtures::captures("/v3/report");
    assert!(!captures.is_empty());
    for capture in captures {
        let report: Report = serde_json::from_str(&capture.body).expect("a report");
        let (row, details) = (extract::read(&report), extract::details(&report));
        assert_eq!(row.language, extract::Language::Raku, "{}", capture.file);
        assert!(row.suite.files.is_some_and(|files| files > 0), "{}", capture.file);
        assert!(row.suite.tests >= row.suite.files, "{}", capture.file);
        assert_eq!(row.suite.failures, Some(0), "{}", capture.file);
        assert_eq!(details.sections.len(), 1, "{}", capture.file);
        assert_eq!(details.sections[0].name, "test", "{}", capture.file);
        assert!(details.special_variables.contains_key("$*REPO.repo-chain"), "{}", capture.file);
        assert_eq!(details.sources["environment"], Source::Structured, "{}", capture.file);
    }
}

#[test]
fn the_row_names_author_archive_and_platform() {
    let mut report = report("pass", "Foo-Bar", "1.0_01", "");
    report.distribution.path = Some("AUTHOR/sub/Foo-Bar-1.0_01.tar.gz".to_owned());
    report.environment.system.osname = "MSWin32".to_owned();
    report.environment.language.version = "v5.37.1".to_owned();
    let row = extract::read(&report);
    assert_eq!(row.author.as_deref(), Some("AUTHOR"));
    assert_eq!(row.archive.as_deref(), Some("sub/Foo-Bar-1.0_01.tar.gz"));
    assert!(row.developer_release);
    assert_eq!((row.os.as_str(), row.osname.as_str()), ("mswin32", "MSWin32"));
    assert_eq!(row.language_version.verbatim, "5.37.1");
    assert!(row.language_version.development);

    report.environment.system.osname = String::new();
    report.environment.language.archname = "i386-netbsd".to_owned();
    report.distribution.path = None;
    report.distribution.version = "1.0-TRIAL2".to_owned();
    let row = extract::read(&report);
    assert_eq!((row.os.as_str(), row.osname.as_str()), ("netbsd", ""));
    assert_eq!((row.author, row.archive), (None, None));
    assert!(!row.developer_release, "only an ending -TRIAL counts");
}

#[test]
fn prerequisites_are_judged_by_their_versions() {
    let mut report = report("pass", "Foo", "1.0", "");
    let asked = json!([
        {"phase": "runtime", "name": "A", "need": "0", "have": "0"},
        {"phase": "runtime", "name": "B", "need": "1.10", "have": "1.9"},
        {"phase": "test", "name": "C", "need": "v1.2.10", "have": "v1.2.9"},
        {"phase": "test", "name": "D", "need": ">= 1.0, != 1.5, < 2", "have": "1.5"},
        {"phase": "build", "name": "E", "need": ">= 1.0, != 1.5, < 2", "have": "1.6"},
        {"phase": "build", "name": "F", "need": "1.0"},
        {"phase": "build", "name": "G", "need": "1.0", "have": "unknown"},
        {"phase": "build", "name": "perl", "need": "v5.10.1", "have": "5.036000"},
        {"phase": "build", "name": "H", "need": "1.500", "have": "1.5"},
    ]);
    report.distribution.prerequisites = serde_json::from_value(asked).expect("prerequisites");
    let satisfied: Vec<Option<bool>> =
        extract::details(&report).prerequisites.iter().map(|prerequisite| prerequisite.satisfied).collect();
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(satisfied, [yes, yes, no, no, yes, None, None, yes, yes]);
}
