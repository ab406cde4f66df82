//! A report on its way to a server: which protocol it speaks, and the id that makes sending it twice harmless.

use bytes::Bytes;
use schemas::ids::Digest;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

/// One report, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Where it was read: `report.json`, or `reports.ndjson:17`.
    pub label: String,
    pub kind: Kind,
    /// As the report says it. A v3 report without one was given one, see [`identified`].
    pub id: Option<String>,
    pub bytes: Bytes,
}

/// The protocol a report is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    V3,
    /// A legacy fact in its envelope (contract §2.2).
    Metabase,
}

/// Something read that is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub label: String,
    pub reason: String,
}

/// What a file holds: one report, or a report on each line.
pub fn read(name: &str, bytes: Bytes) -> Vec<Result<Parcel, Unfit>> {
    let whole = match parcel(name.to_owned(), bytes.clone()) {
        Ok(parcel) => return vec![Ok(parcel)],
        Err(unfit) => unfit,
    };
    let lines: Vec<(usize, Bytes)> = lines(&bytes).collect();
    match lines.first() {
        Some((_, first)) if lines.len() > 1 && head(first).is_ok() => {
            lines.into_iter().map(|(number, line)| parcel(format!("{name}:{number}"), line)).collect()
        }
        _ => vec![Err(whole)],
    }
}

/// A v3 report's id and its bytes with that id in them. Space around the report is left out, every other byte stays:
/// a report in a file of its own and the same one as a line have to be the same bytes, or the server would take the
/// second for a correction.
///
/// A report without an id gets one made of its content, so that the same bytes, sent again by anyone, are the same
/// report. `None` when the bytes are not a JSON object.
pub fn identified(bytes: &Bytes) -> Option<(String, Bytes)> {
    let head = head(bytes).ok()?;
    let bytes = &bytes.slice_ref(bytes.trim_ascii());
    if let Some(id) = head.id {
        return Some((id.as_str().map_or_else(|| id.to_string(), str::to_owned), bytes.clone()));
    }
    let id = id_of_content(bytes);
    let open = bytes.iter().position(|byte| *byte == b'{')? + 1;
    let empty = bytes[open..].trim_ascii_start().first() == Some(&b'}');
    let comma = if empty { "" } else { "," };
    let mut with_id = bytes[..open].to_vec();
    with_id.extend_from_slice(format!("\"id\":\"{id}\"{comma}").as_bytes());
    with_id.extend_from_slice(&bytes[open..]);
    Some((id, Bytes::from(with_id)))
}

/// A UUID of version 8 (RFC 9562 §5.8): the first 122 free bits of the content's SHA-256.
fn id_of_content(bytes: &[u8]) -> String {
    let Digest(digest) = Digest::of(bytes);
    let (head, _) = digest.split_first_chunk::<16>().expect("a SHA-256 has 32 bytes");
    uuid::Builder::from_custom_bytes(*head).into_uuid().hyphenated().to_string()
}

/// Lines that are not empty, with their numbers from 1.
fn lines(bytes: &Bytes) -> impl Iterator<Item = (usize, Bytes)> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    lines.filter_map(|(index, line)| {
        let line = line.trim_ascii();
        (!line.is_empty()).then(|| (index + 1, bytes.slice_ref(line)))
    })
}

fn parcel(label: String, bytes: Bytes) -> Result<Parcel, Unfit> {
    let head = match head(&bytes) {
        Ok(head) => head,
        Err(reason) => return Err(Unfit { label, reason }),
    };
    if let (Some(metadata), true) = (head.metadata, head.content) {
        let id = metadata["core"]["guid"].as_str().map(str::to_lowercase);
        let id = id.filter(|id| Uuid::try_parse(id).is_ok());
        return Ok(Parcel { label, kind: Kind::Metabase, id, bytes });
    }
    match identified(&bytes) {
        Some((id, bytes)) => Ok(Parcel { label, kind: Kind::V3, id: Some(id), bytes }),
        None => Err(Unfit { label, reason: "not a JSON object".to_owned() }),
    }
}

/// The few fields that tell a report's kind and id. Everything else is the server's to judge.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    #[serde(deserialize_with = "present")]
    id: Option<Value>,
    metadata: Option<Value>,
    #[serde(deserialize_with = "seen")]
    content: bool,
}

fn head(bytes: &[u8]) -> Result<Head, String> {
    match bytes.trim_ascii_start().first() {
        None => Err("there is nothing in it".to_owned()),
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}")),
        Some(_) => Err("neither a JSON report nor lines of them".to_owned()),
    }
}

/// Keeps `null` apart from absence: only an absent id is made up.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn seen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn a_report_without_an_id_gets_the_same_one_each_time_and_keeps_its_bytes() {
        let (id, sent) = identified(&bytes(r#" {"a": 1.0} "#)).unwrap();
        assert_eq!(sent, bytes(&format!(r#"{{"id":"{id}","a": 1.0}}"#)));
        assert_eq!(identified(&bytes(r#"{"a": 1.0}"#)).unwrap().0, id, "space around it changes nothing");
        assert_ne!(identified(&bytes(r#"{"a": 2}"#)).unwrap().0, id);
        assert_eq!(Uuid::try_parse(&id).unwrap().get_version_num(), 8);
        assert!(identified(&bytes("{ }")).unwrap().1.ends_with(b"\" }"));
    }

    #[test]
    fn an_id_that_is_there_is_left_alone() {
        for text in [r#"{"id":"X"}"#, r#"{"id":null}"#, r#"{"id":7}"#] {
            assert_eq!(identified(&bytes(text)).unwrap().1, bytes(text));
            assert_eq!(identified(&bytes(&format!("{text}\n"))).unwrap().1, bytes(text));
        }
    }

    #[test]
    fn a_file_is_one_report_or_lines_of_them() {
        let one = read("f", bytes("{\n \"id\": \"x\"\n}\n"));
        assert_eq!(one[0].as_ref().unwrap().label, "f");
        let many = read("f", bytes("{\"id\":\"a\"}\n\n{\"metadata\":{\"core\":{}},\"content\":\"\"}\n{oops\n"));
        assert_eq!(many[0].as_ref().unwrap().id.as_deref(), Some("a"));
        assert_eq!(many[1].as_ref().map(|parcel| (parcel.kind, &*parcel.label)), Ok((Kind::Metabase, "f:3")));
        assert_eq!(many[2].as_ref().unwrap_err().label, "f:4");
    }

    #[test]
    fn anything_else_is_refused_once_for_the_whole_file() {
        for text in ["", " \n", "[1]", "hello\nworld", "{\"a\":", "\u{0}\u{1}"] {
            assert!(matches!(&read("f", bytes(text))[..], [Err(unfit)] if unfit.label == "f"), "{text:?}");
        }
    }
}
