//! Packs the demo corpus out of the fixtures into the binary.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

fn main() {
    println!("cargo:rerun-if-changed=../fixtures/demo");
    println!("cargo:rerun-if-changed=../fixtures/captures");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    let reports = fs::read("../fixtures/demo/reports.ndjson").expect("the demo's reports are in the repository");
    write_packed(&out.join("demo-reports.ndjson.zst"), &reports);
    write_packed(&out.join("demo-captures.ndjson.zst"), &captured_requests());
}

/// Registrations of the captures' testers, then the captured requests, one a line.
fn captured_requests() -> Vec<u8> {
    let mut files: Vec<PathBuf> = fs::read_dir("../fixtures/captures")
        .expect("the captures are in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json") && !path.ends_with("index.json"))
        .collect();
    files.sort();
    let mut lines =
        fs::read("../fixtures/demo/registrations.ndjson").expect("the demo's testers are in the repository");
    for file in files {
        let capture: Value = serde_json::from_slice(&fs::read(&file).expect("a readable file")).expect("JSON");
        let request = &capture["request"];
        // Two captures are of texts cut at a million characters; they would make the binary larger and show no more.
        if request["body"].as_str().is_none_or(|body| body.len() > 200_000) {
            continue;
        }
        let line = json!({"path": request["path"], "headers": request["headers"], "body": request["body"]});
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    lines
}

fn write_packed(path: &Path, bytes: &[u8]) {
    let packed = zstd::encode_all(bytes, 19).expect("packing in memory does not fail");
    fs::write(path, packed).expect("the build directory can be written to");
}
