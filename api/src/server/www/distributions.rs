//! What is known of a distribution: all its reports as JSON, feeds of its newest release, counts of its releases.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use dashboards::Site;
use pipeline::readers::segment;
use schemas::extract::Language;
use schemas::views::SummaryView;
use serde::{Deserialize, Serialize};

use super::feeds::{self, Feed};
use super::{form_of, not_given, redirect, rows};
use crate::server::App;
use crate::server::pages::{self, Of, Shown};
use crate::server::problems::ApiError;

/// `GET /show/DIST.json`: every report of every version. Other forms lead to the distribution's page.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    given(app, &file, &method, &headers).await
}

/// `GET /distro/L/DIST.json`: the same below the distribution's first letter.
pub async fn distro(
    State(app): State<Arc<App>>,
    Path((_, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    given(app, &file, &method, &headers).await
}

async fn given(app: Arc<App>, file: &str, method: &Method, headers: &HeaderMap) -> Result<Response, ApiError> {
    match form_of(file) {
        (distribution, Some("json")) => {
            let selection = app.readers.whole_distribution(Language::Perl, distribution).await?;
            rows::array(app, method, headers, selection).await
        }
        (_, Some("yaml")) => Err(not_given(file)),
        (distribution, _) => {
            redirect(StatusCode::FOUND, &Site::default().distribution(Language::Perl.as_str(), distribution))
        }
    }
}

/// `GET /dist/DIST`, and as `/dist/DIST.rss` the feed of its newest release.
pub async fn distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    Query(of): Query<Of>,
    headers: HeaderMap,
) -> Shown {
    match form_of(&distribution) {
        (name, Some("rss")) => Ok(feed(&app, name, None, &of, &headers).await?),
        _ => pages::distribution(State(app), Path(distribution), Query(of)).await,
    }
}

/// `GET /dist/DIST/VERSION`, and as `/dist/DIST/VERSION.rss` its feed.
pub async fn release(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    Query(of): Query<Of>,
    headers: HeaderMap,
) -> Shown {
    match form_of(&version) {
        (version, Some("rss")) => Ok(feed(&app, &distribution, Some(version), &of, &headers).await?),
        _ => pages::release(State(app), Path((distribution, version)), Query(of)).await,
    }
}

async fn feed(
    app: &App,
    distribution: &str,
    version: Option<&str>,
    of: &Of,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let language = of.language(app, distribution).await?;
    let found = app.readers.one_release(language, distribution, version).await?;
    let path = match version {
        Some(version) => format!("/dist/{}/{}.rss", segment(distribution), segment(version)),
        None => format!("/dist/{}.rss", segment(distribution)),
    };
    let (selection, version) =
        found.ok_or_else(|| ApiError::not_found(format!("there are no reports of {distribution}")))?;
    let items = app.readers.newest_listed(&selection, DateTime::UNIX_EPOCH, feeds::LONGEST).await?;
    let what = Feed {
        title: format!("{distribution} {version}"),
        description: format!("Test reports of {distribution} {version}, newest first"),
        path,
        page: Site::default().release(language.as_str(), distribution, &version),
    };
    Ok(feeds::answer(app, headers, &what, &items))
}

/// How many releases to give, and how many to leave out before them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Part {
    #[serde(rename = "$limit", alias = "limit")]
    limit: Option<String>,
    #[serde(rename = "$offset", alias = "offset")]
    offset: Option<String>,
}

/// Releases given when nothing else is said.
const USUAL: usize = 10;

/// Counts of a release as they stand in the list.
#[derive(Serialize)]
struct CountsRow {
    dist: String,
    version: String,
    pass: i64,
    fail: i64,
    na: i64,
    unknown: i64,
}

/// `GET /release/DIST.json?$limit=10&$offset=0`: counts of its releases, newest first.
pub async fn counts(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, ApiError> {
    let (distribution, Some("json")) = form_of(&file) else { return Err(not_given(&file)) };
    let limit = number("$limit", part.limit.as_deref())?.unwrap_or(USUAL).min(app.rules.page_limit);
    let offset = number("$offset", part.offset.as_deref())?.unwrap_or(0);
    let releases = app.readers.release_counts(Language::Perl, distribution).await?;
    let rows: Vec<CountsRow> = releases.into_iter().skip(offset).take(limit).map(CountsRow::of).collect();
    Ok(Json(rows).into_response())
}

fn number(name: &str, said: Option<&str>) -> Result<Option<usize>, ApiError> {
    let parsed = said.map(str::parse::<usize>).transpose();
    parsed.map_err(|_| ApiError::parameter(name, "expected a number"))
}

impl CountsRow {
    fn of(release: SummaryView) -> Self {
        CountsRow {
            dist: release.distribution,
            version: release.version,
            pass: release.counts.pass,
            fail: release.counts.fail,
            na: release.counts.na,
            unknown: release.counts.unknown,
        }
    }
}
