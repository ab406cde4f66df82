//! What CPAN's servers tell of uploads (contract §1.3, §3.4).

use schemas::uploads::{Kind, Upload, metacpan, package, released_at};
use serde_json::json;

fn upload(author: &str, distribution: &str, version: &str, filename: &str, at: Option<&str>, kind: Kind) -> Upload {
    Upload {
        distribution: distribution.to_owned(),
        version: version.to_owned(),
        author: author.to_owned(),
        filename: filename.to_owned(),
        released_at: at.map(|at| at.parse().expect("a time")),
        kind,
    }
}

#[test]
fn a_release_search_is_read_in_each_of_its_forms() {
    let source = json!({"author": "PREACTION", "archive": "My-Dist-1.001.tar.gz", "date": "2016-11-19T03:03:20",
        "status": "latest"});
    let wrapped = json!({"author": ["PREACTION"], "archive": ["My-Dist-1.001.tar.gz"],
        "date": ["2016-11-19T03:03:20.000Z"], "status": ["cpan"]});
    let expected =
        upload("PREACTION", "My-Dist", "1.001", "My-Dist-1.001.tar.gz", Some("2016-11-19T03:03:20Z"), Kind::Cpan);
    for answer in [
        json!({"hits": {"total": 1, "hits": [{"_source": source}]}}),
        json!({"hits": {"hits": [{"fields": wrapped}]}}),
        json!([{"_source": source}]),
        json!([source]),
    ] {
        let page = metacpan(answer.to_string().as_bytes()).expect("a page");
        assert_eq!(page.uploads, std::slice::from_ref(&expected), "{answer}");
        assert_eq!(page.hits, 1);
        assert!(page.last.expect("a time").starts_with("2016-11-19T03:03:20"));
    }
    assert!(metacpan(b"{}").is_err());
    assert!(metacpan(b"<html>").is_err());
}

#[test]
fn what_cannot_be_named_is_left_out_and_counted_as_a_hit() {
    let hits = json!({"hits": {"hits": [
        {"_source": {"author": "A", "archive": "x", "date": "2016-11-19T03:03:20"}},
        {"_source": {"author": "ANN", "archive": "README.txt"}},
        {"_source": {"author": "ANN", "archive": "Foo-Bar.tar.gz", "status": "backpan"}},
        {"_source": {}}, 17,
    ]}});
    let page = metacpan(hits.to_string().as_bytes()).expect("a page");
    // An archive without a version is version 0 (contract §3.4).
    assert_eq!(page.uploads, [upload("ANN", "Foo-Bar", "0", "Foo-Bar.tar.gz", None, Kind::Backpan)]);
    assert_eq!((page.hits, page.last.as_deref()), (5, Some("2016-11-19T03:03:20")));
}

#[test]
fn an_index_line_is_an_upload_and_a_header_line_is_none() {
    let line = "CGI::Fast    2.13  L/LE/LEEJO/CGI-Fast-2.13.tar.gz";
    assert_eq!(package(line), Some(upload("LEEJO", "CGI-Fast", "2.13", "CGI-Fast-2.13.tar.gz", None, Kind::Cpan)));
    for header in
        ["File:         02packages.details.txt", "Line-Count:   200000", "", "Columns:  package name, version, path"]
    {
        assert_eq!(package(header), None, "{header}");
    }
}

#[test]
fn release_times_are_read_as_each_source_spells_them() {
    let seconds = |text: &str| released_at(text).map(|at| at.timestamp());
    assert_eq!(seconds("1479524600"), Some(1_479_524_600));
    assert_eq!(seconds("2016-11-19T03:03:20Z"), Some(1_479_524_600));
    assert_eq!(seconds("2016-11-19T03:03:20"), Some(1_479_524_600));
    assert_eq!(seconds("0"), None);
    assert_eq!(seconds("soon"), None);
}
