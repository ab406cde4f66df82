//! `GET /v4/search`: reports by text and fields.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use pipeline::index::{MAX_WINDOW, Order};
use schemas::query;
use schemas::views::SearchView;
use serde::Deserialize;

use super::versioned;
use crate::server::App;
use crate::server::problems::ApiError;

/// Hits on a page at most: each costs reading a whole text.
const LARGEST: usize = 100;

/// What is looked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub q: Option<String>,
    pub order: Option<String>,
    // Pages call it by the other name.
    #[serde(alias = "after")]
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

pub async fn search(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = find(&app, &asked).await?;
    // What the index holds, not what the rows hold, names the answer.
    let version = view.freshness.head - view.lag;
    Ok(versioned(&headers, version, &view))
}

/// The page of hits asked for.
pub async fn find(app: &App, asked: &Asked) -> Result<SearchView, ApiError> {
    let Some(index) = &app.index else { return Err(ApiError::unavailable("this server runs without search")) };
    let text = asked.q.as_deref().unwrap_or_default();
    let query =
        query::parse(text).map_err(|error| ApiError::parameter("q", format!("{error} (at byte {})", error.at)))?;
    let order = match asked.order.as_deref() {
        None | Some("relevance") => Order::Relevance,
        Some("newest") => Order::Newest,
        Some(_) => return Err(ApiError::parameter("order", "expected relevance or newest")),
    };
    let offset = match asked.cursor.as_deref() {
        None => 0,
        Some(cursor) => cursor
            .parse::<usize>()
            .ok()
            .filter(|offset| *offset <= MAX_WINDOW - LARGEST)
            .ok_or_else(|| ApiError::parameter("cursor", "expected the `next` of an earlier page"))?,
    };
    let limit = match asked.limit.as_deref() {
        None => 20,
        Some(limit) => limit
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=LARGEST).contains(limit))
            .ok_or_else(|| ApiError::parameter("limit", format!("expected a number from 1 to {LARGEST}")))?,
    };
    Ok(pipeline::search::search(&app.readers.store, index, &app.readers.clock, query, order, offset, limit).await?)
}
