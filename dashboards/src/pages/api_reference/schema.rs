//! Schemas of an OpenAPI document: named shapes, kinds of values in a few words, and examples made of them.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use serde_json::{Map, Value, json};

use super::{anchor, text};
use crate::passage::Passage;

/// How deep schemas are followed into each other; a document can be circular.
const DEEPEST: usize = 6;

/// What a value is, in a few words, with links to the shapes it names.
pub(super) struct Kind(String);

impl HtmlSafe for Kind {}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named schema.
pub(super) struct Shape<'a> {
    pub name: &'a str,
    pub anchor: String,
    pub description: &'a str,
    pub kind: Kind,
    pub fields: Vec<Field<'a>>,
}

pub(super) struct Field<'a> {
    pub name: &'a str,
    pub required: bool,
    pub kind: Kind,
    pub description: &'a str,
}

impl Kind {
    pub fn of(schema: &Value) -> Self {
        Kind(kind(schema, 0))
    }
}

/// The schemas the document names.
pub(super) fn shapes(openapi: &Value) -> Vec<Shape<'_>> {
    let schemas = openapi.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten();
    schemas
        .map(|(name, schema)| {
            let mut fields = Vec::new();
            collect_fields(openapi, schema, 0, &mut fields);
            Shape {
                name,
                anchor: anchor("schema", name),
                description: text(schema.get("description")),
                kind: Kind::of(schema),
                fields,
            }
        })
        .collect()
}

/// What a `$ref` within the document points to; anything else is itself.
pub(super) fn resolve<'a>(openapi: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..DEEPEST {
        let target = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        match target.and_then(|pointer| openapi.pointer(pointer)) {
            Some(found) => value = found,
            None => break,
        }
    }
    value
}

/// The example a content gives, or one made of its schema; `None` where neither says anything.
pub(super) fn example(openapi: &Value, content: &Value) -> Option<String> {
    let named = content.get("examples").and_then(Value::as_object).and_then(|examples| examples.values().next());
    let given = content.get("example").or_else(|| resolve(openapi, named?).get("value"));
    let value = match given {
        Some(value) => value.clone(),
        None => sample(openapi, content.get("schema")?, 0)?,
    };
    match value {
        Value::String(text) => Some(text),
        value => serde_json::to_string_pretty(&value).ok(),
    }
}

fn kind(schema: &Value, depth: usize) -> String {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or(target);
        return format!("<a href=\"#{}\">{}</a>", anchor("schema", name), Passage(name));
    }
    if depth >= DEEPEST {
        return "any".to_owned();
    }
    for (keyword, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
        if let Some(parts) = schema.get(keyword).and_then(Value::as_array) {
            let parts: Vec<String> = parts.iter().map(|part| kind(part, depth + 1)).collect();
            return parts.join(between);
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> =
            values.iter().map(|value| format!("<code>{}</code>", Passage(&plain(value)))).collect();
        return values.join(", ");
    }
    let mut written = match schema.get("type") {
        Some(Value::String(one)) => type_name(schema, one, depth),
        Some(Value::Array(several)) => {
            let names = several.iter().filter_map(Value::as_str);
            names.map(|name| type_name(schema, name, depth)).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    };
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        write!(written, " ({})", Passage(format)).expect("a String takes all that is written to it");
    }
    written
}

fn type_name(schema: &Value, name: &str, depth: usize) -> String {
    match (name, schema.get("items"), schema.get("additionalProperties")) {
        ("array", Some(items), _) => format!("list of {}", kind(items, depth + 1)),
        ("object", _, Some(values)) if values.is_object() => {
            format!("map of {}", kind(values, depth + 1))
        }
        _ => Passage(name).to_string(),
    }
}

/// The fields of an object, those of what it is combined with included.
fn collect_fields<'a>(openapi: &'a Value, schema: &'a Value, depth: usize, fields: &mut Vec<Field<'a>>) {
    if depth >= DEEPEST {
        return;
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect_fields(openapi, resolve(openapi, part), depth + 1, fields);
    }
    let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        fields.push(Field {
            name,
            required: required.iter().any(|required| required == name),
            kind: Kind::of(field),
            description: text(field.get("description")),
        });
    }
}

/// A value that fits a schema: its own example, else one made of its parts.
fn sample(openapi: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let schema = resolve(openapi, schema);
    if let Some(given) = schema.get("example").or_else(|| schema.pointer("/examples/0")) {
        return Some(given.clone());
    }
    if let Some(given) = schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0")) {
        return Some(given.clone());
    }
    if depth >= DEEPEST {
        return None;
    }
    if let Some(part) = schema.pointer("/oneOf/0").or_else(|| schema.pointer("/anyOf/0")) {
        return sample(openapi, part, depth + 1);
    }
    let mut object = Map::new();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(Value::Object(fields)) = sample(openapi, part, depth + 1) {
            object.extend(fields);
        }
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = sample(openapi, field, depth + 1) {
            object.insert(name.clone(), value);
        }
    }
    if !object.is_empty() {
        return Some(Value::Object(object));
    }
    let name = schema.get("type").map(|name| name.get(0).unwrap_or(name)).and_then(Value::as_str)?;
    sample_of(openapi, schema, name, depth)
}

fn sample_of(openapi: &Value, schema: &Value, name: &str, depth: usize) -> Option<Value> {
    match (name, schema.get("format").and_then(Value::as_str)) {
        ("string", Some("date-time")) => Some(json!("2026-01-31T12:00:00Z")),
        ("string", Some("uuid")) => Some(json!("0b45cd74-d944-4999-9c3d-c81021ca3d34")),
        ("string", _) => Some(json!("…")),
        ("integer", _) => Some(json!(1)),
        ("number", _) => Some(json!(1.0)),
        ("boolean", _) => Some(json!(false)),
        ("array", _) => {
            let item = schema.get("items").and_then(|items| sample(openapi, items, depth + 1));
            Some(Value::Array(item.into_iter().collect()))
        }
        ("object", _) => Some(json!({})),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
