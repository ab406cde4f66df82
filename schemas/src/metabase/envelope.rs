//! Facts within facts: JSON whose contents are strings of JSON, read one level at a time (contract §2.2).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use super::Refused;
use crate::report::{self, Invalid, Object, moment};

/// What a fact says of itself, and its content, which is read when it is asked for.
#[derive(Deserialize)]
pub(super) struct Fact {
    metadata: Object<Metadata>,
    pub content: Content,
}

#[derive(Deserialize)]
struct Metadata {
    core: Object<Core>,
}

/// Only what is used of it; anything may stand there until it is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Core {
    #[serde(rename = "type")]
    kind: Value,
    guid: Value,
    resource: Value,
    creator: Value,
    creation_time: Value,
}

/// A fact's content: on the wire a string, in stored facts also the thing itself.
pub(super) enum Content {
    Text(String),
    Tree(Value),
}

/// Reads the outermost level of a body.
pub(super) fn outermost<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let text = report::json(bytes).map_err(|invalid| match invalid {
        Invalid::Syntax(text) => Refused(format!("cannot read the body as JSON: {text}")),
        faults @ Invalid::Faults(_) => Refused(faults.to_string()),
    })?;
    serde_json::from_str(text).map_err(|error| Refused(format!("cannot read the body as a fact: {error}")))
}

impl Fact {
    fn core(&self) -> &Core {
        &self.metadata.0.core.0
    }

    pub(super) fn kind(&self) -> Result<&str, Refused> {
        text(&self.core().kind, "metadata.core.type")
    }

    pub(super) fn resource(&self) -> Result<&str, Refused> {
        text(&self.core().resource, "metadata.core.resource")
    }

    pub(super) fn guid(&self) -> Result<Uuid, Refused> {
        uuid(text(&self.core().guid, "metadata.core.guid")?, "metadata.core.guid")
    }

    /// The profile of who made it: `metabase:user:GUID`.
    pub(super) fn creator(&self) -> Result<Uuid, Refused> {
        user(text(&self.core().creator, "metadata.core.creator")?, "metadata.core.creator")
    }

    pub(super) fn created(&self) -> Result<DateTime<Utc>, Refused> {
        let place = "metadata.core.creation_time";
        let spelt = text(&self.core().creation_time, place)?;
        moment::read(spelt).ok_or_else(|| Refused(format!("{place} {} is not a date and time", shown(spelt))))
    }
}

impl Content {
    /// Reads the facts on the next level. `what` names this one in a refusal.
    pub(super) fn facts(self, what: &str) -> Result<Vec<Fact>, Refused> {
        let facts: Vec<Object<Fact>> = self.parsed(what)?;
        Ok(facts.into_iter().map(|Object(fact)| fact).collect())
    }

    /// Reads an object on the next level.
    pub(super) fn read<T: DeserializeOwned>(self, what: &str) -> Result<T, Refused> {
        self.parsed(what).map(|Object(value)| value)
    }

    fn parsed<T: DeserializeOwned>(self, what: &str) -> Result<T, Refused> {
        let read = match self {
            Content::Text(text) => serde_json::from_str(&text),
            Content::Tree(tree) => serde_json::from_value(tree),
        };
        read.map_err(|error| Refused(format!("cannot read the content of {what}: {error}")))
    }

    /// The content of a string fact, as it is.
    pub(super) fn string(self, what: &str) -> Result<String, Refused> {
        match self {
            Content::Text(text) => Ok(text),
            Content::Tree(_) => Err(Refused(format!("the content of {what} is not a string"))),
        }
    }
}

/// A GUID with its prefix: `metabase:user:fcde42f8-…`, in any case.
pub(super) fn user(spelt: &str, place: &str) -> Result<Uuid, Refused> {
    match spelt.split_at_checked("metabase:user:".len()) {
        Some((prefix, guid)) if prefix.eq_ignore_ascii_case("metabase:user:") => uuid(guid, place),
        _ => Err(Refused(format!("{place} {} does not begin with metabase:user:", shown(spelt)))),
    }
}

fn uuid(spelt: &str, place: &str) -> Result<Uuid, Refused> {
    let refused = || Refused(format!("{place} {} is not a GUID", shown(spelt)));
    if spelt.len() == 36 { Uuid::try_parse(spelt).map_err(|_| refused()) } else { Err(refused()) }
}

/// A field that must be a string.
pub(super) fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str, Refused> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Err(Refused(format!("{place} is missing"))),
        _ => Err(Refused(format!("{place} is not a string"))),
    }
}

/// Something the sender wrote, short enough for an error text.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array or an object")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Content::Tree)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Content, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).map(Content::Tree)
    }
}
