//! The pages: each handler reads what a page shows and hands it to `dashboards`.

mod answer;
mod jobs;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use dashboards::pages;
use dashboards::pages::{
    CheckRow, FailingPlatform, HomePage, MatrixPage, OperationsPage, ReasonCount, ReleasePage, ReportPage,
    ResultsFilter, ResultsPage, SearchAnswer, SearchPage,
};
use pipeline::store::{Axis, Failures, ResultFilter};
use schemas::extract::Language;
use schemas::grade::Counts;
use schemas::query;
use schemas::views::{Freshness, MatrixView, Page, State as Stage};
use serde::Deserialize;

use super::App;
use super::asking::Held;
use super::problems::ApiError;
use super::reading::reports::{id_of, missing};
use super::reading::{limit, receipts, results, search};

pub use answer::{PageError, problem, shown, site};

/// A page, or the page that tells why there is none.
pub type Shown = Result<Response, PageError>;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home))
        .route("/matrix/{distribution}", get(matrix))
        .route("/results", get(listed))
        .route("/tester/{id}", get(tester))
        .route("/search", get(found))
        .route("/status", get(operations))
        .route("/status/{id}", get(receipt))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{number}", get(jobs::job))
        .route("/docs", get(docs))
        .route("/docs/", get(docs))
        .route("/docs/search", get(search_help))
        .route("/static/{name}", get(asset))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
}

/// Rows of lists on pages.
const ROWS: i64 = 25;

/// Newest reports on the home page.
const NEWEST: i64 = 15;

async fn home(State(app): State<Arc<App>>) -> Shown {
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let (distributions, releases, testers) = app.sizes().await?;
    let failing = app.readers.store.changed_releases(true, 10).await?;
    let page = HomePage {
        totals: app.readers.store.totals().await?,
        distributions,
        releases,
        testers,
        recent: app.readers.results(&ResultFilter::default(), None, NEWEST).await?,
        failing: failing.into_iter().map(|release| release.summary).collect(),
        freshness,
    };
    Ok(shown(StatusCode::OK, pages::home(&site(&app), &page)))
}

/// Which language's page is meant.
#[derive(Debug, Default, Deserialize)]
pub struct Of {
    language: Option<String>,
}

impl Of {
    /// The language asked for, or the only one that has this distribution.
    pub async fn language(&self, app: &App, distribution: &str) -> Result<Language, ApiError> {
        if let Some(said) = self.language.as_deref().filter(|said| !said.is_empty()) {
            return super::reading::language(Some(said));
        }
        let perl = app.readers.store.distribution_releases(Language::Perl, distribution).await?;
        if !perl.is_empty() {
            return Ok(Language::Perl);
        }
        let raku = app.readers.store.distribution_releases(Language::Raku, distribution).await?;
        Ok(if raku.is_empty() { Language::Perl } else { Language::Raku })
    }
}

pub async fn distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    Query(of): Query<Of>,
) -> Shown {
    let language = of.language(&app, &distribution).await?;
    let view = app.readers.distribution(language, &distribution).await?.ok_or_else(|| no_reports(&distribution))?;
    Ok(shown(StatusCode::OK, pages::distribution(&site(&app), &view)))
}

pub async fn release(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    Query(of): Query<Of>,
) -> Shown {
    let language = of.language(&app, &distribution).await?;
    let name = || format!("{distribution} {version}");
    let release = app.readers.release(language, &distribution, &version).await?.ok_or_else(|| no_reports(&name()))?;
    let axes = [Axis::LanguageVersion, Axis::Os];
    let matrix = app.readers.matrix(language, &distribution, Some(&version), &axes).await?;
    let matrix = matrix.ok_or_else(|| no_reports(&name()))?;
    let filter = ResultFilter {
        language: Some(language),
        distribution: Some(distribution.clone()),
        version: Some(version.clone()),
        ..ResultFilter::default()
    };
    let stored = app.readers.store.release(language, &distribution, &version).await?;
    let failures = match stored {
        Some(stored) => app.readers.store.failures(stored.number).await?,
        None => Vec::new(),
    };
    let page = ReleasePage {
        failing: failing(&failures, &matrix),
        release,
        matrix,
        recent: app.readers.results(&filter, None, ROWS).await?,
    };
    Ok(shown(StatusCode::OK, pages::release(&site(&app), &page)))
}

/// Failures by platform: since when, and the reasons told, the most frequent first.
fn failing(failures: &[Failures], matrix: &MatrixView) -> Vec<FailingPlatform> {
    let mut platforms: BTreeMap<(&str, &str), FailingPlatform> = BTreeMap::new();
    for failure in failures {
        let key = (failure.language_version.as_str(), failure.os.as_str());
        let platform = platforms.entry(key).or_insert_with(|| FailingPlatform {
            language_version: failure.language_version.clone(),
            os: failure.os.clone(),
            counts: cell(matrix, key),
            since: None,
            reasons: Vec::new(),
        });
        platform.since = Some(platform.since.map_or(failure.first_at, |since| since.min(failure.first_at)));
        let code = failure.code.as_ref().and_then(|code| serde_json::from_value(code.as_str().into()).ok());
        platform.reasons.extend(code.map(|code| ReasonCount { code, reports: failure.reports }));
    }
    let mut platforms: Vec<FailingPlatform> = platforms.into_values().collect();
    platforms.sort_by_key(|platform| (-platform.counts.fail, platform.os.clone()));
    platforms
}

fn cell(matrix: &MatrixView, (language_version, os): (&str, &str)) -> Counts {
    let here = |cell: &&schemas::views::CellView| {
        cell.language_version.as_deref() == Some(language_version) && cell.os.as_deref() == Some(os)
    };
    matrix.cells.iter().find(here).map(|cell| cell.counts).unwrap_or_default()
}

async fn matrix(State(app): State<Arc<App>>, Path(distribution): Path<String>, Query(of): Query<Of>) -> Shown {
    let language = of.language(&app, &distribution).await?;
    let axes = [Axis::Version, Axis::LanguageVersion];
    let matrix = app.readers.matrix(language, &distribution, None, &axes).await?;
    let matrix = matrix.ok_or_else(|| no_reports(&distribution))?;
    let releases = app.readers.distribution(language, &distribution).await?.map(|view| view.releases);
    let versions = releases.into_iter().flatten().map(|release| release.version).collect();
    let page = MatrixPage { matrix, versions };
    Ok(shown(StatusCode::OK, pages::distribution_matrix(&site(&app), &page)))
}

async fn listed(State(app): State<Arc<App>>, Query(mut asked): Query<results::Asked>) -> Shown {
    // The form sends its empty fields too.
    for field in [&mut asked.language, &mut asked.since, &mut asked.changed_since, &mut asked.cursor, &mut asked.limit]
    {
        field.take_if(|said| said.is_empty());
    }
    let filter = asked.filter()?;
    let limit = limit(&app, asked.limit.as_deref(), 50)? as i64;
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let mut items = app.readers.results(&filter, asked.before()?, limit + 1).await?;
    let more = items.len() as i64 > limit;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| last.number.to_string());
    let whole = asked.cursor.is_none() && !more;
    let page = ResultsPage {
        total: whole.then(|| i64::try_from(items.len()).unwrap_or(i64::MAX)),
        filter: ResultsFilter {
            language: asked.language,
            distribution: filter.distribution,
            version: filter.version,
            author: filter.author,
            language_version: filter.language_version,
            os: filter.os,
            architecture: filter.architecture,
            tester: filter.tester,
            grade: filter.grade,
            after: asked.cursor,
        },
        results: Page { items, next, freshness },
    };
    Ok(shown(StatusCode::OK, pages::results(&site(&app), &page)))
}

pub async fn report(State(app): State<Arc<App>>, Path(id): Path<String>) -> Shown {
    let id = id_of(&id)?;
    let reread = app.readers.report(id).await?.ok_or_else(|| missing(id))?;
    let others = match &reread.view.result {
        None => Vec::new(),
        Some(result) => {
            let filter = ResultFilter {
                language: Some(super::reading::language(Some(&result.language))?),
                distribution: Some(result.distribution.clone()),
                version: Some(result.version.clone()),
                language_version: Some(result.language_version.clone()),
                os: Some(result.os.clone()),
                ..ResultFilter::default()
            };
            let mut others = app.readers.results(&filter, None, 11).await?;
            others.retain(|other| other.id != result.id);
            others
        }
    };
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    let page = ReportPage { report: reread.view, text: reread.text, others, freshness: Some(freshness) };
    Ok(shown(StatusCode::OK, pages::report(&site(&app), &page)))
}

pub async fn author(State(app): State<Arc<App>>, Path(id): Path<String>) -> Shown {
    let author = id.to_uppercase();
    let view = app.readers.author(&author).await?;
    let view = view.ok_or_else(|| no_reports(&format!("distributions of {author}")))?;
    Ok(shown(StatusCode::OK, pages::author(&site(&app), &view)))
}

async fn tester(State(app): State<Arc<App>>, Path(id): Path<String>) -> Shown {
    let view = app.readers.tester(&id).await?;
    let view = view.ok_or_else(|| ApiError::not_found(format!("there is no tester {id}")))?;
    Ok(shown(StatusCode::OK, pages::tester(&site(&app), &view)))
}

/// A search: the name of a distribution, exactly, leads straight to it.
async fn found(State(app): State<Arc<App>>, Query(asked): Query<search::Asked>) -> Shown {
    let site = site(&app);
    let typed = asked.q.clone().unwrap_or_default();
    let wanted = typed.trim();
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    if wanted.is_empty() {
        let page = SearchPage { query: typed, answer: SearchAnswer::Nothing, freshness };
        return Ok(shown(StatusCode::OK, pages::search(&site, &page)));
    }
    if asked.cursor.is_none() && asked.order.is_none() {
        // Raku names its distributions as its modules, Perl with a hyphen.
        for (language, name) in [(Language::Perl, wanted.replace("::", "-")), (Language::Raku, wanted.to_owned())] {
            if !app.readers.store.distribution_releases(language, &name).await?.is_empty() {
                return Ok(Redirect::to(&site.distribution(language.as_str(), &name)).into_response());
            }
        }
    }
    let (status, answer) = match query::parse(&typed) {
        Err(fault) => (StatusCode::BAD_REQUEST, SearchAnswer::Faulty(fault)),
        Ok(_) => (StatusCode::OK, SearchAnswer::Found(Box::new(search::find(&app, &asked).await?))),
    };
    Ok(shown(status, pages::search(&site, &SearchPage { query: typed, answer, freshness })))
}

async fn receipt(State(app): State<Arc<App>>, Path(id): Path<String>) -> Shown {
    let id = id_of(&id)?;
    let view = receipts::settled(&app, id, std::time::Duration::ZERO).await?.ok_or_else(|| missing(id))?;
    let freshness = match view.state {
        // What is in the spool is told while the database is away.
        Stage::Spooled => Freshness { fresh_at: view.received_at, ..Freshness::default() },
        _ => app.readers.store.freshness(app.readers.clock.now()).await?,
    };
    Ok(shown(StatusCode::OK, pages::receipt(&site(&app), &view, freshness)))
}

async fn operations(State(app): State<Arc<App>>) -> Shown {
    let store = &app.readers.store;
    let now = app.readers.clock.now();
    let freshness = store.freshness(now).await?;
    let reports = store.totals().await?.total();
    let megabytes = store.size().await? as f64 / 1e6;
    let detail = format!("{megabytes:.1} MB");
    let mut checks = vec![CheckRow { part: "database".to_owned(), working: true, detail }];
    let mut index_lag = None;
    if let Some(held) = app.index_held().await {
        index_lag = held.map(|held| (freshness.head - held.mark).max(0));
        checks.push(check_index(held));
    }
    let page = OperationsPage {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: (now - app.started_at).num_seconds(),
        reports,
        oldest_wait: (freshness.waiting > 0).then(|| (now - freshness.fresh_at).num_seconds()),
        index_lag,
        workers: i64::try_from(app.gate.workers()).unwrap_or(i64::MAX),
        checks,
        freshness,
    };
    Ok(shown(StatusCode::OK, pages::operations(&site(&app), &page)))
}

fn check_index(held: Option<Held>) -> CheckRow {
    let detail = match held {
        Some(held) => format!("{} documents", held.documents),
        None => "searches wait for it; reports are still accepted and counted".to_owned(),
    };
    CheckRow { part: "document index".to_owned(), working: held.is_some(), detail }
}

/// Which document the page shows, by its path: `/v1` or `/v3`, as the CPAN Testers site links them.
#[derive(Debug, Default, Deserialize)]
struct Document {
    url: Option<String>,
}

async fn docs(State(app): State<Arc<App>>, Query(document): Query<Document>) -> Response {
    let contract = document.url.as_deref().and_then(super::contract::swagger::as_openapi);
    let page = pages::api_reference(&site(&app), contract.as_ref().unwrap_or(super::openapi::value()));
    shown(StatusCode::OK, page)
}

async fn search_help(State(app): State<Arc<App>>) -> Response {
    shown(StatusCode::OK, pages::search_help(&site(&app)))
}

/// `GET /static/{name}`: the name changes with the content, so it may be kept for ever.
async fn asset(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match dashboards::asset(&name) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            asset.bytes,
        )
            .into_response(),
        None => problem(&app, &ApiError::not_found(format!("there is no file {name}")), "/"),
    }
}

fn no_reports(what: &str) -> ApiError {
    ApiError::not_found(format!("there are no reports of {what}"))
}
