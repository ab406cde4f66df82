//! Any bytes at all, and any value anywhere in a report, are answered.

use proptest::prelude::*;
use schemas::report::{self, Dialect, Invalid, Report};
use serde_json::Value;

use crate::report::{sound, with};

/// What upsets a parser: stray structure, numbers beyond range, halves of escapes, bytes that are not text.
fn scrap() -> impl Strategy<Value = Vec<u8>> {
    let pieces =
        vec!["\"", "{", "[", "]", "}", ",", ":", "null", "-1", "1e999", "\\", "\\u0000", "\\ud800", "\"id\":3,"];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        proptest::sample::select(pieces).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Quarters: serde_json may miss the last digit of other numbers, and so not read again what it wrote.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z~/]{0,8}", inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

fn somewhere() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "/id",
        "/created",
        "/comments",
        "/reporter",
        "/reporter/name",
        "/reporter/email",
        "/environment",
        "/environment/toolchain",
        "/environment/language",
        "/environment/language/name",
        "/environment/language/version",
        "/environment/language/variables",
        "/environment/language/backend",
        "/environment/language/toolchain",
        "/environment/system",
        "/environment/system/osname",
        "/environment/system/variables",
        "/distribution",
        "/distribution/name",
        "/distribution/version",
        "/distribution/path",
        "/distribution/prerequisites",
        "/result",
        "/result/grade",
        "/result/output",
        "/result/output/test",
        "/result/tests",
        "/result/todo",
        "/result/duration",
        "/extra",
    ])
}

/// Whatever comes, both readings agree, and what was accepted can be written and read again.
fn check_agreement(body: &[u8]) {
    let v3 = Report::parse(body, Dialect::V3);
    assert_eq!(v3.is_ok(), report::faults_v3(body).is_empty(), "{}", String::from_utf8_lossy(body));
    match Report::parse(body, Dialect::V4) {
        Ok(report) => {
            let written = serde_json::to_vec(&report).expect("JSON");
            assert_eq!(Report::parse(&written, Dialect::V4), Ok(report));
            assert!(report::without_addresses(body, Dialect::V4, None).is_ok());
        }
        Err(Invalid::Faults(faults)) => assert!(!faults.is_empty()),
        Err(Invalid::Syntax(text)) => assert!(!text.is_empty()),
    }
}

proptest! {
    #[test]
    fn mangled_bodies_are_answered(at in any::<proptest::sample::Index>(), length in 0_usize..40, put in scrap()) {
        let body = sound().to_string().into_bytes();
        let at = at.index(body.len());
        let end = (at + length).min(body.len());
        check_agreement(&[&body[..at], &put, &body[end..]].concat());
    }

    #[test]
    fn any_value_anywhere_is_answered(pointer in somewhere(), value in anything()) {
        check_agreement(&with(pointer, value));
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        check_agreement(&bytes);
    }
}
