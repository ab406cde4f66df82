//! Releases, distributions, authors and testers.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use schemas::views::SummaryView;
use serde::Deserialize;

use super::{json, language};
use crate::server::App;
use crate::server::cache::Subject;
use crate::server::problems::ApiError;

/// Which language's counts are meant.
#[derive(Debug, Default, Deserialize)]
pub struct Of {
    language: Option<String>,
}

/// `GET /v4/releases/{distribution}/{version}`
pub async fn release(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    Query(of): Query<Of>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = uri.to_string();
    if let Some(kept) = app.answers.get(&asked, &headers) {
        return Ok(kept);
    }
    let language = language(of.language.as_deref())?;
    let view = app.readers.release(language, &distribution, &version).await?;
    let view = view.ok_or_else(|| no_reports(&format!("{distribution} {version}")))?;
    let subject = Subject::Distribution(language.as_str().to_owned(), distribution);
    let (head, number) = (view.freshness.head, view.summary.number);
    Ok(app.answers.keep(asked, subject, head, number, json(&view), &headers))
}

/// `GET /v4/releases/{distribution}` and `GET /v4/distributions/{distribution}`
pub async fn distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    Query(of): Query<Of>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = uri.to_string();
    if let Some(kept) = app.answers.get(&asked, &headers) {
        return Ok(kept);
    }
    let language = language(of.language.as_deref())?;
    let view = app.readers.distribution(language, &distribution).await?;
    let view = view.ok_or_else(|| no_reports(&distribution))?;
    let version = version(&view.releases);
    let subject = Subject::Distribution(language.as_str().to_owned(), distribution);
    Ok(app.answers.keep(asked, subject, view.freshness.head, version, json(&view), &headers))
}

/// `GET /v4/authors/{id}`
pub async fn author(
    State(app): State<Arc<App>>,
    Path(author): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = uri.to_string();
    if let Some(kept) = app.answers.get(&asked, &headers) {
        return Ok(kept);
    }
    let author = author.to_uppercase();
    let view = app.readers.author(&author).await?;
    let view = view.ok_or_else(|| no_reports(&format!("distributions of {author}")))?;
    let version = version(&view.distributions);
    let subject = Subject::Author(author);
    Ok(app.answers.keep(asked, subject, view.freshness.head, version, json(&view), &headers))
}

/// `GET /v4/testers/{id}`
pub async fn tester(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = uri.to_string();
    if let Some(kept) = app.answers.get(&asked, &headers) {
        return Ok(kept);
    }
    let view = app.readers.tester(&id).await?;
    let view = view.ok_or_else(|| ApiError::not_found(format!("there is no tester {id}")))?;
    let newest = view.freshness.head;
    Ok(app.answers.keep(asked, Subject::Tester(id), view.freshness.head, newest, json(&view), &headers))
}

/// Names a list of releases. Each one's number names its counts; the newest number alone would not tell that one is
/// gone from the list.
fn version(releases: &[SummaryView]) -> i64 {
    releases.iter().fold(0, |version, release| version.wrapping_mul(1_000_003) ^ release.number)
}

fn no_reports(what: &str) -> ApiError {
    ApiError::not_found(format!("there are no reports of {what}; names and versions are case-sensitive"))
}
