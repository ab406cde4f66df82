//! `/v4/openapi.json`: what `/v4` offers, as OpenAPI 3.1. One table of operations; the shapes come from the types.

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

const READ: Operation = Operation {
    method: "get",
    path: "",
    name: "",
    tag: "Reading",
    summary: "",
    description: "",
    parameters: &[],
    answer: ("200", "application/json", ""),
    problems: &["400", "404"],
    body: None,
};

const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v4/reports",
        name: "submitReports",
        tag: "Submitting",
        summary: "Submit one report, or many as NDJSON",
        description: "One report as `application/json`, or one a line as `application/x-ndjson`, for which each line \
                      has a line of its own in the answer. Bodies may be packed with gzip, zstd or br. A 202 is a \
                      promise: the report is on disk and will get an outcome. The report's own `id` makes sending \
                      again safe: the same bytes are stored once (200), other bytes of the same tester are a \
                      correction, and those of another tester are refused (409), as are corrections of a withdrawn \
                      report. `Prefer: wait=N` holds the answer for up to N seconds for the outcome.",
        parameters: &["prefer"],
        answer: ("202", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "408", "409", "413", "415", "422", "429", "503"],
        body: Some("Report"),
    },
    Operation {
        path: "/v4/reports/{id}",
        name: "report",
        summary: "A report and all that was read out of it",
        description: "The tester's address is left out.",
        parameters: &["id"],
        answer: ("200", "application/json", "ReportView"),
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/reports/{id}",
        name: "withdrawReport",
        tag: "Submitting",
        summary: "Take a report back",
        description: "It is counted, listed and found nowhere from then on; the change feed carries its tombstone, \
                      and its receipt says who withdrew it and why. A tester retracts reports of their own, with a \
                      token of the scope submit or `Basic` profile:secret of a legacy profile; a token with the \
                      scope admin withdraws any. Given again, it changes nothing, but bytes that were kept can be \
                      purged later.",
        parameters: &["id", "reason", "as", "body"],
        answer: ("200", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/reports/{id}/restore",
        name: "restoreReport",
        tag: "Operations",
        summary: "Put a withdrawn report back",
        description: "It is processed again, while its bytes are kept; 409 once they are purged. A report that stands \
                      is left as it is. Needs a token with the scope admin.",
        parameters: &["id"],
        answer: ("200", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/invalidations",
        name: "invalidateReports",
        tag: "Operations",
        summary: "Withdraw many reports: those of a tester, or those named",
        description: "With `dry_run` it tells how many they are and some of their ids, and changes nothing. A request \
                      withdraws 20,000 at most; while `remaining` is not 0, send it again. Needs a token with the \
                      scope admin.",
        answer: ("200", "application/json", "InvalidationView"),
        problems: &["400", "401", "403", "404"],
        body: Some("InvalidationOrder"),
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/text",
        name: "reportText",
        summary: "A report as people read it",
        description: "That of a withdrawn report has the header `Assay-Withdrawn`; 410 once its bytes are purged.",
        parameters: &["id"],
        answer: ("200", "text/plain", "text"),
        problems: &["400", "404", "410"],
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/raw",
        name: "reportRaw",
        summary: "A report byte for byte as submitted",
        description: "The bytes of a JSON report hold its tester's address: on a server that others can reach, a \
                      token with the scope read is needed.",
        parameters: &["id"],
        answer: ("200", "application/octet-stream", "text"),
        problems: &["400", "401", "403", "404", "410"],
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/receipt",
        name: "receipt",
        tag: "Submitting",
        summary: "What became of a submission",
        description: "With `wait`, the answer is held until the report is settled.",
        parameters: &["id", "wait"],
        answer: ("200", "application/json", "ReceiptView"),
        ..READ
    },
    Operation {
        path: "/v4/releases/{distribution}",
        name: "releases",
        summary: "All releases of a distribution, newest first",
        parameters: &["distribution", "language"],
        answer: ("200", "application/json", "DistributionView"),
        ..READ
    },
    Operation {
        path: "/v4/releases/{distribution}/{version}",
        name: "release",
        summary: "One release and its counts",
        parameters: &["distribution", "version", "language"],
        answer: ("200", "application/json", "ReleaseView"),
        ..READ
    },
    Operation {
        path: "/v4/distributions/{distribution}",
        name: "distribution",
        summary: "A distribution and its releases",
        parameters: &["distribution", "language"],
        answer: ("200", "application/json", "DistributionView"),
        ..READ
    },
    Operation {
        path: "/v4/authors/{id}",
        name: "author",
        summary: "An author's distributions, the newest release of each",
        parameters: &["author"],
        answer: ("200", "application/json", "AuthorView"),
        problems: &["404"],
        ..READ
    },
    Operation {
        path: "/v4/testers/{id}",
        name: "tester",
        summary: "A tester, counts and newest reports",
        parameters: &["tester"],
        answer: ("200", "application/json", "TesterView"),
        problems: &["404"],
        ..READ
    },
    Operation {
        path: "/v4/matrix/{distribution}",
        name: "distributionMatrix",
        summary: "Grades of a distribution by one to three axes",
        parameters: &["distribution", "axes", "language"],
        answer: ("200", "application/json", "MatrixView"),
        ..READ
    },
    Operation {
        path: "/v4/matrix/{distribution}/{version}",
        name: "releaseMatrix",
        summary: "Grades of a release by one to three axes",
        parameters: &["distribution", "version", "axes", "language"],
        answer: ("200", "application/json", "MatrixView"),
        ..READ
    },
    Operation {
        path: "/v4/summaries",
        name: "summaries",
        tag: "Lists",
        summary: "Counts of releases",
        description: "A page as JSON; the whole list, streamed, with `Accept: application/x-ndjson`. `since` selects \
                      by the time of change. Asked for as a \
                      WebSocket, it sends a text frame for each summary that changes, as in `/v4/changes`, from the change \
                      number `after` on, or from now; the filters hold there too.",
        parameters: &["language", "by_distribution", "by_version", "by_author", "maturity", "since", "cursor", "limit"],
        answer: ("200", "application/json", "Page_SummaryView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/results",
        name: "results",
        tag: "Lists",
        summary: "Processed reports as rows, newest first",
        description: "A page as JSON; the whole list, streamed, with `Accept: application/x-ndjson`. `since` selects \
                      by the time of receipt, `changed_since` by the time of change. Asked for as a \
                      WebSocket, it sends a text frame for each result that changes, as in `/v4/changes`, from the change \
                      number `after` on, or from now; the filters hold there too, \
                      but for removals, which are told to all.",
        parameters: &[
            "language",
            "by_distribution",
            "by_version",
            "by_author",
            "by_tester",
            "grade",
            "language_version",
            "os",
            "architecture",
            "since",
            "changed_since",
            "cursor",
            "limit",
        ],
        answer: ("200", "application/json", "Page_ResultView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/changes",
        name: "changes",
        tag: "Lists",
        summary: "The change feed",
        description: "Every row that changed after the cursor, in commit order, as it is now; rows that are gone come \
                      with `removed` and no value. Without `after` it begins at the beginning. `wait` holds the answer \
                      for up to that many seconds until there is a change. As NDJSON it runs up to the newest change; \
                      the number of the last line is the cursor to go on from.",
        parameters: &["after", "wait", "limit"],
        answer: ("200", "application/json", "ChangesView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/search",
        name: "search",
        tag: "Lists",
        summary: "Reports by text and fields",
        description: "The query language is described at /docs/search.",
        parameters: &["q", "order", "cursor", "limit"],
        answer: ("200", "application/json", "SearchView"),
        problems: &["400", "503"],
        ..READ
    },
    Operation {
        path: "/v4/status",
        name: "status",
        tag: "Operations",
        summary: "How the service itself is doing",
        answer: ("200", "application/json", "StatusView"),
        problems: &["503"],
        ..READ
    },
    Operation {
        path: "/v4/jobs",
        name: "jobs",
        tag: "Operations",
        summary: "Jobs, newest first",
        description: "A job is a group of reports that are processed together.",
        parameters: &["job_state", "after", "limit"],
        answer: ("200", "application/json", "Page_JobView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/jobs/{number}",
        name: "job",
        tag: "Operations",
        summary: "A job, each attempt at it, and its reports",
        parameters: &["job"],
        answer: ("200", "application/json", "JobDetailView"),
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/jobs/{number}/retry",
        name: "retryJob",
        tag: "Operations",
        summary: "Try a job again",
        description: "Parked reports of it are tried again in a job of their own, with as many attempts as any; a job \
                      that waits for its next attempt is tried at once. Answers with the job that will run. Needs a \
                      token with the scope admin.",
        parameters: &["job"],
        answer: ("202", "application/json", "JobDetailView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/jobs/{number}/park",
        name: "parkJob",
        tag: "Operations",
        summary: "Park the reports of a job that have no outcome yet",
        description: "They are kept, and can be tried again. Needs a token with the scope admin.",
        parameters: &["job"],
        answer: ("200", "application/json", "JobDetailView"),
        problems: &["400", "401", "403", "404", "409"],
        body: Some("ParkOrder"),
    },
    Operation {
        method: "post",
        path: "/v4/jobs/retry",
        name: "retryAllJobs",
        tag: "Operations",
        summary: "Try every parked report again",
        description: "Needs a token with the scope admin.",
        answer: ("202", "application/json", "RetriedView"),
        problems: &["401", "403"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/reports/{id}/retry",
        name: "retryReport",
        tag: "Operations",
        summary: "Try one parked report again",
        description: "Needs a token with the scope admin.",
        parameters: &["id"],
        answer: ("202", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "put",
        path: "/v4/workers",
        name: "resizeWorkers",
        tag: "Operations",
        summary: "Change how many jobs run at the same time",
        description: "0 holds them. Needs a token with the scope admin.",
        answer: ("200", "application/json", "Workers"),
        problems: &["400", "401", "403", "413", "415", "422"],
        body: Some("Workers"),
        ..READ
    },
    Operation {
        path: "/v4/tokens",
        name: "tokens",
        tag: "Operations",
        summary: "List tokens, never their secrets",
        description: "Needs a token with the scope admin.",
        answer: ("200", "application/json", "object"),
        problems: &["401", "403"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/tokens",
        name: "issueToken",
        tag: "Operations",
        summary: "Issue a token; its text is shown this once",
        description: "Needs a token with the scope admin.",
        answer: ("201", "application/json", "IssuedView"),
        problems: &["400", "401", "403", "413", "415", "422"],
        body: Some("TokenOrder"),
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/tokens/{id}/rotate",
        name: "rotateToken",
        tag: "Operations",
        summary: "Replace a token by a new one with the same rights",
        description: "Needs a token with the scope admin. The old one stops working.",
        parameters: &["token"],
        answer: ("201", "application/json", "IssuedView"),
        problems: &["401", "403", "404"],
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/tokens/{id}",
        name: "revokeToken",
        tag: "Operations",
        summary: "End a token at once",
        description: "Needs a token with the scope admin.",
        parameters: &["token"],
        answer: ("204", "", ""),
        problems: &["401", "403", "404"],
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/testers/{id}/secret",
        name: "forgetSecret",
        tag: "Operations",
        summary: "Forget the secret of a legacy tester who lost it",
        description: "Needs a token with the scope admin. The next secret used with the profile is kept as its own.",
        parameters: &["tester"],
        answer: ("204", "", ""),
        problems: &["401", "403", "404"],
        ..READ
    },
];

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
        "410" => "The report was withdrawn and its bytes purged.",
        "413" => "The body is too large.",
        "415" => "The body's type or encoding is not supported.",
        "422" => "The body is not valid; each fault of a report is listed with its place.",
        "429" => "Too much is waiting, or one sender sends too fast; `Retry-After` says when to come again.",
        _ => "A part is not available now.",
    }
}

/// A parameter by its name in the table, which differs from its own where one name has two meanings.
fn parameter(name: &str) -> Value {
    let text = json!({"type": "string"});
    let (place, own, about, schema) = match name {
        "reason" => ("query", "reason", "Why, in words that everybody may read; required.", text),
        "as" => (
            "query",
            "as",
            "`retracted` when left out; `invalid` is for operators.",
            json!({"type": "string", "enum": ["retracted", "invalid"]}),
        ),
        "body" => (
            "query",
            "body",
            "What becomes of the bytes: `keep` when left out. The digest stays in either case.",
            json!({"type": "string", "enum": ["keep", "purge"]}),
        ),
        "id" => ("path", "id", "The report's id.", json!({"type": "string", "format": "uuid"})),
        "distribution" => ("path", "distribution", "Name of the distribution, as `Foo-Bar`.", text),
        "version" => ("path", "version", "Version of the release.", text),
        "author" => ("path", "id", "The author's CPAN id.", text),
        "tester" => ("path", "id", "The tester's public id.", text),
        "token" => ("path", "id", "The token's id.", text),
        "job" => ("path", "number", "The job's number.", json!({"type": "integer", "minimum": 1})),
        "job_state" => (
            "query",
            "state",
            "In this state.",
            json!({"type": "string", "enum": ["waiting", "running", "done", "parked"]}),
        ),
        "prefer" => ("header", "Prefer", "`wait=N`: hold the answer for up to N seconds, at most 60.", text),
        "wait" => ("query", "wait", "Seconds to wait, at most 60.", json!({"type": "integer", "minimum": 0})),
        "language" => (
            "query",
            "language",
            "The language; perl when left out of a single release.",
            json!({"type": "string", "enum": ["perl", "raku"]}),
        ),
        "axes" => (
            "query",
            "axes",
            "One to three of version, language_version, os, architecture, by commas; \
            `language_version,os` when left out.",
            text,
        ),
        "by_distribution" => ("query", "distribution", "Of this distribution.", text),
        "by_version" => ("query", "version", "Of this version.", text),
        "by_author" => ("query", "author", "Of distributions of this author.", text),
        "by_tester" => ("query", "tester", "Of this tester, by public id.", text),
        "grade" => {
            ("query", "grade", "With this grade.", json!({"type": "string", "enum": ["pass", "fail", "na", "unknown"]}))
        }
        "language_version" => ("query", "language_version", "On this language version, as reported.", text),
        "os" => ("query", "os", "On this operating system, by canonical name.", text),
        "architecture" => ("query", "architecture", "On this architecture.", text),
        "maturity" => (
            "query",
            "maturity",
            "Of releases of this maturity.",
            json!({"type": "string", "enum": ["stable", "developer"]}),
        ),
        "since" => ("query", "since", "At this moment or later (RFC 3339, or a date).", text),
        "changed_since" => ("query", "changed_since", "Changed at this moment or later.", text),
        "cursor" => ("query", "cursor", "The `next` of an earlier page.", text),
        "after" => ("query", "after", "The `next` of an earlier answer.", text),
        "limit" => ("query", "limit", "Items at most.", json!({"type": "integer", "minimum": 1})),
        "q" => ("query", "q", "What to look for.", text),
        "order" => {
            ("query", "order", "`relevance` when left out.", json!({"type": "string", "enum": ["relevance", "newest"]}))
        }
        other => unreachable!("{other} is not a parameter of the table"),
    };
    json!({"in": place, "name": own, "description": about, "required": place == "path", "schema": schema})
}

/// The shape of a report as submitted (contract §2.1). Fields beyond these are kept.
fn report_shape() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "required": ["reporter", "environment", "distribution", "result"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "Chosen by the sender; makes sending again safe."},
            "created": {"type": "string", "format": "date-time"},
            "reporter": {"type": "object", "required": ["email"], "properties": {"name": text, "email": text}},
            "environment": {
                "type": "object",
                "required": ["language", "system"],
                "properties": {
                    "user_agent": text,
                    "toolchain": texts,
                    "language": {
                        "type": "object",
                        "required": ["name", "version", "archname"],
                        "properties": {
                            "name": {"enum": ["Perl 5", "Perl 6", "perl", "raku"]},
                            "version": text, "archname": text, "build": text, "commit_id": text,
                            "variables": {"type": "object"}, "implementation": text,
                            "backend": {"type": "object", "properties": {"engine": text, "version": text}},
                        },
                    },
                    "system": {
                        "type": "object",
                        "required": ["osname"],
                        "properties": {
                            "osname": text, "osversion": text, "hostname": text, "cpu_count": text, "cpu_type": text,
                            "cpu_description": text, "filesystem": text, "variables": {"type": "object"},
                        },
                    },
                },
            },
            "distribution": {
                "type": "object",
                "required": ["name", "version"],
                "properties": {
                    "name": text, "version": text,
                    "path": {"type": "string", "description": "AUTHOR/Archive-1.0.tar.gz"},
                    "prerequisites": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["phase", "name", "need"],
                            "properties": {"phase": text, "name": text, "need": text, "have": text},
                        },
                    },
                },
            },
            "result": {
                "type": "object",
                "required": ["grade", "output"],
                "properties": {
                    "grade": {"enum": ["pass", "fail", "na", "unknown"]},
                    "output": {
                        "type": "object",
                        "properties": {
                            "uncategorized": text, "configure": text, "build": text, "test": text, "install": text,
                        },
                    },
                    "tests": count, "failures": count, "skipped": count, "warnings": count,
                    "todo": {"type": "object", "properties": {"pass": count, "fail": count}},
                    "duration": {"type": "number", "minimum": 0},
                },
            },
            "comments": {},
        },
    })
}
