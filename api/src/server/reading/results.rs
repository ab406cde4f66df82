//! `GET /v4/results`: processed reports as rows, newest first.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pipeline::store::ResultFilter;
use serde::Deserialize;

use super::{JSON, NDJSON, language, limit, moment, wants_lines};
use crate::server::App;
use crate::server::problems::ApiError;

/// Rows fetched at a time while streaming.
const PIECE: i64 = 1000;

/// What the list shows. Unknown parameters are refused, so that a misspelt filter does not show everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub language: Option<String>,
    pub distribution: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    pub tester: Option<String>,
    pub grade: Option<String>,
    pub language_version: Option<String>,
    pub os: Option<String>,
    pub architecture: Option<String>,
    pub since: Option<String>,
    pub changed_since: Option<String>,
    // Pages call it by the other name.
    #[serde(alias = "after")]
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

impl Asked {
    pub fn filter(&self) -> Result<ResultFilter, ApiError> {
        let grade = self.grade.as_deref().filter(|grade| !grade.is_empty()).map(str::parse).transpose();
        Ok(ResultFilter {
            language: self.language.as_deref().map(|said| language(Some(said))).transpose()?,
            distribution: said(&self.distribution),
            version: said(&self.version),
            author: said(&self.author).map(|author| author.to_uppercase()),
            tester: said(&self.tester),
            grade: grade.map_err(|error: schemas::grade::NotAGrade| ApiError::parameter("grade", error.to_string()))?,
            language_version: said(&self.language_version),
            os: said(&self.os),
            architecture: said(&self.architecture),
            since: moment("since", self.since.as_deref())?,
            changed_since: moment("changed_since", self.changed_since.as_deref())?,
        })
    }

    pub fn before(&self) -> Result<Option<i64>, ApiError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        cursor.parse().map(Some).map_err(|_| ApiError::parameter("cursor", "expected the `next` of an earlier page"))
    }
}

/// An empty field of a form asks for nothing.
fn said(value: &Option<String>) -> Option<String> {
    value.clone().filter(|text| !text.is_empty())
}

pub async fn results(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (filter, before) = (asked.filter()?, asked.before()?);
    if wants_lines(&headers) {
        let most = asked.limit.as_deref().map(|said| said.parse::<u64>());
        let most = most.transpose().map_err(|_| ApiError::parameter("limit", "expected a number"))?;
        return Ok(lines(app, filter, before, most.unwrap_or(u64::MAX)));
    }
    let limit = limit(&app, asked.limit.as_deref(), 100)?;
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    // One row more than asked tells whether there is a next page.
    let mut rows = app.readers.store.results(&filter, before, limit as i64 + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(number, _)| number.to_string());
    // The rows are JSON already.
    let mut body = String::with_capacity(rows.len() * 600 + 200);
    body.push_str("{\"items\":[");
    for (place, (_, document)) in rows.iter().enumerate() {
        if place > 0 {
            body.push(',');
        }
        body.push_str(document);
    }
    body.push_str("],\"next\":");
    body.push_str(&serde_json::to_string(&next).expect("a text"));
    let rest = serde_json::to_string(&freshness).expect("numbers and a time");
    body.push(',');
    body.push_str(&rest[1..]);
    Ok(super::named(&headers, freshness.head, JSON, body.into_bytes()))
}

/// The whole list as lines, fetched piece by piece as the reader takes them.
fn lines(app: Arc<App>, filter: ResultFilter, before: Option<i64>, most: u64) -> Response {
    let stream = futures::stream::try_unfold((before, most), move |(before, left)| {
        let (app, filter) = (Arc::clone(&app), filter.clone());
        async move {
            let piece = PIECE.min(i64::try_from(left).unwrap_or(PIECE));
            let rows = app.readers.store.results(&filter, before, piece).await?;
            let Some((last, _)) = rows.last() else { return Ok::<_, pipeline::store::StoreError>(None) };
            let next = (Some(*last), left - rows.len() as u64);
            let mut text = String::with_capacity(rows.len() * 600);
            for (_, document) in &rows {
                text.push_str(document);
                text.push('\n');
            }
            Ok(Some((Bytes::from(text), next)))
        }
    });
    ([(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-cache")], Body::from_stream(stream)).into_response()
}
