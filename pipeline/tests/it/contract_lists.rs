//! The contract's lists come in pieces that leave nothing out and give nothing twice, and are found by an index.

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::store::{ReleaseFilter, ReportFilter, Strand, UploadFilter};

use crate::stack::{Stack, id, report};

/// Six reports of three releases, some of the same moment.
async fn loaded() -> Stack {
    let stack = Stack::new().await;
    for number in 0..6 {
        let perl = if number % 2 == 0 { "5.36.0" } else { "5.38.0" };
        let os = if number < 4 { "linux" } else { "darwin" };
        let body = report("Foo-Bar", &format!("1.{}", number / 2), "pass", perl, os);
        stack.accept(&id(number), &body, "Ann").await;
        if number % 3 == 2 {
            stack.work_off().await;
            stack.process.clock.advance(TimeDelta::seconds(10));
        }
    }
    stack.work_off().await;
    stack
}

/// Numbers of a strand's reports, read in pieces of so many.
async fn numbers(stack: &Stack, strand: &Strand, filter: &ReportFilter, piece: i64) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut after = None;
    loop {
        let rows = stack.store().contract_reports(strand, filter, after, piece).await.unwrap();
        let Some(last) = rows.last() else { return numbers };
        after = Some((last.changed_at, last.number));
        numbers.extend(rows.iter().map(|row| row.number));
    }
}

#[tokio::test]
async fn a_strand_read_in_pieces_is_the_strand() {
    let stack = loaded().await;
    let began: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().unwrap();
    let first = stack.store().release_numbers("Foo-Bar", Some("1.0")).await.unwrap()[0];
    let any = ReportFilter::default();
    let on_linux = ReportFilter { systems: vec!["linux".to_owned()], ..ReportFilter::default() };
    for (strand, filter, expected) in [
        (Strand::Release(first), &any, vec![1, 2]),
        (Strand::LanguageVersion("5.36.0".to_owned()), &any, vec![1, 3, 5]),
        (Strand::LanguageVersion("5.36.0".to_owned()), &on_linux, vec![1, 3]),
        (Strand::System("darwin".to_owned()), &any, vec![5, 6]),
        (Strand::Changed(began), &any, vec![1, 2, 3, 4, 5, 6]),
        (Strand::Changed(began), &on_linux, vec![1, 2, 3, 4]),
        (Strand::Changed(began + TimeDelta::seconds(10)), &any, vec![4, 5, 6]),
        (Strand::Changed(began + TimeDelta::seconds(11)), &any, vec![]),
    ] {
        for piece in [1, 2, 100] {
            assert_eq!(numbers(&stack, &strand, filter, piece).await, expected, "{strand:?} by {piece}");
        }
    }
}

#[tokio::test]
async fn ids_of_a_span_of_time_leave_out_its_end() {
    let stack = loaded().await;
    let began: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().unwrap();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let end = began + TimeDelta::seconds(10);
        let rows = stack.store().ids_received(began, end, after, 2).await.unwrap();
        let Some((at, number, _)) = rows.last() else { break };
        after = Some((*at, *number));
        found.extend(rows.into_iter().map(|(_, _, id)| id.to_string()));
    }
    assert_eq!(found, (0..3).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_is_found_in_other_capitals() {
    let stack = loaded().await;
    assert_eq!(stack.store().spelling("fOO-bar").await.unwrap(), Some("Foo-Bar".to_owned()));
    assert_eq!(stack.store().spelling("Foo-Ba").await.unwrap(), None);
}

#[tokio::test]
async fn releases_of_an_author_are_those_reports_or_uploads_name() {
    let stack = loaded().await;
    let raw = stack.raw().await;
    let mine = raw.either("", "OVERRIDING SYSTEM VALUE");
    let put = format!(
        "INSERT INTO uploads (number, language, distribution, version, author, filename, released_at, kind, seen_at) \
         {mine} VALUES (9, 'perl', 'Foo-Bar', '1.1', 'ANN', 'Foo-Bar-1.1.tar.gz', '2026-11-20T00:00:00+00:00', 'cpan', \
         '2026-11-20T00:00:00+00:00')"
    );
    raw.run(put).await;
    raw.run("UPDATE releases SET author = 'ANN' WHERE version = '1.2'").await;
    let filter = ReleaseFilter { author: Some("ANN".to_owned()), ..ReleaseFilter::default() };
    let rows = stack.store().contract_releases(&filter, 0, 10).await.unwrap();
    let rows: Vec<(&str, Option<i64>)> =
        rows.iter().map(|(_, row)| (row.release.version.as_str(), row.uploadid)).collect();
    assert_eq!(rows, [("1.1", Some(9)), ("1.2", None)]);
    let filter = UploadFilter { author: Some("ANN".to_owned()), ..UploadFilter::default() };
    assert_eq!(stack.store().uploads(&filter, None, 10).await.unwrap().len(), 1);
}
