//! Operations of an OpenAPI document: parameters, bodies, answers.

use serde_json::Value;

use super::schema::{Kind, example, resolve};
use super::{anchor, text};

const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// One method of one path.
pub(super) struct Operation<'a> {
    pub method: String,
    pub path: &'a str,
    pub anchor: String,
    pub summary: &'a str,
    pub description: &'a str,
    pub deprecated: bool,
    pub parameters: Vec<Parameter<'a>>,
    pub bodies: Vec<Body<'a>>,
    pub answers: Vec<Answer<'a>>,
}

pub(super) struct Parameter<'a> {
    pub name: &'a str,
    /// `path`, `query`, `header` or `cookie`.
    pub place: &'a str,
    pub required: bool,
    pub kind: Kind,
    pub description: &'a str,
}

/// What is sent, under one content type.
pub(super) struct Body<'a> {
    pub content_type: &'a str,
    pub kind: Kind,
    pub example: Option<String>,
}

pub(super) struct Answer<'a> {
    pub status: &'a str,
    pub description: &'a str,
    pub bodies: Vec<Body<'a>>,
}

impl Operation<'_> {
    pub fn refuses(&self) -> bool {
        self.answers.iter().any(Answer::refusal)
    }
}

impl Answer<'_> {
    /// Whether it says that something is wrong, in the one shape all refusals have.
    pub fn refusal(&self) -> bool {
        self.status.starts_with(['4', '5']) && self.bodies.iter().all(|body| body.content_type.contains("problem"))
    }
}

/// All operations with their first tag, in the document's order.
pub(super) fn operations(openapi: &Value) -> Vec<(&str, Operation<'_>)> {
    let mut operations = Vec::new();
    for (path, item) in openapi["paths"].as_object().into_iter().flatten() {
        let item = resolve(openapi, item);
        for method in METHODS {
            let Some(operation) = item.get(method).filter(|operation| operation.is_object()) else {
                continue;
            };
            let tag = text(operation.pointer("/tags/0"));
            let tag = if tag.is_empty() { "Other" } else { tag };
            operations.push((tag, read(openapi, path, method, item, operation)));
        }
    }
    operations
}

fn read<'a>(openapi: &'a Value, path: &'a str, method: &str, item: &'a Value, operation: &'a Value) -> Operation<'a> {
    let shared = list(item.get("parameters"));
    let parameters = shared.iter().chain(list(operation.get("parameters")));
    let answers = operation["responses"].as_object().into_iter().flatten();
    let body = operation.get("requestBody").map(|body| resolve(openapi, body));
    Operation {
        method: method.to_ascii_uppercase(),
        path,
        anchor: anchor(method, path),
        summary: text(operation.get("summary")),
        description: text(operation.get("description")),
        deprecated: operation["deprecated"] == Value::Bool(true),
        parameters: parameters.map(|parameter| self::parameter(openapi, parameter)).collect(),
        bodies: body.map(|body| bodies(openapi, body)).unwrap_or_default(),
        answers: answers.map(|(status, answer)| self::answer(openapi, status, answer)).collect(),
    }
}

fn parameter<'a>(openapi: &'a Value, parameter: &'a Value) -> Parameter<'a> {
    let parameter = resolve(openapi, parameter);
    Parameter {
        name: text(parameter.get("name")),
        place: text(parameter.get("in")),
        required: parameter["required"] == Value::Bool(true),
        kind: Kind::of(&parameter["schema"]),
        description: text(parameter.get("description")),
    }
}

fn answer<'a>(openapi: &'a Value, status: &'a str, answer: &'a Value) -> Answer<'a> {
    let answer = resolve(openapi, answer);
    Answer { status, description: text(answer.get("description")), bodies: bodies(openapi, answer) }
}

fn bodies<'a>(openapi: &'a Value, holder: &'a Value) -> Vec<Body<'a>> {
    let contents = holder["content"].as_object().into_iter().flatten();
    contents
        .map(|(content_type, content)| Body {
            content_type,
            kind: Kind::of(&content["schema"]),
            example: example(openapi, content),
        })
        .collect()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
