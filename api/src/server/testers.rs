//! `/v4/testers/{id}/secret`: the way back for a legacy tester who lost their secret, with the scope admin.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use pipeline::store::Scope;

use super::App;
use super::intake::credentials::demand;
use super::problems::ApiError;

/// `DELETE /v4/testers/{id}/secret`
pub async fn forget_secret(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    match app.identify.forget_secret(&id.to_lowercase()).await? {
        true => {
            app.events.announce_identities();
            Ok(StatusCode::NO_CONTENT)
        }
        false => Err(ApiError::not_found(format!("there is no tester {id} with a secret"))),
    }
}
