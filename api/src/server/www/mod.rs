//! The routes of www.cpantesters.org that programs read, and the tail log (contract §1.8, §1.9).

mod authors;
mod distributions;
mod feeds;
mod metadata;
mod reports;
mod rows;
mod tail;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::problems::ApiError;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/show/{file}", get(distributions::show))
        .route("/distro/{letter}/{file}", get(distributions::distro))
        .route("/dist/{distribution}", get(distributions::distribution))
        .route("/dist/{distribution}/{version}", get(distributions::release))
        .route("/release/{file}", get(distributions::counts))
        .route("/author/{id}", get(authors::author))
        .route("/author/{id}/{file}", get(authors::below_letter))
        .route("/report/{id}", get(reports::report))
        .route("/cpan/report/{id}", get(reports::cpan_report))
        .route("/static/report/{id}", get(reports::kept))
        .route("/cgi-bin/pages.cgi", get(reports::moved))
        .route("/cgi-bin/reports-metadata.cgi", get(metadata::metadata))
        .route("/tail/log.txt", get(tail::log))
        .route("/robots.txt", get(robots))
}

/// Crawlers on single reports are what brings today's site down (contract §5.1).
const ROBOTS: &str = "User-agent: *\nDisallow: /report/\nDisallow: /cpan/report/\nDisallow: /static/report/\n";

async fn robots() -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=86400")], ROBOTS).into_response()
}

/// A redirect with this status to a path of this server.
fn redirect(status: StatusCode, path: &str) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(path).map_err(|_| ApiError::not_found("there is no such address"))?;
    Ok((status, [(header::LOCATION, location)]).into_response())
}

/// What a file is about, and which form of it is asked for. Names hold dots, so only known endings are cut.
fn form_of(file: &str) -> (&str, Option<&'static str>) {
    let known = ["json", "rss", "html", "yaml"];
    let ending = file.rsplit_once('.').filter(|(name, _)| !name.is_empty());
    match ending.and_then(|(name, ending)| Some((name, known.into_iter().find(|known| *known == ending)?))) {
        Some((name, ending)) => (name, Some(ending)),
        None => (file, None),
    }
}

/// An ending that is known and not given here.
fn not_given(file: &str) -> ApiError {
    ApiError::not_found(format!("{file} is not given in this form; there is JSON under the ending .json"))
}
