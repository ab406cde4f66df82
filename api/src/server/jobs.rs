//! `/v4/jobs`: the work behind the reports, listed and shown; retried and parked with the scope admin.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::jobs::{JobError, Jobs};
use pipeline::store::{GroupNumber, Scope};
use schemas::views::Page;
use schemas::views::jobs::{JobDetailView, JobState, JobView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::intake::credentials::demand;
use super::problems::ApiError;
use super::reading::limit;
use super::reading::reports::{id_of, missing};

/// Which jobs the list shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    state: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

impl Asked {
    pub fn state(&self) -> Result<Option<JobState>, ApiError> {
        let Some(said) = self.state.as_deref() else { return Ok(None) };
        let state = JobState::ALL.into_iter().find(|state| state.as_str() == said);
        state.map(Some).ok_or_else(|| ApiError::parameter("state", "expected waiting, running, done or parked"))
    }

    /// The cursor, as it was said.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    fn before(&self) -> Result<Option<i64>, ApiError> {
        let number = self.after.as_deref().map(str::parse).transpose();
        number.map_err(|_| ApiError::parameter("after", "expected the `next` of an earlier page"))
    }
}

/// Why a job is parked.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParkOrder {
    /// What the senders of its reports get to read, in 1 to 500 characters.
    pub reason: String,
}

/// Characters of a reason at most.
const LONGEST_REASON: usize = 500;

/// `GET /v4/jobs`
pub async fn list(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    let page = read(&app, &asked, 100).await?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(page)).into_response())
}

/// A page of jobs; `usual` is its size when none is asked for.
pub async fn read(app: &App, asked: &Asked, usual: usize) -> Result<Page<JobView>, ApiError> {
    let (state, before) = (asked.state()?, asked.before()?);
    let limit = limit(app, asked.limit.as_deref(), usual)?;
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let mut items = app.readers.jobs(state, before, limit as i64 + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.number.to_string());
    Ok(Page { items, next, freshness })
}

/// `GET /v4/jobs/{number}`
pub async fn job(State(app): State<Arc<App>>, Path(number): Path<String>) -> Result<Response, ApiError> {
    let view = find(&app, number_of(&number)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(view)).into_response())
}

pub async fn find(app: &App, number: GroupNumber) -> Result<JobDetailView, ApiError> {
    app.readers.job(number).await?.ok_or_else(|| JobError::NoJob(number.0).into())
}

/// A job's number in a path.
pub fn number_of(text: &str) -> Result<GroupNumber, ApiError> {
    let number = text.parse().ok().filter(|number| *number > 0).map(GroupNumber);
    number.ok_or_else(|| ApiError::parameter("number", "expected the number of a job"))
}

/// `POST /v4/jobs/{number}/retry`
pub async fn retry(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let again = orders(&app).retry(number_of(&number)?).await?;
    tracing::info!(job = %number, again = again.0, "a job is tried again by order");
    let place = HeaderValue::from_str(&format!("/v4/jobs/{}", again.0)).expect("a path of letters and digits");
    let fixed = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (header::LOCATION, place)];
    Ok((StatusCode::ACCEPTED, fixed, Json(find(&app, again).await?)).into_response())
}

/// `POST /v4/jobs/retry`
pub async fn retry_all(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let retried = orders(&app).retry_all().await?;
    tracing::info!(reports = retried.reports, jobs = retried.jobs, "all that was parked is tried again by order");
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], Json(retried)).into_response())
}

/// `POST /v4/jobs/{number}/park`
pub async fn park(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    headers: HeaderMap,
    order: Result<Json<ParkOrder>, JsonRejection>,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let number = number_of(&number)?;
    let Json(order) = order.map_err(|rejection| ApiError::syntax(rejection.body_text()))?;
    let reason = order.reason.trim();
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
        return Err(ApiError::parameter("reason", format!("expected 1 to {LONGEST_REASON} characters")));
    }
    let reports = orders(&app).park(number, reason).await?;
    tracing::info!(job = number.0, reports, reason, "a job was parked by order");
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(find(&app, number).await?)).into_response())
}

/// `POST /v4/reports/{id}/retry`
pub async fn retry_report(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let id = id_of(&id)?;
    let again = orders(&app).retry_report(id).await?;
    tracing::info!(report.id = %id, again = again.0, "a report is tried again by order");
    let receipt = app.readers.receipt(id).await?.ok_or_else(|| missing(id))?;
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], Json(receipt)).into_response())
}

fn orders(app: &App) -> Jobs {
    let readers = &app.readers;
    Jobs { store: readers.store.clone(), clock: readers.clock.clone(), events: app.events.clone() }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::NoJob(_) | JobError::NoReport(_) => ApiError::not_found(error.to_string()),
            JobError::Unfit(detail) => ApiError::unfit(detail),
            JobError::Store(error) => error.into(),
        }
    }
}
