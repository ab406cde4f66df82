//! The bad requests of `fixtures/bad`, as far as a body alone tells what is wrong with it.

use schemas::metabase;
use schemas::report::{self, Dialect, Invalid, Report, Reporter};
use serde_json::Value;

use crate::fixtures;

struct Bad {
    name: String,
    path: String,
    status: u64,
    contains: Vec<String>,
    body: Vec<u8>,
}

/// Those whose body arrives as it is: neither over the limit, nor encoded, nor refused for its headers.
fn plain() -> Vec<Bad> {
    let files = fixtures::files("bad").into_iter().filter(|file| file.ends_with(".json"));
    files.filter_map(|file| bad(&file)).collect()
}

fn bad(file: &str) -> Option<Bad> {
    let case: Value = serde_json::from_str(&fixtures::read(&format!("bad/{file}"))).expect(file);
    let (request, answer) = (&case["request"], &case["answer"]);
    assert_eq!(case["name"], file.trim_end_matches(".json"));
    let status = answer["status"].as_u64().expect("a status");
    let encoded = request["headers"].to_string().contains("Content-Encoding");
    let body = match &request["body"] {
        Value::String(text) => text.clone().into_bytes(),
        body => match body["repeat"].as_str() {
            Some(piece) if status != 413 => {
                let times = usize::try_from(body["times"].as_u64().expect("a number")).expect("a count");
                [body["prefix"].as_str(), Some(&piece.repeat(times)), body["suffix"].as_str()]
                    .map(Option::unwrap_or_default)
                    .concat()
                    .into_bytes()
            }
            Some(_) => return None,
            None => decoded(body["base64"].as_str().expect("bytes")),
        },
    };
    let contains = answer["contains"].as_array().expect("texts").iter();
    Some(Bad {
        name: file.to_owned(),
        path: request["path"].as_str().expect("a path").to_owned(),
        status,
        contains: contains.map(|text| text.as_str().expect("a text").to_owned()).collect(),
        body,
    })
    .filter(|_| !encoded)
}

fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|byte| *byte != b'=');
    let digits: Vec<usize> = digits.map(|byte| ALPHABET.iter().position(|it| *it == byte).expect("base64")).collect();
    digits
        .chunks(4)
        .flat_map(|group| {
            let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
            (0..group.len() - 1).map(move |byte| (bits >> (16 - 8 * byte) & 0xFF) as u8)
        })
        .collect()
}

/// What the answer to a bad body must be made of, and whether it was refused as JSON or as a report.
fn told(bad: &Bad) -> Option<(u64, String)> {
    match bad.path.as_str() {
        "/v4/reports" => match Report::parse(&bad.body, Dialect::V4).expect_err(&bad.name) {
            Invalid::Syntax(text) => Some((400, text)),
            Invalid::Faults(faults) => Some((422, serde_json::to_string(&faults).expect("JSON"))),
        },
        "/v3/report" => {
            let faults = report::faults_v3(&bad.body);
            assert!(!faults.is_empty(), "{}", bad.name);
            Some((400, serde_json::to_string(&faults).expect("JSON")))
        }
        "/api/v1/submit/CPAN-Testers-Report" => {
            let report = metabase::report(&bad.body).and_then(|report| report.upgrade(Reporter::default()));
            Some((400, report.expect_err(&bad.name).0))
        }
        "/api/v1/register" => Some((400, metabase::registration(&bad.body).expect_err(&bad.name).0)),
        _ => None,
    }
}

/// Whether the request is refused, or taken in part, for something that does not stand in one body.
fn elsewhere(bad: &Bad) -> bool {
    matches!(bad.status, 401 | 403 | 404 | 413 | 415)
        || bad.name.starts_with("ndjson-")
        || bad.name == "v3-plain-text.json"
}

#[test]
fn bad_bodies_are_refused_with_the_words_their_answers_promise() {
    let all = plain();
    assert!(all.len() > 110, "{} cases", all.len());
    for bad in all.iter().filter(|bad| !elsewhere(bad)) {
        let (status, text) = told(bad).expect("a door");
        assert_eq!(status, bad.status, "{}: {text}", bad.name);
        for promised in &bad.contains {
            let of_the_envelope = promised == "error" || promised.starts_with("\"status\"");
            assert!(of_the_envelope || text.contains(promised), "{}: {promised:?} is not in {text}", bad.name);
        }
    }
}

#[test]
fn bad_credentials_stand_beside_sound_bodies() {
    let all = plain();
    let refused: Vec<&Bad> = all.iter().filter(|bad| matches!(bad.status, 401 | 403 | 404)).collect();
    assert_eq!(refused.len(), 9);
    for bad in refused {
        let report = metabase::report(&bad.body).and_then(|report| report.upgrade(Reporter::default()));
        assert!(report.is_ok(), "{}: {report:?}", bad.name);
    }
}
