//! The prepared corpora of `fixtures/`: the demo's, and the feed that is imported.

use schemas::distname;
use schemas::report::{Dialect, Report};

use crate::fixtures;

#[test]
fn the_demo_corpus_is_made_of_reports() {
    let corpus = fixtures::read("demo/reports.ndjson");
    let mut named = 0;
    for line in corpus.lines() {
        let report =
            Report::parse(line.as_bytes(), Dialect::V4).unwrap_or_else(|invalid| panic!("{invalid:?}: {line}"));
        assert!(report.id.is_some(), "{line}");
        if let Some(path) = &report.distribution.path {
            let read = distname::read(path);
            assert_eq!(read.distribution.as_deref(), Some(report.distribution.name.as_str()), "{path}");
            assert_eq!(read.version.as_deref(), Some(report.distribution.version.as_str()), "{path}");
            named += 1;
        }
    }
    assert_eq!((corpus.lines().count(), named), (1093, 1000));
}

#[test]
fn the_feed_is_made_of_reports_row_by_row() {
    let rows = fixtures::read("workload/feed-scriptalicious-2011.tsv");
    let reports = fixtures::read("workload/feed-scriptalicious-2011.ndjson");
    assert_eq!(reports.lines().count(), 349);
    for (row, line) in rows.lines().skip(1).zip(reports.lines()) {
        let report = Report::parse(line.as_bytes(), Dialect::V4).expect(line);
        let (language, system) = (&report.environment.language, &report.environment.system);
        let number = report.comments.expect("comments")["number"].to_string();
        let told = [
            &number,
            &report.distribution.name,
            &report.distribution.version,
            &language.version,
            &system.osname,
            system.osversion.as_ref().expect("a version"),
            &language.archname,
            &language.archname,
        ];
        assert_eq!(told.map(String::as_str).join("\t"), row);
    }
}
