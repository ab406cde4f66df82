//! `GET /v4/reports/{id}/receipt`: what became of a submission.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemas::ids::ReportId;
use schemas::views::ReceiptView;
use serde::Deserialize;
use tokio::time::Instant;

use super::reports::{id_of, missing};
use crate::server::App;
use crate::server::problems::ApiError;

/// How long to wait for an outcome.
#[derive(Debug, Default, Deserialize)]
pub struct Patience {
    wait: Option<u64>,
}

pub async fn receipt(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(patience): Query<Patience>,
) -> Result<Response, ApiError> {
    let id = id_of(&id)?;
    let wait = Duration::from_secs(patience.wait.unwrap_or_default().min(60));
    let receipt = settled(&app, id, wait).await?.ok_or_else(|| missing(id))?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(receipt)).into_response())
}

/// The receipt once the report is settled, or when the wait is over.
pub async fn settled(app: &App, id: ReportId, wait: Duration) -> Result<Option<ReceiptView>, ApiError> {
    let end = Instant::now() + wait;
    let mut head = app.events.head();
    loop {
        head.mark_unchanged();
        let receipt = standing(app, id).await?;
        let done = receipt.as_ref().is_none_or(|receipt| receipt.state.settled());
        if done || Instant::now() >= end || app.stop.is_cancelled() {
            return Ok(receipt);
        }
        // Another process may be the one who works, so the wait is cut into pieces.
        let pause = (Instant::now() + Duration::from_millis(500)).min(end);
        // An error means that the end of the pause came first, or that the process stops: look again either way.
        drop(tokio::time::timeout_at(pause, head.changed()).await);
    }
}

/// The receipt as it stands: of what this node's spool has under the id, or else of what the database has.
async fn standing(app: &App, id: ReportId) -> Result<Option<ReceiptView>, ApiError> {
    let Some(spool) = &app.intake.spool else { return Ok(app.readers.receipt(id).await?) };
    if let Some(receipt) = spool.receipt(id).await? {
        return Ok(Some(receipt));
    }
    app.unless_away("this node has no report under this id in its spool; another one may, or the database")?;
    let stored = app.readers.receipt(id).await?;
    Ok(spool.with_refusals(id, stored).await?)
}
