//! Files of `fixtures/`.

use std::path::PathBuf;

use serde_json::Value;

/// A submission as its client sent it.
pub struct Capture {
    pub file: String,
    /// What the release, grade and client were.
    pub meta: Value,
    pub body: String,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures")).join(name)
}

pub fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
}

/// Names of the files in a folder, sorted.
pub fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap_or_else(|error| panic!("cannot list {folder}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// The captures sent to one path.
pub fn captures(to: &str) -> Vec<Capture> {
    let index: Vec<Value> = serde_json::from_str(&read("captures/index.json")).expect("JSON");
    let capture = |entry: &Value| {
        let file = entry["file"].as_str().expect("a name").to_owned();
        let whole: Value = serde_json::from_str(&read(&format!("captures/{file}"))).expect("JSON");
        let body = whole["request"]["body"].as_str().expect("a body").to_owned();
        (whole["request"]["path"] == to).then(|| Capture { file, meta: whole["meta"].clone(), body })
    };
    index.iter().filter_map(capture).collect()
}
