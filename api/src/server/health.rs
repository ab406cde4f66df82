//! What a worker answers to those who watch it: that it lives, that it can work, and its measures. It has no other door.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pipeline::index::DocumentIndex;
use pipeline::process::Process;
use pipeline::queue::Gate;
use tokio_util::sync::CancellationToken;

use super::Gauges;
use super::asking;
use super::away::briefly;
use super::problems::ApiError;
use super::reading::status::{exposition, healthz};
use super::redis::Redis;

/// A worker as it is seen from outside.
pub struct Health {
    pub process: Process,
    pub index: Option<Arc<dyn DocumentIndex>>,
    pub redis: Redis,
    pub gate: Gate,
    pub gauges: Gauges,
    /// This process was told to stop.
    pub stop: CancellationToken,
}

/// The three routes.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || ApiError::not_found("a worker answers /healthz, /readyz and /metrics alone").into_response())
        .with_state(health)
}

/// `GET /readyz`: whether the worker can process reports. Without the index or Redis it does; they are named all the same.
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let (database, index, redis) = futures::join!(
        briefly(health.process.store.head()),
        asking::ask(&health.index, |index| index.mark()),
        health.redis.answers()
    );
    let fault = match (health.stop.is_cancelled(), database) {
        (true, _) => Some("this worker is stopping"),
        (false, None) => Some("the database does not answer"),
        (false, Some(_)) => None,
    };
    let database = if database.is_some() { "ok" } else { "failing" };
    let mut parts = serde_json::json!({"database": database, "index": asking::word(&index)});
    if let Some(answers) = redis {
        parts["redis"] = if answers { "ok" } else { "away" }.into();
    }
    if let Some(fault) = fault {
        parts["error"] = fault.into();
    }
    let status = fault.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    (status, [(header::CACHE_CONTROL, "no-store")], Json(parts)).into_response()
}

/// `GET /metrics`: counters in the text format of Prometheus.
async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let Process { store, clock, measures, .. } = &health.process;
    health.gauges.read_database(store, clock.now(), &health.index).await;
    health.gauges.read_process(&health.gate);
    health.redis.show().await;
    exposition(measures)
}
