//! `/v4/tokens`: issuing, listing, rotating and revoking bearer tokens, with the scope admin.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use pipeline::store::{Scope, Token};
use pipeline::tokens::{self, Issue, Secret};
use schemas::views::TokenView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::intake::credentials::demand;
use super::problems::ApiError;

/// A token about to be made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenOrder {
    /// Of `submit`, `read`, `admin`; at least one.
    pub scopes: Vec<String>,
    /// Name of the tester whose reports it submits.
    #[serde(default)]
    pub tester: Option<String>,
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token just made. The secret is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IssuedView {
    pub token: String,
    #[serde(flatten)]
    pub view: TokenView,
}

/// `POST /v4/tokens`
pub async fn issue(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    order: Result<Json<TokenOrder>, JsonRejection>,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let Json(order) = order.map_err(|rejection| ApiError::refused(rejection.status(), &rejection.body_text()))?;
    let scopes: Result<Vec<Scope>, _> = order.scopes.iter().map(|scope| scope.parse()).collect();
    let scopes = scopes.map_err(|error| ApiError::parameter("scopes", error.to_string()))?;
    if scopes.is_empty() {
        return Err(ApiError::parameter("scopes", "expected at least one of submit, read, admin"));
    }
    let order = Issue { scopes, tester: order.tester, expires_at: order.expires_at };
    let issued = tokens::issue(&app.readers.store, &app.readers.clock, &order).await?;
    Ok(shown(issued))
}

/// `GET /v4/tokens`
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let items: Vec<TokenView> = app.readers.store.tokens().await?.iter().map(Token::view).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({"items": items}))).into_response())
}

/// `POST /v4/tokens/{id}/rotate`
pub async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let now = app.readers.clock.now();
    let issued = tokens::rotate(&app.readers.store, &app.readers.clock, &id, now).await?;
    app.identify.forget_tokens();
    app.events.announce_identities();
    issued.map(shown).ok_or_else(|| no_such(&id))
}

/// `DELETE /v4/tokens/{id}`
pub async fn revoke(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    demand(&app, &headers, Scope::Admin).await?;
    let revoked = tokens::revoke(&app.readers.store, &app.readers.clock, &id).await?;
    app.identify.forget_tokens();
    app.events.announce_identities();
    match revoked {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(no_such(&id)),
    }
}

fn shown((secret, token): (Secret, Token)) -> Response {
    let issued = IssuedView { token: secret.reveal().to_owned(), view: token.view() };
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(issued)).into_response()
}

fn no_such(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no token {id} in force"))
}
