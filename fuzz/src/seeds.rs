//! Real inputs, out of `fixtures/`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Bodies sent to a path of the doors, by real clients and by hostile ones.
pub fn bodies(path: &str) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for folder in ["captures", "bad"] {
        for file in files(folder) {
            let Ok(sent) = serde_json::from_slice::<Value>(&read(&file)) else { continue };
            let request = &sent["request"];
            let to = request["path"].as_str().unwrap_or_default();
            if to.strip_prefix("/beta").or(to.strip_prefix("/api/v1")).unwrap_or(to) == path {
                bodies.extend(body(&request["body"]));
            }
        }
    }
    bodies
}

/// A body as the fixtures write it, see `fixtures/bad/README.md`.
fn body(written: &Value) -> Option<Vec<u8>> {
    match written {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(fields) => {
            if let Some(base64) = fields.get("base64") {
                return STANDARD.decode(base64.as_str()?).ok();
            }
            let part = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            // Bodies that are only long are not worth their bytes here.
            let times = fields.get("times").and_then(Value::as_u64).unwrap_or(1).min(200);
            Some([part("prefix"), &part("repeat").repeat(times as usize), part("suffix")].concat().into_bytes())
        }
        _ => None,
    }
}

/// The lines of a file.
pub fn lines(name: &str) -> Vec<Vec<u8>> {
    let bytes = read(&fixtures().join(name));
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// One column of a table with tabs.
pub fn column(name: &str, place: usize) -> Vec<Vec<u8>> {
    let field = |line: Vec<u8>| line.split(|byte| *byte == b'\t').nth(place).map(<[u8]>::to_vec);
    let mut fields: Vec<Vec<u8>> = lines(name).into_iter().filter_map(field).collect();
    fields.sort();
    fields.dedup();
    fields
}

/// Whole files of a folder.
pub fn whole(folder: &str) -> Vec<Vec<u8>> {
    files(folder).iter().map(|file| read(file)).collect()
}

/// Values of one place in each of some JSON documents, as text.
pub fn values(documents: &[Vec<u8>], pointer: &str) -> Vec<Vec<u8>> {
    let value = |document: &Vec<u8>| {
        let document: Value = serde_json::from_slice(document).ok()?;
        Some(document.pointer(pointer)?.as_str()?.as_bytes().to_vec())
    };
    documents.iter().filter_map(value).collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = fixtures().join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"))
}
