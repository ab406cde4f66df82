//! The Swagger 2.0 documents at `/v1` and `/v3`, and what is told of them elsewhere (contract §1.1).

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use schemas::ids::Digest;
use serde_json::{Map, Value, json};

use crate::server::App;
use crate::server::reading::{JSON, json as bytes, named};

static V3: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("v3.swagger.json")).expect("a test reads it"));
static V1: LazyLock<Value> = LazyLock::new(|| as_v1(V3.clone()));

/// `GET /v1`
pub async fn v1(State(_): State<Arc<App>>, headers: HeaderMap) -> Response {
    shown(&V1, &headers)
}

/// `GET /v3`
pub async fn v3(State(_): State<Arc<App>>, headers: HeaderMap) -> Response {
    shown(&V3, &headers)
}

fn shown(document: &Value, headers: &HeaderMap) -> Response {
    let body = bytes(document);
    // It changes with the version of assay alone, whose digest names it.
    let digest = Digest::of(&body).0;
    let version = i64::from_be_bytes(digest[..8].try_into().expect("eight of 32 bytes"));
    named(headers, version, JSON, body)
}

/// What today's server answers to `OPTIONS` on a path of a document: the operations there, and the definitions.
pub fn operations_at(path: &str) -> Option<Response> {
    let (document, below) = match path.strip_prefix("/v3") {
        Some(below) => (&*V3, below),
        None => (&*V1, path.strip_prefix("/v1")?),
    };
    let asked: Vec<&str> = below.split('/').collect();
    let matches = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == asked.len() && parts.iter().zip(&asked).all(|(part, said)| part.starts_with('{') || part == said)
    };
    let operations = document["paths"].as_object()?.iter().find(|(template, _)| matches(template))?.1.as_object()?;
    let mut told = Map::new();
    told.insert("$schema".to_owned(), json!("http://json-schema.org/draft-04/schema#"));
    told.insert("title".to_owned(), document["info"]["title"].clone());
    told.insert("description".to_owned(), document["info"]["description"].clone());
    told.insert("definitions".to_owned(), document["definitions"].clone());
    told.insert("parameters".to_owned(), document["parameters"].clone());
    told.extend(operations.clone());
    Some(([(header::CONTENT_TYPE, JSON)], bytes(&told)).into_response())
}

/// v1 is a part of v3: releases without the single one, and uploads.
fn as_v1(mut document: Value) -> Value {
    document["info"]["version"] = json!("1.0");
    document["info"]["title"] = json!("CPAN Testers API, served by assay");
    document["basePath"] = json!("/v1");
    let keep = |document: &mut Value, part: &str, wanted: &dyn Fn(&str) -> bool| {
        if let Some(members) = document[part].as_object_mut() {
            members.retain(|name, _| wanted(name));
        }
    };
    keep(&mut document, "paths", &|path| {
        (path.starts_with("/release") || path.starts_with("/upload")) && !path.ends_with("{version}")
    });
    keep(&mut document, "parameters", &|name| matches!(name, "since" | "maturity" | "limit"));
    keep(&mut document, "definitions", &|name| matches!(name, "Release" | "Upload" | "Error"));
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.retain(|tag| tag["name"] == "Release" || tag["name"] == "Upload");
    }
    for (_, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        let name = operations["get"]["operationId"].as_str().map(|name| name.trim_start_matches("v3_").to_owned());
        operations["get"]["operationId"] = json!(name);
    }
    document
}

/// A document in the words of OpenAPI 3.1, for the page that shows such. `url` is `/v1` or `/v3`.
pub fn as_openapi(url: &str) -> Option<Value> {
    let document = match url.trim_end_matches('/') {
        "/v1" => &*V1,
        "/v3" => &*V3,
        _ => return None,
    };
    let base = document["basePath"].as_str().unwrap_or_default();
    let mut paths = Map::new();
    for (path, operations) in document["paths"].as_object()? {
        let operations = operations.as_object()?.iter();
        let operations = operations.map(|(method, said)| (method.clone(), operation(document, said)));
        paths.insert(format!("{base}{path}"), Value::Object(operations.collect()));
    }
    let converted = json!({
        "openapi": "3.1.0",
        "info": document["info"],
        "tags": document["tags"],
        "paths": paths,
        "components": {"schemas": document["definitions"]},
    });
    let text = converted.to_string().replace("#/definitions/", "#/components/schemas/");
    Some(serde_json::from_str(&text).expect("another name in a text leaves it JSON"))
}

fn operation(document: &Value, said: &Value) -> Value {
    let mut operation = said.clone();
    let named = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => parameter.clone(),
    };
    let all: Vec<Value> = said["parameters"].as_array().into_iter().flatten().map(named).collect();
    if let Some(body) = all.iter().find(|parameter| parameter["in"] == "body") {
        operation["requestBody"] = json!({"required": true, "content": {JSON: {"schema": body["schema"]}}});
    }
    let others = all.into_iter().filter(|parameter| parameter["in"] != "body").map(parameter);
    operation["parameters"] = others.collect();
    for (_, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
        if let Some(schema) = answer.as_object_mut().and_then(|answer| answer.shift_remove("schema")) {
            answer["content"] = json!({JSON: {"schema": schema}});
        }
    }
    operation
}

/// What Swagger 2.0 says of a parameter beside its name belongs to its schema in OpenAPI 3.
fn parameter(mut said: Value) -> Value {
    let mut schema = Map::new();
    if let Some(fields) = said.as_object_mut() {
        fields.shift_remove("collectionFormat");
        for name in ["type", "format", "enum", "items"] {
            if let Some(value) = fields.shift_remove(name) {
                schema.insert(name.to_owned(), value);
            }
        }
    }
    said["schema"] = Value::Object(schema);
    said
}
