//! Submissions that tests send: made up, or read from the fixtures.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A file below `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

pub fn fixture_bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn fixture_json(name: &str) -> Value {
    serde_json::from_slice(&fixture_bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A report as `/v4/reports` takes it.
#[derive(Clone, Debug)]
pub struct Made {
    pub id: String,
    pub tester: String,
    pub distribution: String,
    pub version: String,
    pub grade: &'static str,
    pub perl: String,
    pub osname: String,
    pub archname: String,
    pub text: String,
}

impl Default for Made {
    fn default() -> Self {
        Made {
            id: uuid::Uuid::new_v4().to_string(),
            tester: "Ann Example".to_owned(),
            distribution: "Foo-Bar".to_owned(),
            version: "1.0".to_owned(),
            grade: "pass",
            perl: "5.36.0".to_owned(),
            osname: "linux".to_owned(),
            archname: "x86_64-linux".to_owned(),
            text: "All tests successful.".to_owned(),
        }
    }
}

impl Made {
    pub fn json(&self) -> Value {
        let address = format!("{}@example.org", self.tester.to_lowercase().replace(' ', "."));
        json!({
            "id": self.id,
            "reporter": {"name": self.tester, "email": address},
            "environment": {
                "language": {"name": "Perl 5", "version": self.perl, "archname": self.archname},
                "system": {"osname": self.osname, "osversion": "6.1.0"},
            },
            "distribution": {"name": self.distribution, "version": self.version},
            "result": {"grade": self.grade, "output": {"uncategorized": self.text}},
        })
    }
}

/// The registration of a legacy profile, as `POST /api/v1/register` gets it (contract §2.2).
pub fn registration(profile: &str, name: &str, address: &str, secret: Option<&str>) -> String {
    let fact = |kind: &str, content: String| {
        json!({
            "metadata": {"core": {
                "type": kind,
                "guid": uuid::Uuid::new_v4(),
                "resource": format!("metabase:user:{profile}"),
                "creator": format!("metabase:user:{profile}"),
                "creation_time": "2026-11-20T22:00:00Z",
                "schema_version": 1,
                "valid": 1,
            }},
            "content": content,
        })
    };
    let facts = json!([
        fact("Metabase-User-FullName", as_latin_1(name)),
        fact("Metabase-User-EmailAddress", as_latin_1(address)),
    ]);
    let mut said = fact("Metabase-User-Profile", facts.to_string());
    said["metadata"]["core"]["guid"] = profile.into();
    let mut parts = vec![said];
    parts.extend(secret.map(|secret| fact("Metabase-User-Secret", as_latin_1(secret))));
    Value::from(parts).to_string()
}

/// The UTF-8 bytes of a text, each as the character of its number: how string facts travel.
fn as_latin_1(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// A legacy report as `POST /api/v1/submit/CPAN-Testers-Report` gets it.
pub fn legacy_report(id: &str, profile: &str, made: &Made) -> String {
    let resource = format!("cpan:///distfile/PREACTION/{}-{}.tar.gz", made.distribution, made.version);
    let core = |kind: &str, guid: &str| {
        json!({"core": {
            "type": kind,
            "guid": guid,
            "resource": resource,
            "creator": format!("metabase:user:{profile}"),
            "creation_time": "2026-11-20T22:19:33Z",
            "update_time": "2026-11-20T22:19:33Z",
            "schema_version": 1,
            "valid": 1,
        }})
    };
    let mut content = json!({
        "grade": made.grade,
        "osname": made.osname,
        "osversion": "6.1.0",
        "archname": made.archname,
        "perl_version": format!("v{}", made.perl),
    });
    let summary = content.to_string();
    content["textreport"] = made.text.as_str().into();
    let facts = [("CPAN-Testers-Fact-LegacyReport", content.to_string()), ("CPAN-Testers-Fact-TestSummary", summary)];
    let facts: Vec<Value> = facts
        .into_iter()
        .map(|(kind, content)| json!({"metadata": core(kind, &uuid::Uuid::new_v4().to_string()), "content": content}))
        .collect();
    let content = Value::from(facts).to_string();
    json!({"metadata": core("CPAN-Testers-Report", id), "content": content}).to_string()
}

/// A whole request that a real client sent, from `fixtures/captures/`.
pub struct Capture {
    pub name: String,
    /// The report's own id; the v3 door gives another.
    pub id: String,
    pub path: String,
    pub body: String,
    /// Request line, headers in their order, body.
    pub bytes: Vec<u8>,
    /// What the release, grade and perl were.
    pub about: Value,
}

/// Every capture, in the order of their files.
pub fn captures() -> Vec<Capture> {
    let index = fixture_json("captures/index.json");
    let captures: Vec<Capture> = index.as_array().unwrap().iter().map(capture).collect();
    assert_eq!(captures.len(), 141);
    captures
}

fn capture(about: &Value) -> Capture {
    let name = about["file"].as_str().unwrap().to_owned();
    let capture = fixture_json(&format!("captures/{name}"));
    let request = &capture["request"];
    let body = request["body"].as_str().unwrap().to_owned();
    let mut head = format!("{}\r\n", request["line"].as_str().unwrap());
    for header in request["headers"].as_array().unwrap() {
        head.push_str(&format!("{}: {}\r\n", header[0].as_str().unwrap(), header[1].as_str().unwrap()));
    }
    let bytes = [head.as_bytes(), b"\r\n", body.as_bytes()].concat();
    let id = about["guid"].as_str().unwrap_or_default().to_owned();
    let path = request["path"].as_str().unwrap().to_owned();
    Capture { name, id, path, body, bytes, about: capture["meta"].clone() }
}

/// The testers of the captures: profile, name, address. The third's name was encoded twice by its client's own tool,
/// and today's server stores it so.
pub const TESTERS: [(&str, &str, &str); 3] = [
    ("fcde42f8-aba7-4176-9d4d-060427ba26b6", "Lab Tester", "lab.tester@example.org"),
    ("ec7a4e88-7117-4ac3-8784-4b6dd609ddac", "Trixie Smoker", "trixie.smoker@example.org"),
    ("96817d81-8111-4335-9ae6-1c0ba5aa9cb2", "Zo\u{c3}\u{ab} Str\u{c3}\u{b6}m-\u{c5}\u{81}ukasz", "zoe@example.org"),
];
