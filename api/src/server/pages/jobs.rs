//! The pages `/jobs` and `/jobs/{number}`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use dashboards::pages::{self, JobsPage};

use super::answer::{shown, site};
use super::{App, Shown};
use crate::server::jobs::{Asked, find, number_of, read};

/// Rows of the list.
const ROWS: usize = 50;

pub async fn list(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Shown {
    let jobs = read(&app, &asked, ROWS).await?;
    let page = JobsPage { state: asked.state()?, after: asked.after().map(str::to_owned), jobs };
    Ok(shown(StatusCode::OK, pages::jobs(&site(&app), &page)))
}

pub async fn job(State(app): State<Arc<App>>, Path(number): Path<String>) -> Shown {
    let view = find(&app, number_of(&number)?).await?;
    let freshness = app.readers.store.freshness(app.readers.clock.now()).await?;
    Ok(shown(StatusCode::OK, pages::job(&site(&app), &view, freshness)))
}
