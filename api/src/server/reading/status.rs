//! `GET /v4/status`, `/healthz`, `/readyz`, `/metrics`: how assay itself is doing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use pipeline::measures::Measures;
use pipeline::store::Scope;
use prometheus::{Encoder as _, TextEncoder};
use schemas::grade::Counts;
use schemas::views::Freshness;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::server::App;
use crate::server::asking::{self, Held};
use crate::server::intake::credentials::demand;
use crate::server::problems::ApiError;

/// How assay itself is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    pub version: String,
    pub started_at: DateTime<Utc>,
    /// Jobs that may run at the same time; 0 holds them.
    pub workers: usize,
    /// Over all processed reports.
    pub totals: Counts,
    /// Absent when this server runs without search.
    pub index: Option<IndexStatus>,
    /// Bytes of the database file.
    pub database_bytes: i64,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// How far the document index has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndexStatus {
    /// False while the index cannot be asked; the figures are those of an empty one then.
    pub working: bool,
    pub documents: u64,
    /// Change number up to which it is complete.
    pub mark: i64,
    /// Changes it has still to take in.
    pub lag: i64,
}

/// `GET /v4/status`
pub async fn status(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let view = read(&app).await?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(view)).into_response())
}

pub async fn read(app: &App) -> Result<StatusView, ApiError> {
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let index = app.index_held().await.map(|held| {
        let Held { documents, mark } = held.unwrap_or(Held { documents: 0, mark: 0 });
        IndexStatus { working: held.is_some(), documents, mark, lag: (freshness.head - mark).max(0) }
    });
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: app.started_at,
        workers: app.gate.workers(),
        totals: app.readers.store.totals().await?,
        index,
        database_bytes: app.readers.store.size().await?,
        freshness,
    })
}

/// How many jobs are to run at the same time.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Workers {
    pub workers: usize,
}

/// `PUT /v4/workers`: changes the number of jobs that may run at the same time, from now on. Needs the scope admin.
pub async fn resize(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    order: Result<Json<Workers>, JsonRejection>,
) -> Result<Response, ApiError> {
    // Who may not ask is told so, before what is wrong with the question.
    demand(&app, &headers, Scope::Admin).await?;
    let Json(order) = order.map_err(|rejection| ApiError::refused(rejection.status(), &rejection.body_text()))?;
    if order.workers > pipeline::queue::MOST_WORKERS {
        let detail = format!("expected a number from 0 to {}", pipeline::queue::MOST_WORKERS);
        return Err(ApiError::parameter("workers", detail));
    }
    app.gate.resize(order.workers);
    tracing::info!(workers = order.workers, "the number of workers was changed");
    Ok(Json(Workers { workers: app.gate.workers() }).into_response())
}

/// `GET /healthz`: this process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: every part a request needs answers.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    // All at once: a proxy does not wait for long, and takes a node that says nothing for one that is gone.
    let (database, index, redis) =
        futures::join!(app.briefly(app.readers.store.head()), app.index_mark(), app.redis.answers());
    let database = database.is_some();
    let spool = app.spool_level();
    let index = asking::word(&index);
    // A failing index delays search alone, and without the database reports are spooled: neither takes the node out of
    // service.
    let fault = match (app.leaving.is_cancelled(), database, spool) {
        // Requests are still answered, but whoever chooses among nodes had better choose another.
        (true, ..) => Some("this node is about to stop"),
        (false, true, _) => None,
        (false, false, None) => Some("the database does not answer"),
        (false, false, Some(level)) if level.full => Some("the database is away and the spool is full"),
        (false, false, Some(_)) => None,
    };
    let status = fault.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    // Nor does a disk nearly full: readers go on, and intake says by itself that it does not.
    let disk = if app.limits.pressure.disk_full() { "nearly full" } else { "ok" };
    let full = !database && spool.is_none_or(|level| level.full);
    let intake = if app.limits.pressure.check().is_ok() && !full { "open" } else { "closed" };
    let database = match (database, spool) {
        (true, _) => "ok",
        (false, None) => "failing",
        (false, Some(_)) => "away",
    };
    let mut parts = serde_json::json!({"database": database, "index": index, "disk": disk, "intake": intake});
    if let Some(level) = spool {
        parts["spooling"] = level.reports.into();
        parts["spool"] = if level.full { "full" } else { "ok" }.into();
    }
    if let Some(fault) = fault {
        parts["error"] = fault.into();
    }
    // Nor does a Redis that is away: reports wait in the database for the sweep, and news comes from there.
    if let Some(answers) = redis {
        parts["redis"] = if answers { "ok" } else { "away" }.into();
    }
    (status, [(header::CACHE_CONTROL, "no-store")], Json(parts)).into_response()
}

/// `GET /metrics`: counters in the text format of Prometheus.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    if !app.database_away() {
        app.gauges.read_database(&app.readers.store, app.readers.clock.now(), &app.index).await;
    }
    app.gauges.read_process(&app.gate);
    if let Some(spool) = &app.intake.spool {
        spool.show().await;
    }
    app.limits.show();
    app.redis.show().await;
    exposition(&app.measures)
}

/// All measures of this process, as Prometheus reads them.
pub fn exposition(measures: &Measures) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder.encode(&measures.registry.gather(), &mut text).expect("writing into memory does not fail");
    ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response()
}
