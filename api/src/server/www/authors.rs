//! What is known of an author's distributions: reports on the newest release of each, as JSON, as a feed, as a page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use chrono::Days;
use dashboards::Site;
use pipeline::readers::segment;

use super::feeds::{self, Feed};
use super::{form_of, not_given, redirect, rows};
use crate::server::App;
use crate::server::pages::{self, Shown};
use crate::server::problems::ApiError;

/// Days a report stays in an author's feed: it holds at least the current month, as today's feed does.
const KEPT: Days = Days::new(31);

/// `GET /author/AUTHOR`, `.json`, `.rss` and `.html`; with `-nopass` the reports that are no passes.
pub async fn author(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Shown {
    let (name, form) = form_of(&file);
    let (id, failing) = match name.strip_suffix("-nopass") {
        Some(id) => (id.to_uppercase(), true),
        None => (name.to_uppercase(), false),
    };
    match form {
        Some("json") => {
            let mut selection = app.readers.newest_of_author(&id).await?;
            selection.failing = failing;
            Ok(rows::array(app, &method, &headers, selection).await?)
        }
        Some("rss") => Ok(feed(&app, &id, failing, &headers).await?),
        Some("yaml") => Err(not_given(&file).into()),
        _ => pages::author(State(app), Path(name.to_owned())).await,
    }
}

/// `GET /author/L/AUTHOR.ext`: where MetaCPAN's links lead. It lives without the letter.
pub async fn below_letter(Path((_, file)): Path<(String, String)>) -> Result<Response, ApiError> {
    redirect(StatusCode::MOVED_PERMANENTLY, &format!("/author/{}", segment(&file)))
}

async fn feed(app: &App, id: &str, failing: bool, headers: &HeaderMap) -> Result<Response, ApiError> {
    let mut selection = app.readers.newest_of_author(id).await?;
    if selection.releases.is_empty() {
        return Err(ApiError::not_found(format!("there are no reports of distributions of {id}")));
    }
    selection.failing = failing;
    let since = app.readers.clock.now() - KEPT;
    let items = app.readers.newest_listed(&selection, since, feeds::LONGEST).await?;
    let (less, ending) = if failing { (", passes left out", "-nopass") } else { ("", "") };
    let what = Feed {
        title: format!("Test reports for {id}"),
        description: format!("Reports on the newest releases of {id}'s distributions{less}"),
        path: format!("/author/{}{ending}.rss", segment(id)),
        page: Site::default().author(id),
    };
    Ok(feeds::answer(app, headers, &what, &items))
}
