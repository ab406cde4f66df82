//! `GET /v4/summaries`: counts of releases.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pipeline::store::SummaryFilter;
use schemas::views::{Page, SummaryView};
use serde::Deserialize;

use super::{NDJSON, language, limit, moment, versioned, wants_lines};
use crate::server::App;
use crate::server::problems::ApiError;

const PIECE: i64 = 1000;

/// What the list shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    language: Option<String>,
    distribution: Option<String>,
    version: Option<String>,
    author: Option<String>,
    maturity: Option<String>,
    since: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

impl Asked {
    pub fn filter(&self) -> Result<SummaryFilter, ApiError> {
        let developer = match self.maturity.as_deref() {
            None => None,
            Some("stable") => Some(false),
            Some("developer" | "dev") => Some(true),
            Some(_) => return Err(ApiError::parameter("maturity", "expected stable or developer")),
        };
        Ok(SummaryFilter {
            language: self.language.as_deref().map(|said| language(Some(said))).transpose()?,
            distribution: self.distribution.clone(),
            version: self.version.clone(),
            author: self.author.as_ref().map(|author| author.to_uppercase()),
            developer,
            changed_since: moment("since", self.since.as_deref())?,
        })
    }
}

pub async fn summaries(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let filter = asked.filter()?;
    let after = match &asked.cursor {
        None => 0,
        Some(cursor) => {
            cursor.parse().map_err(|_| ApiError::parameter("cursor", "expected the `next` of an earlier page"))?
        }
    };
    if wants_lines(&headers) {
        return Ok(lines(app, filter, after));
    }
    let limit = limit(&app, asked.limit.as_deref(), 100)?;
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let mut releases = app.readers.store.summaries(&filter, after, limit as i64 + 1).await?;
    let more = releases.len() > limit;
    releases.truncate(limit);
    let next = releases.last().filter(|_| more).map(|release| release.number.0.to_string());
    let items: Vec<SummaryView> = releases.into_iter().map(|release| release.summary).collect();
    Ok(versioned(&headers, freshness.head, &Page { items, next, freshness }))
}

fn lines(app: Arc<App>, filter: SummaryFilter, after: i64) -> Response {
    let stream = futures::stream::try_unfold(after, move |after| {
        let (app, filter) = (Arc::clone(&app), filter.clone());
        async move {
            let releases = app.readers.store.summaries(&filter, after, PIECE).await?;
            let Some(last) = releases.last() else { return Ok::<_, pipeline::store::StoreError>(None) };
            let next = last.number.0;
            let mut text = Vec::with_capacity(releases.len() * 200);
            for release in &releases {
                serde_json::to_writer(&mut text, &release.summary).expect("texts and numbers");
                text.push(b'\n');
            }
            Ok(Some((Bytes::from(text), next)))
        }
    });
    ([(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-cache")], Body::from_stream(stream)).into_response()
}
