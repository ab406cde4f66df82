//! Real report bodies to train a dictionary on: captured requests as they were sent, and report texts wrapped in
//! both shapes a report travels in.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

/// A body as a door would receive it.
pub struct Sample {
    pub shape: Shape,
    /// Which of the given paths it came from.
    pub corpus: usize,
    /// Which file, counted over all paths.
    pub file: usize,
    pub body: Vec<u8>,
}

/// The two shapes a report travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The triple-nested JSON of the Metabase protocol (contract §2.2).
    Legacy,
    /// The v3 JSON (contract §2.1).
    Current,
}

impl Shape {
    pub const ALL: [Shape; 2] = [Shape::Legacy, Shape::Current];

    pub fn name(self) -> &'static str {
        match self {
            Shape::Legacy => "legacy",
            Shape::Current => "v3",
        }
    }
}

/// Reads every sample in `paths`, folders included, in the order of the file names.
///
/// A `.json` file is a captured request (`request.body`) or an unpacked fact (`textreport`); a `.txt` file is a report
/// text. Each text also becomes a body of the shape it did not come in. Other files are passed over.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut count = 0;
    for (corpus, path) in paths.iter().enumerate() {
        let mut files = Vec::new();
        list(path, &mut files)?;
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
            let bodies = match file.extension().and_then(|extension| extension.to_str()) {
                Some("txt") => wrap_text(&String::from_utf8_lossy(&bytes)),
                Some("json") => unwrap_json(&bytes),
                _ => Vec::new(),
            };
            samples.extend(bodies.into_iter().map(|(shape, body)| Sample { shape, corpus, file: count, body }));
            count += 1;
        }
    }
    Ok(samples)
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("could not list {}", path.display()))?;
    for entry in entries {
        list(&entry?.path(), files)?;
    }
    Ok(())
}

fn unwrap_json(bytes: &[u8]) -> Vec<(Shape, Vec<u8>)> {
    let Ok(file) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    if let Some(text) = file["textreport"].as_str() {
        return wrap_text(text);
    }
    match file["request"]["body"].as_str() {
        Some(body) => unwrap_body(body),
        None => Vec::new(),
    }
}

fn unwrap_body(body: &str) -> Vec<(Shape, Vec<u8>)> {
    match legacy_text(body) {
        Some(text) => vec![(Shape::Legacy, body.into()), (Shape::Current, current_body(&text))],
        None => vec![(Shape::Current, body.into())],
    }
}

fn wrap_text(text: &str) -> Vec<(Shape, Vec<u8>)> {
    vec![(Shape::Legacy, legacy_body(text)), (Shape::Current, current_body(text))]
}

/// The text inside the strings inside the strings of a Metabase body.
fn legacy_text(body: &str) -> Option<String> {
    let outer: Value = serde_json::from_str(body).ok()?;
    let facts: Value = serde_json::from_str(outer["content"].as_str()?).ok()?;
    let contents = facts.as_array()?.iter().filter_map(|fact| fact["content"].as_str());
    contents
        .filter_map(|content| serde_json::from_str::<Value>(content).ok())
        .find_map(|content| content["textreport"].as_str().map(str::to_owned))
}

fn legacy_body(text: &str) -> Vec<u8> {
    let fields = Fields::read(text);
    let mut content = json!({
        "grade": fields.grade, "osname": fields.osname, "osversion": fields.osversion,
        "archname": fields.archname, "perl_version": format!("v{}", fields.perl),
    });
    let summary = content.to_string();
    content["textreport"] = text.into();
    let resource = format!("cpan:///distfile/TESTER/{}.tar.gz", fields.release);
    let fact = |kind: &str, content: String| {
        json!({"content": content, "metadata": {"core": {
            "type": kind, "schema_version": 1, "valid": 1, "resource": resource,
            "creator": "metabase:user:fcde42f8-aba7-4176-9d4d-060427ba26b6",
            "creation_time": "2026-11-20T22:29:12Z", "update_time": "2026-11-20T22:29:12Z",
        }}})
    };
    let facts = json!([
        fact("CPAN-Testers-Fact-LegacyReport", content.to_string()),
        fact("CPAN-Testers-Fact-TestSummary", summary),
    ]);
    fact("CPAN-Testers-Report", facts.to_string()).to_string().into_bytes()
}

fn current_body(text: &str) -> Vec<u8> {
    let fields = Fields::read(text);
    let (name, version) = fields.release.rsplit_once('-').unwrap_or((fields.release, "0"));
    let report = json!({
        "reporter": {"name": "Example Tester", "email": "tester@example.org"},
        "environment": {
            "language": {"name": "Perl 5", "version": fields.perl, "archname": fields.archname},
            "system": {"osname": fields.osname, "osversion": fields.osversion},
        },
        "distribution": {"name": name, "version": version},
        "result": {"grade": fields.grade, "output": {"uncategorized": text}},
    });
    report.to_string().into_bytes()
}

/// What the envelope repeats of a text.
struct Fields<'a> {
    release: &'a str,
    grade: &'static str,
    perl: String,
    osname: &'a str,
    osversion: &'a str,
    archname: &'a str,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Self {
        let number = |name: &str| after(text, name).split([' ', ')']).next().unwrap_or_default();
        let value = |name: &str| after(text, name).split([',', '\n', '\r']).next().unwrap_or_default();
        let grade = match text {
            _ if text.contains("All tests were successful") => "pass",
            _ if text.contains("not supported") => "na",
            _ if text.contains("no tests") => "unknown",
            _ => "fail",
        };
        Fields {
            release: after(text, "report for ").split_whitespace().next().unwrap_or("Foo-Bar-0.01"),
            grade,
            perl: format!("5.{}.{}", number("revision 5 version "), number("subversion ")),
            osname: value("osname="),
            osversion: value("osvers="),
            archname: value("archname="),
        }
    }
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.find(mark).map_or("", |at| &text[at + mark.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixtures() -> Vec<Sample> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        read(&[root.join("captures"), root.join("texts"), root.join("facts")]).unwrap()
    }

    #[test]
    fn a_text_comes_out_of_the_legacy_body_it_was_put_into() {
        let text = "A \"text\" with \\ and\nlines, and J\u{f6}rg";
        let body = String::from_utf8(legacy_body(text)).unwrap();
        assert_eq!(legacy_text(&body).as_deref(), Some(text));
        assert_eq!(legacy_text("{}"), None);
    }

    #[test]
    fn the_fixtures_give_bodies_of_both_shapes_that_agree_with_their_texts() {
        let samples = fixtures();
        for shape in Shape::ALL {
            assert!(samples.iter().filter(|sample| sample.shape == shape).count() > 200);
        }
        let bodies = samples.iter().filter(|sample| sample.shape == Shape::Current);
        let reports: Vec<Value> = bodies.map(|sample| serde_json::from_slice(&sample.body).unwrap()).collect();
        let mojolicious = reports.iter().find(|report| report["distribution"]["name"] == "Mojolicious").unwrap();
        assert_eq!(mojolicious["distribution"]["version"], "9.31");
        assert_eq!(mojolicious["environment"]["language"]["version"], "5.36.0");
        assert_eq!(mojolicious["environment"]["system"]["osname"], "linux");
        assert_eq!(mojolicious["result"]["grade"], "fail");
    }

    #[test]
    fn the_dictionary_in_the_repository_packs_real_bodies_to_less_than_a_tenth() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipeline/dictionaries/reports-1.zdict");
        let dictionary = std::fs::read(file).unwrap();
        let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &dictionary).unwrap();
        let (mut raw, mut packed) = (0, 0);
        for sample in fixtures() {
            raw += sample.body.len();
            packed += compressor.compress(&sample.body).unwrap().len();
        }
        assert!(packed * 10 < raw, "{raw} bytes are packed to {packed}");
    }
}
