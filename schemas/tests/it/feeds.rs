//! Rows of the contract's lists say what today's say (contract §1.8, §1.9, §3.2).

use schemas::feeds::Listed;
use schemas::views::ResultView;
use serde_json::{Value, json};

fn listed() -> Listed {
    let result: ResultView = serde_json::from_value(json!({
        "id": "0b45cd74-d944-4999-9c3d-c81021ca3d34",
        "number": 17,
        "distribution": "Foo-Bar",
        "version": "1.0",
        "author": "PREACTION",
        "grade": "pass",
        "language": "perl",
        "language_version": "5.36.0",
        "os": "linux",
        "osname": "linux",
        "os_version": "6.1",
        "architecture": "x86_64-linux",
        "tester_id": "t",
        "tester": "Ann Example",
        "created_at": "2026-01-02T03:04:59.5Z",
        "received_at": "2026-11-20T22:19:33Z",
        "reason": null,
        "suite": null,
    }))
    .unwrap();
    Listed { result, upload: None, archive: Some("Foo-Bar-1.0.tar.gz".to_owned()), address: None }
}

fn feed_row(row: &Listed) -> Value {
    serde_json::to_value(row.feed_row()).unwrap()
}

fn metadata_row(row: &Listed) -> Value {
    serde_json::to_value(row.metadata_row()).unwrap()
}

#[test]
fn times_are_the_testers_cut_to_what_each_field_holds() {
    let row = feed_row(&listed());
    assert_eq!((&row["postdate"], &row["fulldate"]), (&json!("202601"), &json!("202601020304")));
    assert_eq!(row["datetime"], "2026-01-02T03:04:59");
    assert!(listed().tail_line().starts_with("[2026-01-02T03:04:59Z] "));
}

#[test]
fn the_tester_is_quoted_and_beyond_ascii_in_references_in_the_table_alone() {
    for (name, address, in_table, in_feed) in [
        ("Ann Example", None, "\"Ann Example\"", "\"Ann Example\""),
        ("Jörg 東", None, "\"J&#246;rg &#26481;\"", "\"Jörg 東\""),
        ("Zoë", Some("z@example.org"), "\"Zo&#235;\" <z@example.org>", "\"Zoë\" <z@example.org>"),
        // Quotes in names are not escaped (contract §3.2).
        ("a \"b\" c", None, "\"a \"b\" c\"", "\"a \"b\" c\""),
        ("", Some("z@example.org"), "\"\" <z@example.org>", "\"\" <z@example.org>"),
    ] {
        let mut row = listed();
        row.result.tester = name.to_owned();
        row.address = address.map(str::to_owned);
        assert_eq!(
            (metadata_row(&row)["tester"].as_str(), feed_row(&row)["tester"].as_str()),
            (Some(in_table), Some(in_feed))
        );
    }
}

#[test]
fn only_words_make_a_perl_patched() {
    for (version, class) in [
        ("5.36.0", "unp"),
        ("5.16.0 RC0", "pat"),
        ("5.16.0-RC12", "pat"),
        ("5.11.0 patch 7", "pat"),
        ("5.11.0 patched", "unp"),
        ("5.16.0 ARC1", "unp"),
        ("5.16.0 RC", "unp"),
        ("5.16.0 RC1a", "unp"),
    ] {
        let mut row = listed();
        row.result.language_version = version.to_owned();
        assert_eq!(feed_row(&row)["csspatch"], class, "{version}");
    }
}

#[test]
fn a_line_of_the_log_has_eight_fields_whatever_they_hold() {
    let mut row = listed();
    assert_eq!(
        row.tail_line(),
        "[2026-01-02T03:04:59Z] [Ann Example] [pass] [PREACTION/Foo-Bar-1.0.tar.gz] [x86_64-linux] [perl-v5.36.0] \
         [0b45cd74-d944-4999-9c3d-c81021ca3d34] [2026-01-02T03:04:59Z]"
    );
    row.result.author = None;
    assert!(row.tail_line().contains(" [/] "), "{}", row.tail_line());
    row.result.author = Some("PREACTION".to_owned());
    row.archive = None;
    assert!(row.tail_line().contains(" [/] "), "{}", row.tail_line());
    row.result.tester = "a] [b\r\n[c".to_owned();
    row.result.architecture = "[]".to_owned();
    let line = row.tail_line();
    assert!(line.contains("[a) (b  (c] [pass]") && line.contains(" [()] "), "{line}");
    assert_eq!((line.matches('[').count(), line.matches(']').count(), line.lines().count()), (8, 8, 1));
}
