//! The legacy protocol: what real clients sent, held against what today's server made of it.

use std::collections::HashMap;

use proptest::prelude::*;
use schemas::metabase::{self, LegacyReport, Refused};
use schemas::report::{Dialect, Report, Reporter};
use serde_json::{Value, json};

use crate::fixtures;

const SUBMIT: &str = "/api/v1/submit/CPAN-Testers-Report";
const GUID: &str = "0b45cd74-d944-4999-9c3d-c81021ca3d34";
const CREATOR: &str = "metabase:user:fcde42f8-aba7-4176-9d4d-060427ba26b6";

fn tester() -> Reporter {
    Reporter { name: Some("Tester 00".to_owned()), email: "tester00@example.org".to_owned() }
}

fn fact(kind: &str, content: Value) -> Value {
    json!({
        "metadata": {"core": {
            "type": kind, "guid": GUID, "creator": CREATOR, "schema_version": 1, "valid": 1,
            "resource": "cpan:///distfile/PREACTION/Foo-Bar-1.24.tar.gz", "creation_time": "2026-11-20T22:19:33Z"
        }},
        "content": content
    })
}

fn legacy_content() -> Value {
    json!({
        "grade": "pass", "osname": "linux", "osversion": "6.1.0", "archname": "x86_64-linux",
        "perl_version": "v5.36.0", "textreport": "snowman \u{2603}"
    })
}

fn packed(kind: &str, content: &Value) -> Value {
    fact(&format!("CPAN-Testers-Fact-{kind}"), content.to_string().into())
}

fn submission(facts: &[Value]) -> Value {
    fact("CPAN-Testers-Report", Value::from(facts).to_string().into())
}

/// The two facts each report holds.
fn needed() -> Vec<Value> {
    vec![packed("LegacyReport", &legacy_content()), packed("TestSummary", &json!({"grade": "pass"}))]
}

fn read(envelope: &Value) -> Result<LegacyReport, Refused> {
    metabase::report(envelope.to_string().as_bytes())
}

fn upgraded(envelope: &Value) -> Report {
    read(envelope).and_then(|report| report.upgrade(tester())).unwrap_or_else(|refused| panic!("{refused}: {envelope}"))
}

fn check_refused(envelope: &Value, reason: &str) {
    let refused = read(envelope).and_then(|report| report.upgrade(tester())).expect_err(reason);
    assert!(refused.0.contains(reason), "{:?} should contain {reason:?}", refused.0);
}

#[test]
fn each_capture_becomes_what_todays_server_made_of_it() {
    let answers = fixtures::read("peer-answers/legacy.jsonl");
    let answers: HashMap<String, Value> = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|answer| (answer["file"].as_str().expect("a name").to_owned(), answer["collector_report"].clone()))
        .collect();
    let captures = fixtures::captures(SUBMIT);
    assert_eq!((captures.len(), answers.len()), (137, 137));
    for capture in captures {
        let theirs = &answers[&capture.file];
        let reporter: Reporter = serde_json::from_value(theirs["reporter"].clone()).expect("a reporter");
        let legacy =
            metabase::report(capture.body.as_bytes()).unwrap_or_else(|refused| panic!("{}: {refused}", capture.file));
        assert_eq!(legacy.perl_version, capture.meta["perl"], "{}", capture.file);
        let report = legacy.upgrade(reporter).unwrap_or_else(|refused| panic!("{}: {refused}", capture.file));
        let path = report.distribution.path.clone();
        assert_eq!(path.as_deref(), capture.meta["distfile"].as_str(), "{}", capture.file);
        assert!(!report.text().is_empty(), "{}", capture.file);
        assert_eq!(without_additions(report), *theirs, "{}", capture.file);
    }
}

/// What the peer's recording kept: no output, no path; and its collector says `perl` for `Perl 5`.
fn without_additions(report: Report) -> Value {
    let mut ours = serde_json::to_value(report).expect("JSON");
    assert_eq!(ours["environment"]["language"]["name"].take(), "Perl 5");
    ours["environment"]["language"]["name"] = "perl".into();
    ours["distribution"].as_object_mut().expect("an object").remove("path");
    ours["result"].as_object_mut().expect("an object").remove("output");
    ours
}

#[test]
fn facts_of_fourteen_years_are_read() {
    let files = fixtures::files("facts");
    assert_eq!(files.len(), 15);
    for (number, file) in files.iter().enumerate() {
        let stored: Value = serde_json::from_str(&fixtures::read(&format!("facts/{file}"))).expect("JSON");
        let mut content = stored.as_object().expect("an object").clone();
        let core = |content: &mut serde_json::Map<String, Value>, key: &str| content.remove(key).expect(key);
        let (guid, resource) = (core(&mut content, "guid"), core(&mut content, "resource"));
        let created = core(&mut content, "creation_time");
        let summary = packed("TestSummary", &json!({}));
        // Stored facts hold their content as it is, sent ones as a string.
        let mut envelope = if number % 2 == 0 {
            submission(&[packed("LegacyReport", &content.into()), summary])
        } else {
            let legacy = fact("CPAN-Testers-Fact-LegacyReport", content.into());
            fact("CPAN-Testers-Report", vec![legacy, summary].into())
        };
        envelope["metadata"]["core"]["guid"] = guid.as_str().expect("text").to_uppercase().into();
        envelope["metadata"]["core"]["resource"] = resource.clone();
        envelope["metadata"]["core"]["creation_time"] = created;
        let report = upgraded(&envelope);
        assert_eq!(report.id.expect("an id").to_string(), guid.as_str().expect("text"), "{file}");
        assert_eq!(report.text(), stored["textreport"].as_str().expect("text"), "{file}");
        let version = stored["perl_version"].as_str().expect("text");
        assert_eq!(report.environment.language.version, version.trim_start_matches('v'), "{file}");
        let name = format!("{}-{}.tar.gz", report.distribution.name, report.distribution.version);
        assert!(resource.as_str().expect("text").ends_with(&name), "{file}");
    }
}

#[test]
fn the_raw_requests_of_a_real_client_are_read() {
    let body = |file: &str| {
        let request = fixtures::read(&format!("wire/{file}"));
        let (_, body) = request.split_once("\r\n\r\n").expect("a blank line");
        body.to_owned()
    };
    let first = metabase::report(body("01.req").as_bytes()).expect("a report");
    assert_eq!(metabase::report(body("04.req").as_bytes()).as_ref(), Ok(&first));
    assert_eq!(first.creator.to_string(), "ce39923d-d72f-4b7a-aff0-af6d77c1616d");
    assert!(first.text.contains("snowman \u{2603}"));

    let identity = fixtures::read("wire/metabase_id.json");
    for registration in [body("03.req"), identity] {
        let registration = metabase::registration(registration.as_bytes()).expect("a registration");
        assert_eq!(registration.profile, first.creator);
        assert_eq!(registration.name, "Jörg Example");
        assert_eq!(registration.email.as_deref(), Some("jorg@example.com"));
        assert_eq!(registration.secret.as_ref().expect("a secret").as_bytes(), b"s3cr:t/x");
        assert!(!format!("{registration:?}").contains("s3cr"));
    }
}

#[test]
fn a_profile_alone_is_a_registration() {
    let facts = json!([{"metadata": {"core": {"type": "Metabase-User-FullName"}}, "content": "Zo\u{c3}\u{ab}"}]);
    let profile = fact("Metabase-User-Profile", facts.to_string().into());
    for body in [profile.clone(), json!([profile])] {
        let registration = metabase::registration(body.to_string().as_bytes()).expect("a registration");
        assert_eq!((registration.name.as_str(), registration.email, registration.secret), ("Zoë", None, None));
        assert_eq!(registration.profile.to_string(), GUID);
    }
}

#[test]
fn registrations_that_are_none_are_refused() {
    let check = |body: &str, reason: &str| {
        let refused = metabase::registration(body.as_bytes()).expect_err(reason);
        assert!(refused.0.contains(reason), "{:?} should contain {reason:?}", refused.0);
    };
    let named = |kind: &str| json!({"metadata": {"core": {"type": kind}}, "content": "a\nb"});
    let profile = |facts: Value| fact("Metabase-User-Profile", facts.to_string().into());
    let sound = profile(json!([{"metadata": {"core": {"type": "Metabase-User-FullName"}}, "content": "Zoe"}]));
    check("", "it is empty");
    check("[]", "holds no Metabase-User-Profile");
    check("null", "a profile, or an array of a profile and a secret, was expected");
    check("{\"metadata\": 3}", "a profile, or an array of a profile and a secret, was expected");
    check(&json!([named("Metabase-User-Secret")]).to_string(), "holds no Metabase-User-Profile");
    check(&json!([named("CPAN-Testers-Report")]).to_string(), "holds no fact of type \"CPAN-Testers-Report\"");
    check(&json!([sound, sound]).to_string(), "more than one Metabase-User-Profile");
    check(&profile(json!([])).to_string(), "the profile holds no Metabase-User-FullName");
    check(&profile(json!([named("Metabase-User-FullName")])).to_string(), "holds the control character U+000A");
    check(&fact("Metabase-User-Profile", "Zoe".into()).to_string(), "cannot read the content of Metabase-User-Profile");
    let mut secret = fact("Metabase-User-Secret", "s".into());
    secret["metadata"]["core"]["resource"] = CREATOR.into();
    check(&json!([sound, secret]).to_string(), "the Metabase-User-Secret is of another profile");
}

#[test]
fn optional_facts_are_carried_over() {
    let mut facts = needed();
    facts.extend([
        packed("TestOutput", &json!({"configure": "c", "build": "b", "test": "t"})),
        fact("CPAN-Testers-Fact-TesterComment", "automated, J\u{c3}\u{b6}rg".into()),
        packed(
            "PerlConfig",
            &json!({"build": {"stamp": "May 1 2024"}, "config": {"ivsize": 8, "useithreads": "define"}}),
        ),
        packed(
            "TestEnvironment",
            &json!({"environment_vars": {"LANG": "C"}, "special_vars": {"$^X": "/usr/bin/perl"}}),
        ),
        packed(
            "InstalledModules",
            &json!({
                "prereqs": {"Moose": "2.1", "Carp": {"have": 1.5, "want": 1}}, "toolchain": {"CPAN": "2.36"}
            }),
        ),
        packed(
            "Prereqs",
            &json!({
                "configure_requires": {}, "build_requires": {"Carp": "1"}, "requires": {"Moose": "2", "Absent": 0}
            }),
        ),
    ]);
    let report = upgraded(&submission(&facts));
    let written = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        written["result"]["output"],
        json!({"uncategorized": "snowman \u{2603}", "configure": "c", "build": "b", "test": "t"})
    );
    assert_eq!(written["comments"], "automated, Jörg");
    assert_eq!(written["environment"]["toolchain"], json!({"CPAN": "2.36"}));
    let language = &written["environment"]["language"];
    assert_eq!(language["build"], "May 1 2024");
    assert_eq!(language["variables"], json!({"$^X": "/usr/bin/perl", "ivsize": 8, "useithreads": "define"}));
    assert_eq!(written["environment"]["system"]["variables"], json!({"LANG": "C"}));
    assert_eq!(
        written["distribution"]["prerequisites"],
        json!([
            {"phase": "build", "name": "Carp", "need": "1", "have": "1.5"},
            {"phase": "runtime", "name": "Absent", "need": "0"},
            {"phase": "runtime", "name": "Moose", "need": "2", "have": "2.1"}
        ])
    );
    let v4 = Report::parse(&serde_json::to_vec(&report).expect("JSON"), Dialect::V4);
    assert_eq!(v4, Ok(report), "an upgraded report is one of the current shape");
}

#[test]
fn grades_and_versions_are_read_as_clients_spell_them() {
    let mut content = legacy_content();
    for (spelt, grade) in [("PASS", "pass"), ("Fail", "fail"), ("NA", "na"), ("unknown", "unknown")] {
        content["grade"] = spelt.into();
        let facts = [packed("LegacyReport", &content), needed().remove(1)];
        assert_eq!(upgraded(&submission(&facts)).result.grade.as_str(), grade);
    }
    for (spelt, version) in [
        ("5.8.8", "5.8.8"),
        ("vv5.24.0", "5.24.0"),
        ("v5.16.0 RC0", "5.16.0 RC0"),
        ("5.11.0 patch GitLive-blead-1437-g8bca5c8", "5.11.0 patch GitLive-blead-1437-g8bca5c8"),
        ("0", "0"),
    ] {
        content["perl_version"] = spelt.into();
        let facts = [packed("LegacyReport", &content), needed().remove(1)];
        assert_eq!(upgraded(&submission(&facts)).environment.language.version, version);
    }
}

#[test]
fn envelopes_that_are_no_report_are_refused_by_name() {
    let core = |key: &str, value: Value| {
        let mut envelope = submission(&needed());
        envelope["metadata"]["core"][key] = value;
        envelope
    };
    check_refused(&json!([]), "cannot read the body as a fact");
    check_refused(&json!({"metadata": {"core": {}}}), "missing field `content`");
    check_refused(&core("type", "Metabase-User-Profile".into()), "is of type \"Metabase-User-Profile\"");
    check_refused(&core("type", Value::Null), "metadata.core.type is missing");
    check_refused(&core("guid", 17.into()), "metadata.core.guid is not a string");
    check_refused(&core("guid", "17".into()), "metadata.core.guid \"17\" is not a GUID");
    check_refused(&core("creator", GUID.into()), "does not begin with metabase:user:");
    check_refused(&core("creation_time", "yesterday".into()), "metadata.core.creation_time \"yesterday\" is not");
    check_refused(&fact("CPAN-Testers-Report", "{".into()), "cannot read the content of the report");
    check_refused(&fact("CPAN-Testers-Report", 5.into()), "expected a string, an array or an object");
    for (resource, reason) in [
        ("Foo-Bar-1.0.tar.gz", "does not begin with cpan:///distfile/"),
        ("cpan:///distfile/Foo-Bar-1.0.tar.gz", "cannot tell the author"),
        ("cpan:///distfile/PREACTION/Foo-Bar.exe", "cannot tell the distribution"),
        ("cpan:///distfile/PREACTION/Foo-Bar.tar.gz", "cannot tell the version"),
        ("cpan:///distfile/PREACTION/Foo-1.0;touch x.tar.gz", "/distribution/version: holds the character ';'"),
        ("cpan:///distfile/PREACTION/`id`/Foo-1.0.tar.gz", "/distribution/path: holds the character '`'"),
        ("cpan:///distfile/PREACTION/<script>-1.0.tar.gz", "cannot tell the version"),
        ("cpan:///distfile/PREACTION/../../Foo-1.0.tar.gz", "/distribution/path: holds nothing but dots"),
    ] {
        check_refused(&core("resource", resource.into()), reason);
    }
}

#[test]
fn facts_that_do_not_fit_are_refused_by_name() {
    let with = |facts: Vec<Value>| submission(&facts);
    let [legacy, summary] = [needed().remove(0), needed().remove(1)];
    check_refused(&with(vec![]), "no fact of type CPAN-Testers-Fact-LegacyReport");
    check_refused(&with(vec![summary.clone()]), "no fact of type CPAN-Testers-Fact-LegacyReport");
    check_refused(&with(vec![legacy.clone()]), "no fact of type CPAN-Testers-Fact-TestSummary");
    check_refused(
        &with(vec![legacy.clone(), legacy.clone(), summary.clone()]),
        "more than one fact of type CPAN-Testers-Fact-LegacyReport",
    );
    check_refused(
        &with(vec![legacy.clone(), summary.clone(), summary.clone()]),
        "more than one fact of type CPAN-Testers-Fact-TestSummary",
    );
    check_refused(
        &with(vec![legacy.clone(), summary.clone(), packed("Secret", &json!({}))]),
        "\"CPAN-Testers-Fact-Secret\", which assay does not know",
    );
    check_refused(
        &with(vec![legacy, summary.clone(), packed("TestOutput", &json!([1]))]),
        "cannot read the content of CPAN-Testers-Fact-TestOutput",
    );
    let content = |key: &str, value: Option<Value>| {
        let mut content = legacy_content();
        match value {
            Some(value) => content[key] = value,
            None => drop(content.as_object_mut().expect("an object").remove(key)),
        }
        with(vec![packed("LegacyReport", &content), summary.clone()])
    };
    check_refused(&content("grade", None), "missing field `grade`");
    check_refused(&content("grade", Some("discard".into())), "grade \"discard\": not a grade");
    let listed =
        vec![fact("CPAN-Testers-Fact-LegacyReport", json!(["pass", "l", "6", "a", "5.1.1", "t"])), summary.clone()];
    check_refused(&with(listed), "invalid type: sequence, expected an object");
    check_refused(&content("extra", Some(1.into())), "unknown field `extra`");
    check_refused(&content("osversion", Some(8.1.into())), "osversion is not a string");
    check_refused(&content("osname", Some(Value::Null)), "osname is missing");
    check_refused(
        &content("archname", Some("a\0b".into())),
        "/environment/language/archname: holds the control character U+0000",
    );
    check_refused(&content("perl_version", Some("v".into())), "/environment/language/version: is empty");
    check_refused(&content("osname", Some("x".repeat(300).into())), "is 300 bytes long, more than 255");
}

fn check_answered(body: &[u8]) {
    for refused in
        [metabase::report(body).and_then(|report| report.upgrade(tester())).err(), metabase::registration(body).err()]
    {
        assert!(refused.is_none_or(|refused| !refused.0.is_empty()));
    }
}

proptest! {
    #[test]
    fn mangled_captures_are_answered(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        length in 0_usize..60,
        put in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let bodies = SMALL.with(Clone::clone);
        let bytes = which.get(&bodies).as_bytes();
        let at = at.index(bytes.len());
        let end = (at + length).min(bytes.len());
        check_answered(&[&bytes[..at], &put, &bytes[end..]].concat());
    }

    #[test]
    fn facts_with_mangled_insides_are_answered(
        at in any::<proptest::sample::Index>(),
        put in "[\"\\\\{}\\[\\],:a-z0-9\u{0}\u{e9}]{0,6}",
        level in 0_usize..3,
    ) {
        let mangle = |text: String| {
            let at = text.char_indices().nth(at.index(text.chars().count())).map_or(0, |(at, _)| at);
            format!("{}{put}{}", &text[..at], &text[at..])
        };
        let mangled = |own: usize, text: String| if own == level { mangle(text) } else { text };
        let content = mangled(2, legacy_content().to_string());
        let legacy = fact("CPAN-Testers-Fact-LegacyReport", content.into());
        let facts = mangled(1, Value::from(vec![legacy, needed().remove(1)]).to_string());
        let body = mangled(0, fact("CPAN-Testers-Report", facts.into()).to_string());
        check_answered(body.as_bytes());
    }
}

thread_local! {
    static SMALL: Vec<String> = {
        let submissions = fixtures::captures(SUBMIT).into_iter().map(|capture| capture.body).take(8);
        submissions.chain([fixtures::read("wire/metabase_id.json")]).collect()
    };
}
