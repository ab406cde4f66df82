//! Files of `fixtures/`.

use serde_json::Value;

/// The submissions in `fixtures/captures`, as clients sent them: file name and bytes.
pub fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/captures");
    let index = std::fs::read_to_string(format!("{folder}/index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_str(&index).unwrap();
    let capture = |entry: &Value| {
        let file = entry["file"].as_str().unwrap().to_owned();
        let whole = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        let whole: Value = serde_json::from_str(&whole).unwrap();
        (file, whole["request"]["body"].as_str().unwrap().as_bytes().to_vec())
    };
    index.iter().map(capture).collect()
}

/// Rows that today's server made of the captures, by guid in lower case.
pub fn oracle() -> std::collections::BTreeMap<String, Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/peer-answers/legacy.jsonl");
    let rows = std::fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        let row = answer["cpanstats"].clone();
        row["guid"].as_str().map(str::to_lowercase).map(|guid| (guid, row))
    };
    rows.lines().filter_map(row).collect()
}
