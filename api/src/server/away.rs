//! What a node says while the database is away: reports are taken, readers are told quickly, and proxies keep the node.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use pipeline::spool::{Level, Spool};
use pipeline::store::StoreError;

use super::App;
use super::problems::ApiError;
use super::routes::refusal;

/// Time that a reader is kept waiting at most while the database is known to be away.
const BRIEF: Duration = Duration::from_secs(2);

/// Time for the database to answer a question that only asks whether it does.
const PROBE: Duration = Duration::from_secs(2);

impl App {
    /// How full the spool is; `None` on a node without one.
    pub fn spool_level(&self) -> Option<Level> {
        self.intake.spool.as_ref().map(|spool| spool.level())
    }

    /// Whether the database is known to be away.
    pub fn database_away(&self) -> bool {
        self.intake.spool.as_ref().is_some_and(|spool| spool.away())
    }

    /// Refuses at once what the database would be asked for while it is away.
    pub fn unless_away(&self, what: &str) -> Result<(), ApiError> {
        match self.database_away() {
            true => Err(ApiError::unavailable(format!("the database is away: {what}"))),
            false => Ok(()),
        }
    }

    /// Asks the database for something small. `None`: it is away, or does not answer in time.
    pub async fn briefly<T>(&self, question: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        if self.database_away() {
            return None;
        }
        briefly(question).await
    }
}

/// Asks the database for something small, whatever is known of it. `None`: it is away, or does not answer in time.
pub async fn briefly<T>(question: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    tokio::time::timeout(PROBE, question).await.ok()?.ok()
}

/// While the database is away, an answer that needs it is refused quickly instead of being waited for, also when it went
/// away meanwhile.
pub async fn hurry(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let spool = app.intake.spool.clone().filter(|_| reads && !path.ends_with("/receipt"));
    // What the spool has is told without the database, and may be waited for.
    let Some(spool) = spool else { return next.run(request).await };
    let path = path.to_owned();
    tokio::select! {
        answer = next.run(request) => answer,
        () = gone(&spool) => refusal(&app, &path, ApiError::unavailable("the database is away; please try again")),
    }
}

/// Waits until the database has been away for a moment.
async fn gone(spool: &Spool) {
    loop {
        spool.until(true).await;
        if tokio::time::timeout(BRIEF, spool.until(false)).await.is_err() {
            return;
        }
    }
}
