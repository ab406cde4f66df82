//! Reports and uploads put into a server under test.

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::server::Server;
use crate::submissions::Made;

/// Rows as today's server gave them, out of an answer that may be cut off.
pub fn rows_of(body: &str) -> (Vec<Value>, bool) {
    if let Ok(Value::Array(rows)) = serde_json::from_str(body) {
        return (rows, true);
    }
    let mut rest = body.strip_prefix('[').unwrap();
    let mut rows = Vec::new();
    loop {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(row)) = values.next() else { return (rows, false) };
        let end = values.byte_offset();
        rows.push(row);
        rest = rest[end..].trim_start_matches(',');
    }
}

/// The report that a row of `/v3/summary` tells of.
pub fn report_of(row: &Value) -> Value {
    let text = |name: &str| row[name].as_str().unwrap();
    let (name, address) = text("reporter").split_once("\" <").unwrap();
    json!({
        "id": row["guid"],
        "created": row["date"],
        "reporter": {"name": name.trim_start_matches('"'), "email": address.trim_end_matches('>')},
        "environment": {
            "language": {"name": "Perl 5", "version": row["perl"], "archname": row["platform"]},
            "system": {"osname": row["osname"], "osversion": row["osvers"]},
        },
        "distribution": {"name": row["dist"], "version": row["version"]},
        "result": {"grade": row["grade"], "output": {"uncategorized": "made from a row"}},
    })
}

/// So many reports of each grade on a perl and a system that nothing is asked about.
pub fn others(distribution: &str, version: &str, counts: &[(&'static str, usize)]) -> Vec<Value> {
    let made = |grade| {
        let made = Made {
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            grade,
            perl: "5.10.1".to_owned(),
            osname: "haiku".to_owned(),
            ..Made::default()
        };
        made.json()
    };
    counts.iter().flat_map(|(grade, count)| (0..*count).map(|_| made(*grade))).collect()
}

/// An upload, as the import writes it.
pub struct Upload<'a> {
    pub number: i64,
    pub distribution: &'a str,
    pub version: &'a str,
    pub author: &'a str,
    pub filename: &'a str,
    pub released_at: &'a str,
}

/// Puts uploads into the database of a server, which may run.
pub async fn put_uploads(server: &Server, uploads: &[Upload<'_>]) {
    let raw = Raw::of(server).await;
    for upload in uploads {
        let Upload { number, distribution, version, author, filename, released_at } = upload;
        let at: chrono::DateTime<chrono::Utc> = released_at.parse().unwrap();
        // As both databases write a time.
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false);
        let columns = "language, distribution, version, author, filename, released_at, kind, seen_at";
        let values = format!("'perl', '{distribution}', '{version}', '{author}', '{filename}', '{at}', 'cpan', '{at}'");
        raw.execute_either(
            &format!("INSERT INTO uploads (number, {columns}) VALUES ({number}, {values})"),
            &format!("INSERT INTO uploads (number, {columns}) OVERRIDING SYSTEM VALUE VALUES ({number}, {values})"),
        )
        .await;
    }
    raw.close().await;
}

/// The one error of an answer in the contract's shape: message, path, and whether `status` stands beside.
pub fn error_of(answer: &crate::server::Answer) -> (String, String, bool) {
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{body}");
    let text = |name: &str| errors[0][name].as_str().unwrap().to_owned();
    if let Some(status) = body.get("status") {
        assert_eq!(*status, answer.status);
    }
    (text("message"), text("path"), body.get("status").is_some())
}

pub const CORS: [(&str, &str); 4] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    ("access-control-max-age", "3600"),
    ("access-control-allow-headers", "Content-Type, X-Requested-With"),
];

pub fn assert_cors(answer: &crate::server::Answer, what: &str) {
    for (name, value) in CORS {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
}
