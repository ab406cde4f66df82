//! Reports as they come in: today's bodies, today's error answers, and hostile ones.

use schemas::report::{self, Dialect, Invalid, Report};
use serde_json::{Value, json};

use crate::fixtures;

pub fn sound() -> Value {
    json!({
        "reporter": {"name": "Tester 00", "email": "tester00@example.org"},
        "environment": {
            "language": {"name": "Perl 5", "version": "5.36.0", "archname": "x86_64-linux"},
            "system": {"osname": "linux", "osversion": "6.1.0"}
        },
        "distribution": {"name": "Foo-Bar", "version": "1.0"},
        "result": {"grade": "pass", "output": {"uncategorized": "ok"}}
    })
}

/// A sound report with one value put in.
pub fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut document = sound();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the whole");
    document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").insert(key.to_owned(), value);
    document.to_string().into_bytes()
}

fn check_faults(body: &[u8], expected: &[(&str, &str)]) {
    match Report::parse(body, Dialect::V4) {
        Err(Invalid::Faults(faults)) => {
            let told = faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str()));
            assert_eq!(told.collect::<Vec<_>>(), expected);
        }
        other => panic!("expected faults, got {other:?}"),
    }
}

fn syntax(body: &[u8]) -> String {
    match Report::parse(body, Dialect::V4) {
        Err(Invalid::Syntax(text)) => text,
        other => panic!("expected a syntax error, got {other:?}"),
    }
}

#[test]
fn every_v3_capture_is_a_report() {
    let captures = fixtures::captures("/v3/report");
    assert_eq!(captures.len(), 4);
    for capture in captures {
        for dialect in [Dialect::V3, Dialect::V4] {
            let report = Report::parse(capture.body.as_bytes(), dialect).expect(&capture.file);
            assert_eq!(report.environment.language.name, "Perl 6", "{}", capture.file);
            assert_eq!(report.distribution.name, capture.meta["dist"], "{}", capture.file);
            assert!(report.text().starts_with("t/"), "{}", capture.file);
        }
    }
}

#[test]
fn refusals_of_v3_are_worded_as_todays_server_words_them() {
    let answers: Vec<Value> = serde_json::from_str(&fixtures::read("peer-answers/api.json")).expect("JSON");
    let posts: Vec<&Value> = answers.iter().filter(|answer| answer["method"] == "POST").collect();
    assert_eq!(posts.len(), 12);
    for post in posts {
        let body = post["req_body"].as_str().expect("a body").as_bytes();
        let content_type = post["req_headers"]["Content-Type"].as_str().expect("a content type");
        let errors = match report::content_type_v3(content_type) {
            Ok(()) => report::faults_v3(body),
            Err(fault) => vec![fault],
        };
        if post["status"] == 201 {
            assert_eq!(errors, [], "{post}");
            assert!(Report::parse(body, Dialect::V3).is_ok());
            continue;
        }
        let told: Vec<Value> = errors.iter().map(|(message, path)| json!({"message": message, "path": path})).collect();
        let theirs: Value = serde_json::from_str(post["body"].as_str().expect("a body")).expect("JSON");
        assert_eq!(json!({"errors": told, "status": 400}), theirs);
    }
}

fn check_v3(body: &[u8], expected: &[(&str, &str)]) {
    let told = report::faults_v3(body);
    let told: Vec<(&str, &str)> = told.iter().map(|(message, path)| (message.as_str(), path.as_str())).collect();
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(body));
    assert!(Report::parse(body, Dialect::V3).is_err());
}

#[test]
fn v3_tells_each_fault_in_the_order_of_its_path() {
    let version = "/report/environment/language/version";
    check_v3(
        &with("/environment/language/version", json!("v5.24.1")),
        &[(r"/allOf/1 String does not match ^5\.\d+\.\d+.", version)],
    );
    check_v3(
        &with("/environment/language", json!({"name": "Perl 5"})),
        &[
            ("/allOf/0 Missing property.", "/report/environment/language/archname"),
            ("/allOf/0 Missing property.", version),
            ("/allOf/1 Missing property.", version),
        ],
    );
    check_v3(
        &with("/environment/language", json!({})),
        &[("Discriminator name has no value.", "/report/environment/language")],
    );
    check_v3(
        &with("/environment/language/name", json!("perl")),
        &[("No definition for discriminator perl.", "/report/environment/language")],
    );
    check_v3(
        &with("/result", json!({"grade": "PASS", "tests": -1, "duration": "long"})),
        &[
            ("Expected number - got string.", "/report/result/duration"),
            ("Not in enum list: pass, fail, na, unknown.", "/report/result/grade"),
            ("Missing property.", "/report/result/output"),
            ("-1 < minimum(0)", "/report/result/tests"),
        ],
    );
    check_v3(
        &with("/distribution", json!({"name": 5, "version": null})),
        &[
            ("Expected string - got number.", "/report/distribution/name"),
            ("Expected string - got null.", "/report/distribution/version"),
        ],
    );
    check_v3(b"null", &[("Expected object - got null.", "/report")]);
}

#[test]
fn v3_names_the_faults_todays_server_does_not_know() {
    check_v3(
        &with("/distribution/name", json!("; touch x")),
        &[("The value holds the character ';', which no name may.", "/report/distribution/name")],
    );
    check_v3(b"{", &[("Not a JSON document: EOF while parsing an object at line 1 column 1.", "/report")]);
}

#[test]
fn v4_lists_every_fault_with_its_pointer() {
    let body = json!({
        "id": "17",
        "created": "yesterday",
        "reporter": {"name": ["Tester"]},
        "environment": {"language": {"name": "Ruby"}, "system": {"osname": "lin\nux", "cpu_count": 8}},
        "distribution": {"name": "<script>", "version": 1.0, "prerequisites": [{"phase": "test"}]},
        "result": {"grade": "PASS", "output": "ok", "tests": 1.5, "skipped": -3, "warnings": u64::MAX, "todo": {"pass": 1}}
    });
    check_faults(
        body.to_string().as_bytes(),
        &[
            ("/reporter/email", "is missing"),
            ("/reporter/name", "must be of type string, and is of type array"),
            ("/environment/language/name", "must be one of: Perl 5, Perl 6, perl, raku"),
            ("/environment/system/cpu_count", "must be of type string, and is of type number"),
            ("/distribution/version", "must be of type string, and is of type number"),
            ("/distribution/prerequisites/0/name", "is missing"),
            ("/distribution/prerequisites/0/need", "is missing"),
            ("/result/grade", "must be one of: pass, fail, na, unknown"),
            ("/result/output", "must be of type object, and is of type string"),
            ("/result/tests", "must be of type integer, and is of type number"),
            ("/result/skipped", "is -3, and must not be less than 0"),
            ("/result/warnings", "must not be more than 9007199254740991"),
            ("/result/todo/fail", "is missing"),
            ("/created", "must be a date and time such as 2026-11-20T22:19:33Z"),
            ("/id", "must be a UUID such as 0b45cd74-d944-4999-9c3d-c81021ca3d34"),
            ("/environment/system/osname", "holds the control character U+000A"),
            ("/distribution/name", "holds the character '<', which no name may"),
        ],
    );
}

#[test]
fn bodies_that_are_not_json_are_told_what_they_are() {
    assert_eq!(syntax(b""), "it is empty");
    assert_eq!(syntax(b"\xEF\xBB\xBF{}"), "it begins with a byte order mark");
    assert_eq!(syntax(b"\xFF\xFE{\0}\0"), "it is UTF-16 or UTF-32, and must be UTF-8");
    assert_eq!(syntax(b"{\0}\0"), "it is UTF-16 or UTF-32, and must be UTF-8");
    assert_eq!(syntax(b"{\"a\": \"\xE9\"}"), "byte 8 is not UTF-8");
    assert_eq!(syntax(&[b"[".repeat(100), b"]".repeat(100)].concat()), "it nests more than 64 levels deep");
    assert!(syntax(b"{\"reporter\": ").starts_with("EOF while parsing"));
    assert!(syntax(b"{\"result\": {\"duration\": NaN}}").starts_with("expected value"));
    let garbage = [sound().to_string().as_bytes(), b" {}"].concat();
    assert!(syntax(&garbage).starts_with("trailing characters"));
    check_faults(b"[]", &[("", "must be of type object, and is of type array")]);
    check_faults(b"null", &[("", "must be of type object, and is of type null")]);
}

#[test]
fn a_number_too_large_is_told() {
    let body = sound().to_string().replace("\"output\"", "\"tests\": 1e999, \"output\"");
    assert!(syntax(body.as_bytes()).starts_with("number out of range"));
    let body = sound().to_string().replace("\"output\"", "\"tests\": 100000000000000000000000, \"output\"");
    check_faults(body.as_bytes(), &[("/result/tests", "must not be more than 9007199254740991")]);
}

#[test]
fn a_field_given_twice_is_refused_by_v4_and_the_last_counts_for_v3() {
    let body = sound().to_string().replace("\"grade\":\"pass\"", "\"grade\":\"pass\",\"grade\":\"fail\"");
    check_faults(body.as_bytes(), &[("/result/grade", "is given twice")]);
    let report = Report::parse(body.as_bytes(), Dialect::V3).expect("a report");
    assert_eq!(report.result.grade.as_str(), "fail");
}

#[test]
fn null_bytes_are_kept_in_output_and_refused_in_names() {
    let report = Report::parse(&with("/result/output/uncategorized", json!("a\0b")), Dialect::V4).expect("a report");
    assert_eq!(report.text(), "a\0b");
    let body = with("/distribution/version", json!("1\0"));
    check_faults(&body, &[("/distribution/version", "holds the control character U+0000")]);
}

#[test]
fn language_names_are_the_doors_own() {
    for (name, v3, v4) in [("Perl 5", true, true), ("perl", false, true), ("Ruby", false, false)] {
        let body = with("/environment/language/name", json!(name));
        assert_eq!(Report::parse(&body, Dialect::V3).is_ok(), v3, "{name}");
        assert_eq!(Report::parse(&body, Dialect::V4).is_ok(), v4, "{name}");
    }
    let raku = json!({"name": "raku", "version": "2022.12", "archname": "x86_64-linux"});
    assert!(
        Report::parse(&with("/environment/language", raku), Dialect::V4).is_ok(),
        "Raku's versions follow no pattern"
    );
}

#[test]
fn v3_takes_no_id_from_its_clients() {
    let body = with("/id", json!("not a UUID"));
    assert_eq!(Report::parse(&body, Dialect::V3).expect("a report").id, None);
    let body = with("/id", json!("11111111-2222-4333-8444-555555555556"));
    assert_eq!(Report::parse(&body, Dialect::V3).expect("a report").id, None);
    let id = Report::parse(&body, Dialect::V4).expect("a report").id.expect("an id");
    assert_eq!(id.to_string(), "11111111-2222-4333-8444-555555555556");
}

#[test]
fn moments_are_read_in_several_spellings() {
    for spelt in [
        "2026-11-20T22:19:33Z",
        "2026-11-20 22:19:33",
        "2026-11-20T22:19:33",
        "2026-11-20 22:19:33+00:00",
        "2026-11-20T23:19:33.000+0100",
        "2026-11-20T23:19:33+01:00",
    ] {
        let report = Report::parse(&with("/created", json!(spelt)), Dialect::V4).expect(spelt);
        assert_eq!(report.created.expect("a moment").to_rfc3339(), "2026-11-20T22:19:33+00:00", "{spelt}");
    }
    for spelt in ["", "2026-13-01T00:00:00Z", "+12026-01-01T00:00:00Z", "1066-10-14T09:00:00Z"] {
        check_faults(
            &with("/created", json!(spelt)),
            &[("/created", "must be a date and time such as 2026-11-20T22:19:33Z")],
        );
    }
}

#[test]
fn readers_get_all_but_the_address() {
    let mut document = sound();
    document["extra"] = json!({"kept": [1, null]});
    let id = "0b45cd74-d944-4999-9c3d-c81021ca3d34".parse().expect("an id");
    let shown = report::without_addresses(document.to_string().as_bytes(), Dialect::V4, Some(id)).expect("a report");
    assert_eq!(shown["reporter"], json!({"name": "Tester 00"}));
    assert_eq!(shown["extra"], document["extra"]);
    assert_eq!(shown["id"], "0b45cd74-d944-4999-9c3d-c81021ca3d34");
    assert!(!shown.to_string().contains('@'));

    let report = Report::parse(document.to_string().as_bytes(), Dialect::V4).expect("a report");
    assert_eq!(report.without_addresses()["reporter"], json!({"name": "Tester 00"}));
}

#[test]
fn an_extra_no_reader_can_decode_does_not_hide_the_report() {
    let body = sound().to_string().replace("\"result\"", r#""extra": "\ud800", "result""#);
    match Report::parse(body.as_bytes(), Dialect::V4) {
        Ok(report) => {
            let shown = report::without_addresses(body.as_bytes(), Dialect::V4, None).expect("a report");
            assert_eq!(shown, report.without_addresses());
        }
        Err(invalid) => assert!(matches!(invalid, Invalid::Syntax(_)), "{invalid:?}"),
    }
}
