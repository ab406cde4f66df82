//! Who is at the door: a bearer token, a legacy profile with its secret, or nobody.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipeline::intake::Credential;
use pipeline::store::{Scope, Token};
use uuid::Uuid;

use crate::server::App;
use crate::server::problems::ApiError;

/// The token in `Authorization: Bearer …`, if it is valid and allows `scope`. `None`: no token was sent.
pub async fn bearer(app: &App, headers: &HeaderMap, scope: Scope) -> Result<Option<Token>, ApiError> {
    let Some(secret) = secret(headers)? else { return Ok(None) };
    match app.identify.token(secret).await? {
        None => Err(unknown()),
        Some(token) if token.allows(scope) => Ok(Some(token)),
        Some(_) => Err(lacking(scope)),
    }
}

/// What a sender of reports has shown: nothing, a token that allows to submit, or one that cannot be looked up while
/// the database is away.
pub async fn submitter(app: &App, headers: &HeaderMap) -> Result<Credential, ApiError> {
    let Some(secret) = secret(headers)? else { return Ok(Credential::Absent) };
    match app.intake.token(secret).await? {
        None => Err(unknown()),
        Some(Credential::Token { token, .. }) if !token.allows(Scope::Submit) => Err(lacking(Scope::Submit)),
        Some(credential) => Ok(credential),
    }
}

/// The secret in `Authorization: Bearer …`.
fn secret(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    match secret {
        Some(secret) => Ok(Some(secret)),
        None => Err(ApiError::unauthorized("send the token as `Authorization: Bearer TOKEN`")),
    }
}

fn unknown() -> ApiError {
    ApiError::unauthorized("the token is unknown, expired or revoked")
}

fn lacking(scope: Scope) -> ApiError {
    ApiError::forbidden(format!("the token does not have the scope {scope}"))
}

/// A token that allows `scope`, or a refusal.
pub async fn demand(app: &App, headers: &HeaderMap, scope: Scope) -> Result<Token, ApiError> {
    let token = bearer(app, headers, scope).await?;
    token.ok_or_else(|| ApiError::unauthorized(format!("a token with the scope {scope} is needed")))
}

/// Profile and secret of `Authorization: Basic …`, as legacy clients send them (contract §2.2, §11.1).
pub enum Basic {
    Absent,
    Malformed,
    Present { profile: Uuid, secret: Vec<u8> },
}

/// Reads Basic credentials. The secret may hold colons and any bytes: only the first colon divides.
pub fn basic(headers: &HeaderMap) -> Basic {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Basic::Absent };
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let profile = std::str::from_utf8(&decoded[..colon]).ok()?.parse().ok()?;
        Some(Basic::Present { profile, secret: decoded[colon + 1..].to_vec() })
    };
    read().unwrap_or(Basic::Malformed)
}
