//! `/v1/release…` and `/v3/release…`: counts by distribution and version, summed over all partitions (contract §1.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::accept::chain;
use pipeline::publish::Artefact;
use pipeline::store::{ReleaseFilter, StoreError};
use schemas::contract::ReleaseRow;
use tokio_util::io::ReaderStream;

use super::asked::{Asked, Pairs};
use super::list::{self, PIECE, Piece};
use super::refusal::Refusal;
use crate::server::App;
use crate::server::cache::matches;
use crate::server::reading::{JSON, json};

/// Bytes of a published file read at a time.
const CHUNK: usize = 128 * 1024;

/// `GET /release`: every release, out of the published file when that holds what is asked for.
pub async fn all(State(app): State<Arc<App>>, pairs: Pairs, headers: HeaderMap) -> Result<Response, Refusal> {
    let mut asked = Asked::new(&pairs);
    if asked.one("since").is_some() {
        return Err(Refusal::bad("\"since\" parameter not allowed"));
    }
    let fresh = asked.one("precache").is_some_and(|said| !matches!(said, "" | "0"));
    let developer = asked.developer();
    // Here the parameter is not declared, so that the handler alone looks at it.
    let said = asked.one("limit").map(str::parse::<i64>);
    let limit = at_most(said.map(|number| number.unwrap_or(-1)))?;
    asked.valid()?;
    if limit.is_none()
        && developer.is_none()
        && !fresh
        && let Some(artefact) = published(&app).await
    {
        return Ok(file(artefact, &headers));
    }
    let filter = ReleaseFilter { developer, ..ReleaseFilter::default() };
    rows(app, filter, limit).await?.ok_or_else(Refusal::nothing)
}

/// `GET /release/dist/{dist}`
pub async fn of_distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let (mut filter, limit) = filter(&pairs)?;
    filter.distribution = Some(distribution.clone());
    if let Some(found) = rows(Arc::clone(&app), filter.clone(), limit).await? {
        return Ok(found);
    }
    // Today's database does not mind capitals (contract §11.2).
    let spelling = app.readers.store.spelling(&distribution).await?.filter(|spelling| *spelling != distribution);
    filter.distribution = Some(spelling.ok_or_else(Refusal::nothing)?);
    rows(app, filter, limit).await?.ok_or_else(Refusal::nothing)
}

/// `GET /release/author/{author}`
pub async fn of_author(
    State(app): State<Arc<App>>,
    Path(author): Path<String>,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let (mut filter, limit) = filter(&pairs)?;
    filter.author = Some(author.to_uppercase());
    rows(app, filter, limit).await?.ok_or_else(Refusal::nothing)
}

/// `GET /release/dist/{dist}/{version}`: one object, and the sum, where today's server takes whichever partition comes
/// first (contract §10).
pub async fn one(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    // Declared for this route, and without a meaning on one row.
    filter(&pairs)?;
    let mut wanted = ReleaseFilter { version: Some(version), ..ReleaseFilter::default() };
    let store = &app.readers.store;
    for spelling in [Some(distribution.clone()), store.spelling(&distribution).await?].into_iter().flatten() {
        wanted.distribution = Some(spelling);
        if let Some((_, ReleaseRow { release, .. })) = store.contract_releases(&wanted, 0, 1).await?.pop() {
            return Ok(([(header::CONTENT_TYPE, JSON)], json(&release)).into_response());
        }
    }
    Err(Refusal::missing("Not found"))
}

fn filter(pairs: &Pairs) -> Result<(ReleaseFilter, Option<i64>), Refusal> {
    let mut asked = Asked::new(pairs);
    let filter =
        ReleaseFilter { changed_since: asked.since(), developer: asked.developer(), ..ReleaseFilter::default() };
    let limit = asked.integer("limit");
    asked.valid()?;
    Ok((filter, at_most(limit)?))
}

/// 0 asks for all, as no limit does.
fn at_most(limit: Option<i64>) -> Result<Option<i64>, Refusal> {
    match limit {
        Some(limit) if limit < 0 => Err(Refusal::bad("The value for \"limit\" must be a positive integer")),
        limit => Ok(limit.filter(|limit| *limit > 0)),
    }
}

async fn rows(app: Arc<App>, filter: ReleaseFilter, limit: Option<i64>) -> Result<Option<Response>, StoreError> {
    let fetch = move |(after, left): (i64, i64)| {
        let (app, filter) = (Arc::clone(&app), filter.clone());
        async move {
            let wanted = PIECE.min(left);
            let rows = app.readers.store.contract_releases(&filter, after, wanted).await?;
            let left = left - rows.len() as i64;
            let more = rows.len() as i64 == wanted && left > 0;
            let next = rows.last().filter(|_| more).map(|(number, _)| (*number, left));
            Ok(Piece::of(rows.into_iter().map(|(_, row)| row), next))
        }
    };
    list::array(fetch, (0, limit.unwrap_or(i64::MAX))).await
}

/// The published list. Without one the database answers: that is slower, and as right.
async fn published(app: &App) -> Option<Artefact> {
    let artefact = app.artefacts.releases(&app.readers.store, app.readers.clock.now()).await;
    artefact.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "the published list of releases could not be opened");
        None
    })
}

fn file(artefact: Artefact, headers: &HeaderMap) -> Response {
    let Artefact { file, size, head } = artefact;
    let etag = HeaderValue::from_str(&format!("W/\"{head:x}-{size:x}\"")).expect("hexadecimal digits");
    let fixed = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate")),
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
    ];
    if matches(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK);
    (fixed, [(header::CONTENT_LENGTH, HeaderValue::from(size))], Body::from_stream(stream)).into_response()
}
