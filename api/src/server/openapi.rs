//! `/v4/openapi.json`: what `/v4` offers, as OpenAPI 3.1. One table of operations; the shapes come from the types.

mod operations;
mod parameters;

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schemas::problem::Problem;
use schemas::views::jobs::{JobDetailView, JobView, RetriedView};
use schemas::views::{
    AuthorView, ChangesView, DistributionView, LineView, MatrixView, Page, ReceiptView, ReleaseView, ReportView,
    ResultView, SearchView, SummaryView, TesterView,
};
use schemas::withdrawal::InvalidationView;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use self::operations::OPERATIONS;
use self::parameters::{parameter, report_shape};
use super::App;
use super::intake::withdrawals::InvalidationOrder;
use super::jobs::ParkOrder;
use super::reading::status::{StatusView, Workers};
use super::reading::{JSON, named};
use super::tokens::{IssuedView, TokenOrder};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document_value);
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec(&*DOCUMENT).expect("a JSON value"));

/// `GET /v4/openapi.json`
pub async fn document(State(_): State<Arc<App>>, headers: HeaderMap) -> Response {
    // It changes with the version of assay alone, whose digest names it.
    let digest = schemas::ids::Digest::of(&BYTES).0;
    let version = i64::from_be_bytes(digest[..8].try_into().expect("eight of 32 bytes"));
    named(&headers, version, JSON, BYTES.clone())
}

/// The document as a value, for the page that shows it.
pub fn value() -> &'static Value {
    &DOCUMENT
}

/// The shapes of answers.
#[derive(OpenApi)]
#[openapi(components(schemas(
    AuthorView, ChangesView, DistributionView, InvalidationOrder, InvalidationView, IssuedView, JobDetailView, LineView,
    MatrixView, Page<JobView>, Page<ResultView>, Page<SummaryView>, ParkOrder, Problem, ReceiptView, ReleaseView,
    ReportView, RetriedView, SearchView, StatusView, TesterView, TokenOrder, Workers
)))]
struct Shapes;

/// One operation of the table.
struct Operation {
    method: &'static str,
    path: &'static str,
    name: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: &'static [&'static str],
    /// Status, media type and shape of the good answer; a shape `text` is a string.
    answer: (&'static str, &'static str, &'static str),
    /// Further statuses, each a problem.
    problems: &'static [&'static str],
    body: Option<&'static str>,
}

fn document_value() -> Value {
    let shapes = serde_json::to_value(Shapes::openapi()).expect("an OpenAPI document is JSON");
    let mut components = shapes["components"].clone();
    components["schemas"]["Report"] = report_shape();
    components["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.value();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "assay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Test reports of a package ecosystem: submitted, counted, searched, followed.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "Submitting"}, {"name": "Reading"}, {"name": "Lists"}, {"name": "Operations"}],
        "paths": paths,
        "components": components,
    })
}

impl Operation {
    fn value(&self) -> Value {
        let parameters: Vec<Value> = self.parameters.iter().map(|name| parameter(name)).collect();
        let mut value = json!({
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": parameters,
            "responses": self.responses(),
        });
        if !self.description.is_empty() {
            value["description"] = self.description.into();
        }
        if let Some(body) = self.body {
            value["requestBody"] = request_body(body);
        }
        if self.problems.contains(&"401") {
            // `submit` and `raw` may be open; then no token is needed.
            value["security"] = json!([{}, {"token": []}]);
        }
        value
    }

    fn responses(&self) -> Value {
        let (status, media, shape) = self.answer;
        let mut responses = Map::new();
        let good = match media {
            "" => json!({"description": "Done."}),
            media => json!({"description": self.summary, "content": {media: {"schema": schema(shape)}}}),
        };
        responses.insert(status.to_owned(), good);
        if self.path == "/v4/reports" {
            let lines = json!({"description": "One answer a line.", "schema": schema("LineView")});
            responses["202"]["content"]["application/x-ndjson"] = json!({"schema": lines["schema"]});
            let settled = json!({"description": "Stored before, or settled while the sender waited.",
                "content": {"application/json": {"schema": schema("ReceiptView")}}});
            responses.insert("200".to_owned(), settled);
        }
        for status in self.problems {
            let problem = json!({"description": reason(status),
                "content": {"application/problem+json": {"schema": schema("Problem")}}});
            responses.insert((*status).to_owned(), problem);
        }
        Value::Object(responses)
    }
}

fn schema(shape: &str) -> Value {
    match shape {
        "text" => json!({"type": "string"}),
        "object" => json!({"type": "object"}),
        name => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

fn request_body(shape: &str) -> Value {
    let mut content = json!({"application/json": {"schema": schema(shape)}});
    if shape == "Report" {
        content["application/x-ndjson"] = json!({"schema": {"type": "string"}});
    }
    json!({"required": true, "content": content})
}

fn reason(status: &str) -> &'static str {
    match status {
        "400" => "A parameter or the body cannot be read.",
        "401" => "A valid credential is needed.",
        "403" => "The credential does not allow this.",
        "404" => "It is not there.",
        "408" => "The body did not arrive in time.",
        "409" => "Another tester's report has this id, or it is not in a state for this, such as withdrawn.",
        "410" => "The report was withdrawn and its bytes purged, or its bytes are kept no longer.",
        "413" => "The body is too large.",
        "415" => "The body's type or encoding is not supported.",
        "422" => "The body is not valid; each fault of a report is listed with its place.",
        "429" => "Too much is waiting, or one sender sends too fast; `Retry-After` says when to come again.",
        _ => "A part is not available now.",
    }
}
