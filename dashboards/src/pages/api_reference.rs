//! `/docs`: the API, drawn from its own OpenAPI 3.1 document without any other host.

mod operation;
mod schema;

use askama::Template;
use serde_json::Value;

use crate::frame::{Frame, render};
use crate::passage::Passage;
use crate::prose::{Phrase, Prose};
use crate::site::Site;
use operation::{Operation, operations};
use schema::{Shape, shapes};

/// The page at `/docs`. Whatever in `openapi` is not as OpenAPI 3.1 has it is left out.
pub fn api_reference(site: &Site, openapi: &Value) -> String {
    let description = "Every route of the API: parameters, answers and examples.";
    let frame = Frame::new(site, "The API", description, site.path("/docs"));
    render(&ApiReference {
        frame,
        title: text(openapi.pointer("/info/title")),
        version: text(openapi.pointer("/info/version")),
        description: text(openapi.pointer("/info/description")),
        groups: groups(openapi),
        shapes: shapes(openapi),
    })
}

#[derive(Template)]
#[template(path = "api_reference.html")]
struct ApiReference<'a> {
    frame: Frame<'a>,
    title: &'a str,
    version: &'a str,
    description: &'a str,
    groups: Vec<Group<'a>>,
    shapes: Vec<Shape<'a>>,
}

/// Operations with the same tag.
struct Group<'a> {
    name: &'a str,
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

/// Operations by their first tag: in the order the document lists its tags, then in that of appearance.
fn groups(openapi: &Value) -> Vec<Group<'_>> {
    let tags = openapi["tags"].as_array().map_or(&[][..], Vec::as_slice);
    let mut groups: Vec<Group<'_>> = tags
        .iter()
        .map(|tag| Group {
            name: text(tag.get("name")),
            description: text(tag.get("description")),
            operations: Vec::new(),
        })
        .collect();
    for (tag, operation) in operations(openapi) {
        match groups.iter_mut().find(|group| group.name == tag) {
            Some(group) => group.operations.push(operation),
            None => groups.push(Group { name: tag, description: "", operations: vec![operation] }),
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}

/// A name as the target of a link within the page.
fn anchor(kind: &str, name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{kind}-{name}")
}
