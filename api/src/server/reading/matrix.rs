//! `GET /v4/matrix/{distribution}[/{version}]`: grades by one to three axes.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use pipeline::store::Axis;
use serde::Deserialize;

use super::{json, language};
use crate::server::App;
use crate::server::cache::Subject;
use crate::server::problems::ApiError;

/// How a matrix is laid out.
#[derive(Debug, Default, Deserialize)]
pub struct Layout {
    axes: Option<String>,
    language: Option<String>,
}

pub async fn of_release(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    Query(layout): Query<Layout>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    answer(&app, distribution, Some(version), &layout, &headers, &uri).await
}

pub async fn of_distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    Query(layout): Query<Layout>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    answer(&app, distribution, None, &layout, &headers, &uri).await
}

async fn answer(
    app: &App,
    distribution: String,
    version: Option<String>,
    layout: &Layout,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let asked = uri.to_string();
    if let Some(kept) = app.answers.get(&asked, headers) {
        return Ok(kept);
    }
    let axes = axes(layout.axes.as_deref().unwrap_or("language_version,os"))?;
    let language = language(layout.language.as_deref())?;
    let view = app.readers.matrix(language, &distribution, version.as_deref(), &axes).await?;
    let view = view.ok_or_else(|| ApiError::not_found(format!("there are no reports of {distribution}")))?;
    let head = view.freshness.head;
    let subject = Subject::Distribution(language.as_str().to_owned(), distribution);
    Ok(app.answers.keep(asked, subject, head, head, json(&view), headers))
}

/// One to three different axes, separated by commas.
pub fn axes(said: &str) -> Result<Vec<Axis>, ApiError> {
    let refuse = || {
        let detail = "expected one to three different axes of version, language_version, os, architecture";
        ApiError::parameter("axes", detail)
    };
    let axes: Vec<Axis> =
        said.split(',').map(|axis| axis.trim().parse().map_err(|_| refuse())).collect::<Result<_, _>>()?;
    let repeated = axes.iter().enumerate().any(|(place, axis)| axes[..place].contains(axis));
    match (1..=3).contains(&axes.len()) && !repeated {
        true => Ok(axes),
        false => Err(refuse()),
    }
}
