//! What a worker answers to those who watch it: that it lives, that it can work, and its measures. It has no other door.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pipeline::index::DocumentIndex;
use pipeline::process::Process;
use pipeline::queue::Gate;
use pipeline::store::StoreError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Gauges;
use super::asking;
use super::problems::ApiError;
use super::reading::status::{exposition, healthz};
use super::redis::Redis;

/// Time for the database to answer a question that only asks whether it does.
const PROBE: Duration = Duration::from_secs(2);

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
    let (database, mark, redis) = futures::join!(
        briefly(health.process.store.head()),
        asking::ask(&health.index, |index| index.mark()),
        health.redis.answers()
    );
    let fault = match (health.stop.is_cancelled(), database) {
        (true, _) => Some("this worker is stopping"),
        (false, None) => Some("the database does not answer"),
        (false, Some(_)) => None,
    };
    let index = match mark {
        None => "off",
        Some(Some(_)) => "ok",
        Some(None) => "failing",
    };
    let mut parts = serde_json::json!({"database": if database.is_some() { "ok" } else { "failing" }, "index": index});
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
    let store = &health.process.store;
    let now = health.process.clock.now();
    let freshness = briefly(store.freshness(now)).await;
    let mark = match freshness {
        Some(_) => asking::ask(&health.index, |index| index.mark()).await.flatten(),
        None => None,
    };
    health.gauges.show(now, freshness, mark, briefly(store.size()).await, &health.gate);
    health.redis.show().await;
    exposition(&health.process.measures)
}

/// Asks the database for something small. `None`: it is away, or does not answer in time.
async fn briefly<T>(question: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    timeout(PROBE, question).await.ok()?.ok()
}
