//! `POST /v4/reports`: one report, or many as NDJSON.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pipeline::accept::Acceptance;
use pipeline::intake::{Credential, Offer, Taken};
use pipeline::readers::fresh_receipt;
use pipeline::store::Door;
use schemas::ids::ReportId;
use schemas::report::{Dialect, Invalid, Report};
use schemas::views::{LineView, ReceiptView, State as Stage};
use uuid::Uuid;

use super::body::{self, BodyFault};
use super::credentials::submitter;
use crate::server::App;
use crate::server::limits::sender::Sender;
use crate::server::problems::ApiError;
use crate::server::reading::receipts::settled;

/// Longest `Prefer: wait`, in seconds.
const LONGEST_WAIT: u64 = 60;

/// NDJSON above this is read off the request's thread.
const LONG: usize = 64 * 1024;

pub async fn submit(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    app.limits.admit(&sender).await?;
    let credential = submitter(&app, &headers).await?;
    if !credential.shown() && !app.rules.anonymous {
        return Err(ApiError::unauthorized("reports are taken with a token; ask the operator for one"));
    }
    let kind = Kind::of(&headers)?;
    let bytes = body::whole(&app, &headers, body).await?;
    // What is under way keeps its share of the memory for bodies until it is answered.
    let _held = bytes.clone();
    match kind {
        Kind::One => one(&app, &sender, &credential, &headers, bytes).await,
        Kind::Many => many(&app, &sender, &credential, bytes).await,
    }
}

/// What the body claims to be.
enum Kind {
    One,
    Many,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Kind, ApiError> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Kind::One) };
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Kind::One),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Kind::Many),
            _ => Err(ApiError::media_type(format!(
                "the content type {text:?} is not supported: send application/json, or application/x-ndjson for many"
            ))),
        }
    }
}

async fn one(
    app: &App,
    sender: &Sender,
    credential: &Credential,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let offer = match offer(app, credential, bytes).await {
        Ok(offer) => offer,
        Err(error) => {
            app.measures.count_refusal(Door::V4);
            return Err(error);
        }
    };
    app.limits.count_whose(sender, &offer.whose, credential.shown(), 1).await?;
    let (id, digest) = (offer.id, offer.digest);
    let now = app.readers.clock.now();
    let (status, fresh) = match app.intake.take(offer).await? {
        Taken::Stored(Acceptance::Accepted) => (StatusCode::ACCEPTED, Some((Stage::Accepted, 1, now))),
        Taken::Stored(Acceptance::Corrected { revision }) => {
            (StatusCode::ACCEPTED, Some((Stage::Accepted, revision, now)))
        }
        Taken::Stored(Acceptance::Duplicate) => (StatusCode::OK, None),
        Taken::Stored(Acceptance::Conflict { stored }) => return Err(taken(id, digest, stored)),
        Taken::Stored(Acceptance::Withdrawn { stored }) => return Err(withdrawn(id, digest, stored)),
        Taken::Spooled { received_at, again } => {
            let status = if again { StatusCode::OK } else { StatusCode::ACCEPTED };
            (status, Some((Stage::Spooled, 0, received_at)))
        }
    };
    let wait = wait_of(headers);
    let receipt = match (wait, fresh) {
        (None, Some((state, revision, received_at))) => {
            ReceiptView { revision, ..fresh_receipt(id, state, digest, received_at) }
        }
        _ => {
            let receipt = settled(app, id, wait.unwrap_or_default()).await?;
            receipt.ok_or_else(|| ApiError::not_found("the receipt of the report is not there"))?
        }
    };
    let status = if receipt.state.settled() { StatusCode::OK } else { status };
    let location = HeaderValue::from_str(&format!("/v4/reports/{id}/receipt")).expect("an id is hexadecimal digits");
    let mut response = (status, [(header::LOCATION, location)], Json(receipt)).into_response();
    if let Some(wait) = wait {
        let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs())).expect("digits");
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// `Prefer: wait=N` (RFC 7240 §4.3), at most a minute.
pub fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = values
        .flat_map(|value| value.split(','))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim_matches('"').parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

fn taken(id: ReportId, digest: impl std::fmt::Display, stored: impl std::fmt::Display) -> ApiError {
    ApiError::conflict(format!(
        "report {id} was sent by another tester with other content: digest {stored} is stored, {digest} was sent"
    ))
}

fn withdrawn(id: ReportId, digest: impl std::fmt::Display, stored: impl std::fmt::Display) -> ApiError {
    ApiError::withdrawn(format!(
        "report {id} was withdrawn and is not corrected: digest {stored} is stored, {digest} was sent; its receipt \
         says why, and an operator can put it back"
    ))
}

/// Reads and attributes one report.
async fn offer(app: &App, credential: &Credential, bytes: Bytes) -> Result<Offer, ApiError> {
    let report = parse(&bytes)?;
    attribute(app, credential, report, bytes).await
}

fn parse(bytes: &[u8]) -> Result<Report, ApiError> {
    Report::parse(bytes, Dialect::V4).map_err(|error| match error {
        Invalid::Syntax(_) => ApiError::syntax(error.to_string()),
        Invalid::Faults(faults) => ApiError::invalid_report(faults),
    })
}

async fn attribute(app: &App, credential: &Credential, report: Report, bytes: Bytes) -> Result<Offer, ApiError> {
    let whose = app.intake.whose(credential, &report.reporter).await?;
    let id = report.id.unwrap_or_else(|| ReportId(Uuid::new_v4()));
    Ok(Offer::new(id, Door::V4, whose, bytes))
}

/// Many reports, one a line; each line has its own answer, in the order of the lines.
async fn many(app: &App, sender: &Sender, credential: &Credential, bytes: Bytes) -> Result<Response, ApiError> {
    let lines = match bytes.len() > LONG {
        false => parse_lines(&bytes),
        true => tokio::task::spawn_blocking(move || parse_lines(&bytes)).await.expect("parsing does not panic"),
    };
    if lines.is_empty() {
        return Err(ApiError::syntax("there is no report in the body: expected one JSON object a line"));
    }
    // The first was counted when the request was admitted.
    app.limits.count_reports(sender, lines.len() - 1).await?;
    let mut views = Vec::with_capacity(lines.len());
    let mut offers = Vec::with_capacity(lines.len());
    for (line, bytes, parsed) in lines {
        let attributed = match parsed {
            Ok(report) => attribute(app, credential, report, bytes).await,
            Err(error) => Err(error),
        };
        match attributed {
            Ok(offer) => offers.push((views.len(), offer)),
            Err(error) if error.status().is_server_error() => return Err(error),
            Err(_) => app.measures.count_refusal(Door::V4),
        }
        views.push(line);
    }
    let (places, offers): (Vec<usize>, Vec<Offer>) = offers.into_iter().unzip();
    app.limits.count_all(sender, offers.iter().map(|offer| &offer.whose), credential.shown()).await?;
    let sent: Vec<_> = offers.iter().map(|offer| (offer.id, offer.digest)).collect();
    let all_taken = app.intake.take_all(offers).await?;
    for ((place, (id, digest)), taken) in places.into_iter().zip(sent).zip(all_taken) {
        answer_line(&mut views[place], id, digest, &taken);
    }
    let mut answer = Vec::with_capacity(views.len() * 160);
    for view in &views {
        serde_json::to_writer(&mut answer, view).expect("a view is made of texts and numbers");
        answer.push(b'\n');
    }
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/x-ndjson")], answer).into_response())
}

/// A line's answer so far, its bytes, and its report or what is wrong with it.
pub type Line = (LineView, Bytes, Result<Report, ApiError>);

pub fn parse_lines(bytes: &Bytes) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed = parse(line);
        let mut view = LineView {
            line: index + 1,
            outcome: "rejected".to_owned(),
            status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
            id: None,
            receipt: None,
            detail: None,
            errors: Vec::new(),
        };
        if let Err(error) = &parsed {
            view.status = error.status().as_u16();
            view.detail = Some(error.detail().to_owned());
            view.errors = error.faults().to_vec();
        }
        lines.push((view, bytes.slice_ref(line), parsed));
    }
    lines
}

fn answer_line(view: &mut LineView, id: ReportId, digest: schemas::ids::Digest, answer: &Taken) {
    let (outcome, status) = match answer {
        Taken::Spooled { again: false, .. } => ("spooled", StatusCode::ACCEPTED),
        Taken::Spooled { again: true, .. } => ("spooled", StatusCode::OK),
        Taken::Stored(Acceptance::Accepted) => ("accepted", StatusCode::ACCEPTED),
        Taken::Stored(Acceptance::Duplicate) => ("duplicate", StatusCode::OK),
        Taken::Stored(Acceptance::Corrected { .. }) => ("corrected", StatusCode::ACCEPTED),
        Taken::Stored(Acceptance::Conflict { stored }) => {
            view.detail = Some(taken(id, digest, stored).detail().to_owned());
            ("conflict", StatusCode::CONFLICT)
        }
        Taken::Stored(Acceptance::Withdrawn { stored }) => {
            view.detail = Some(withdrawn(id, digest, stored).detail().to_owned());
            ("conflict", StatusCode::CONFLICT)
        }
    };
    view.outcome = outcome.to_owned();
    view.status = status.as_u16();
    view.id = Some(id.to_string());
    view.receipt = Some(format!("/v4/reports/{id}/receipt"));
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge { limit } => ApiError::too_large(limit),
            BodyFault::Encoding(_) => ApiError::media_type(fault.to_string()),
            BodyFault::Packed(_) | BodyFault::Short => ApiError::syntax(fault.to_string()),
            BodyFault::Slow => ApiError::timeout(fault.to_string()),
            BodyFault::Crowded => ApiError::unavailable(fault.to_string()),
        }
    }
}
