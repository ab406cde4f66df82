//! The read routes of the CPAN Testers contract: `/v1`, `/v3` and the collector's, as today's consumers know them.

mod asked;
mod collector;
mod list;
mod refusal;
mod release;
mod report;
pub mod sockets;
mod summary;
pub mod swagger;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::App;

/// Everything but `POST /v3/report`, which is a door.
pub fn routes() -> Router<Arc<App>> {
    let both = Router::new()
        .route("/release", get(release::all))
        .route("/release/dist/{dist}", get(release::of_distribution))
        .route("/release/author/{author}", get(release::of_author))
        .route("/upload", get(upload::all))
        .route("/upload/dist/{dist}", get(upload::of_distribution))
        .route("/upload/author/{author}", get(upload::of_author));
    Router::new()
        .nest("/v1", both.clone())
        .nest("/v3", both)
        .route("/v1", get(swagger::v1))
        .route("/v3", get(swagger::v3))
        .route("/v3/release/dist/{dist}/{version}", get(release::one))
        .route("/v3/summary", get(summary::all))
        .route("/v3/summary/{dist}", get(summary::of_distribution))
        .route("/v3/summary/{dist}/{version}", get(summary::of_release))
        .route("/v3/report/{id}", get(report::v3))
        .route("/v1/report/{id}", get(collector::report))
        .route("/v1/timestamp/{year}/{month}/{day}", get(collector::received))
        .route("/v1/timestamp/{year}/{month}/{day}/{hour}", get(collector::received))
        .route("/v1/timestamp/{year}/{month}/{day}/{hour}/{minute}", get(collector::received))
        .route("/schema/v1/report.json", get(collector::schema))
}

/// The collector's doors.
pub fn doors() -> Router<Arc<App>> {
    Router::new().route("/v1/report", post(collector::submit)).route("/v1/report/{id}", post(collector::submit_as))
}
