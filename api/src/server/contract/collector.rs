//! The collector's routes: reports in and out by id, and the ids received in a day, an hour or a minute
//! (contract §1.7).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use pipeline::accept::Acceptance;
use pipeline::intake::{Offer, Taken};
use pipeline::store::Door;
use schemas::ids::ReportId;
use schemas::report::{Dialect, Invalid, Report};
use serde_json::{Value, json};
use uuid::Uuid;

use super::list::{self, PIECE, Piece};
use super::refusal::Refusal;
use super::report::document;
use crate::server::App;
use crate::server::intake::{body, credentials::submitter};
use crate::server::limits::sender::Sender;
use crate::server::problems::ApiError;
use crate::server::reading::JSON;

/// The schema of what is taken, as `GET /schema/v1/report.json` gives it.
const SCHEMA: &str = include_str!("collector-report.schema.json");

pub async fn schema() -> Response {
    ([(header::CONTENT_TYPE, JSON)], SCHEMA).into_response()
}

/// `POST /v1/report`
pub async fn submit(State(app): State<Arc<App>>, sender: Sender, headers: HeaderMap, body: Body) -> Response {
    answered(&app, take(&app, &sender, &headers, body, None).await)
}

/// `POST /v1/report/{uuid}`: the path's id, whatever the body says.
pub async fn submit_as(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let taken = match id.parse::<ReportId>() {
        Ok(id) => take(&app, &sender, &headers, body, Some(id)).await,
        Err(error) => Err(refuse(StatusCode::BAD_REQUEST, &[("/id".to_owned(), error.to_string())])),
    };
    answered(&app, taken)
}

fn answered(app: &App, taken: Result<ReportId, Response>) -> Response {
    match taken {
        Ok(id) => (StatusCode::CREATED, Json(json!([id]))).into_response(),
        Err(answer) => {
            if answer.status().is_client_error() {
                app.measures.count_refusal(Door::V4);
            }
            answer
        }
    }
}

async fn take(
    app: &App,
    sender: &Sender,
    headers: &HeaderMap,
    body: Body,
    id: Option<ReportId>,
) -> Result<ReportId, Response> {
    app.limits.admit(sender).await.map_err(failed)?;
    let credential = submitter(app, headers).await.map_err(failed)?;
    if !credential.shown() && !app.rules.anonymous {
        return Err(failed(ApiError::unauthorized("a credential is needed")));
    }
    let bytes = body::whole(app, headers, body)
        .await
        .map_err(|fault| refuse(fault.status(), &[("/".to_owned(), fault.to_string())]))?;
    if bytes.is_empty() {
        return Err((StatusCode::BAD_REQUEST, Json(json!({"error": "No content"}))).into_response());
    }
    // What the collector takes is what the door of v4 takes: the same names of languages, the same optional id.
    let report =
        Report::parse(&bytes, Dialect::V4).map_err(|invalid| refuse(StatusCode::BAD_REQUEST, &faults(invalid)))?;
    let whose = app.intake.whose(&credential, &report.reporter).await.map_err(|error| failed(error.into()))?;
    app.limits.count_whose(sender, &whose, credential.shown(), 1).await.map_err(failed)?;
    // What is under way keeps its share of the memory for bodies until it is stored.
    let _held = bytes.clone();
    let id = id.or(report.id).unwrap_or_else(|| ReportId(Uuid::new_v4()));
    match app.intake.take(Offer::new(id, Door::V4, whose, bytes)).await {
        Ok(Taken::Stored(Acceptance::Conflict { .. })) => {
            let text = "another report has this id, and its tester is not the sender".to_owned();
            Err(refuse(StatusCode::CONFLICT, &[("/id".to_owned(), text)]))
        }
        Ok(_) => Ok(id),
        Err(error) => Err(failed(error.into())),
    }
}

fn faults(invalid: Invalid) -> Vec<(String, String)> {
    match invalid {
        Invalid::Syntax(text) => vec![("/".to_owned(), text)],
        Invalid::Faults(faults) => faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect(),
    }
}

/// Paths and messages in the shape of the collector's document.
fn refuse(status: StatusCode, faults: &[(String, String)]) -> Response {
    let errors: Vec<Value> = faults.iter().map(|(path, message)| json!({"message": message, "path": path})).collect();
    (status, Json(json!({"errors": errors}))).into_response()
}

fn failed(error: ApiError) -> Response {
    Refusal::Failed(error).into_response()
}

/// `GET /v1/report/{uuid}`
pub async fn report(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(match document(&app, &id, ["perl", "raku"]).await? {
        Some(report) => Json(report).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"error": "Not Found"}))).into_response(),
    })
}

/// `GET /v1/timestamp/{year}/{month}/{day}[/{hour}[/{minute}]]`: ids by time of receipt, in UTC.
pub async fn received(
    State(app): State<Arc<App>>,
    Path(parts): Path<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let parts: Vec<&str> = parts.iter().map(|(_, value)| value.as_str()).collect();
    let Some((from, end)) = span(&parts) else {
        let text = format!(
            "{} is no day, hour or minute such as 2026/11/21, 2026/11/21/08 or 2026/11/21/08/30",
            parts.join("/")
        );
        return Ok(refuse(StatusCode::BAD_REQUEST, &[("/".to_owned(), text)]));
    };
    let fetch = move |after| {
        let app = Arc::clone(&app);
        async move {
            let rows = app.readers.store.ids_received(from, end, after, PIECE).await?;
            let more = rows.len() as i64 == PIECE;
            let next = rows.last().filter(|_| more).map(|(at, number, _)| Some((*at, *number)));
            Ok(Piece::of(rows.into_iter().map(|(_, _, id)| id), next))
        }
    };
    let empty = || ([(header::CONTENT_TYPE, JSON)], "[]").into_response();
    Ok(list::array(fetch, None).await?.unwrap_or_else(empty))
}

/// The first moment of a day, hour or minute, and that of the next.
fn span(parts: &[&str]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let [year, rest @ ..] = parts else { return None };
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year, 4) || !rest.iter().all(|part| digits(part, 2)) {
        return None;
    }
    let numbers: Vec<u32> = rest.iter().map_while(|part| part.parse().ok()).collect();
    let (date, hour, minute, length) = match *numbers.as_slice() {
        [month, day] => ((month, day), 0, 0, TimeDelta::days(1)),
        [month, day, hour] => ((month, day), hour, 0, TimeDelta::hours(1)),
        [month, day, hour, minute] => ((month, day), hour, minute, TimeDelta::minutes(1)),
        _ => return None,
    };
    let from = NaiveDate::from_ymd_opt(year.parse().ok()?, date.0, date.1)?.and_hms_opt(hour, minute, 0)?.and_utc();
    Some((from, from.checked_add_signed(length)?))
}
