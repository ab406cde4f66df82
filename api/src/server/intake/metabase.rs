//! The legacy Metabase routes, as install clients have spoken them for fifteen years (contract §2.2, §11).
//!
//! Clients read `error` of a JSON body only when its content type is exactly `application/json`; they follow no
//! redirect of a POST, never send a content type that fits, and lose the report on anything but a 2xx.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::accept::Acceptance;
use pipeline::identify::Proof;
use pipeline::intake::{LegacyProof, Offer, Taken};
use pipeline::store::Door;
use schemas::metabase;
use schemas::report::Reporter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{self, BodyFault};
use super::credentials::{Basic, basic};
use crate::server::App;
use crate::server::limits::sender::Sender;
use crate::server::problems::ApiError;

/// `POST {base}submit/CPAN-Testers-Report`
pub async fn submit(State(app): State<Arc<App>>, sender: Sender, headers: HeaderMap, body: Body) -> Response {
    let answer = take(&app, &sender, &headers, body).await.unwrap_or_else(Refusal::into_response);
    if answer.status().is_client_error() {
        app.measures.count_refusal(Door::Metabase);
    }
    answer
}

async fn take(app: &App, sender: &Sender, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    app.limits.admit(sender).await?;
    let (profile, secret) = match basic(headers) {
        Basic::Present { profile, secret } => (profile, secret),
        Basic::Absent => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "no credentials were sent")),
        Basic::Malformed => {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "the credentials are not Basic profile:secret"));
        }
    };
    let whose = match app.intake.legacy(profile, &secret).await.map_err(ApiError::from)? {
        LegacyProof::Whose(whose) => *whose,
        LegacyProof::Unknown => {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, format!("User {profile} unrecognized")));
        }
        // The client looks its profile up next, finds it, and tells its tester that authentication failed.
        LegacyProof::WrongSecret => {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                format!(
                    "wrong secret for user {profile}: it is not the one first used with this profile; if that is lost, \
                     make a new profile or ask the operator to forget the old secret"
                ),
            ));
        }
    };
    app.limits.count_whose(sender, &whose, true, 1).await?;
    let bytes = body::whole(app, headers, body).await?;
    // What is under way keeps its share of the memory for bodies until it is stored.
    let _held = bytes.clone();
    let report = metabase::report(&bytes)?;
    let (id, creator) = (report.id, report.creator);
    if creator != profile {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("the report's creator {creator} is not the profile {profile} that sends it"),
        ));
    }
    // Refuses what cannot be counted now, while its sender listens.
    let name = whose.tester.as_ref().map(|tester| tester.name.clone());
    report.upgrade(Reporter { name, email: String::new() })?;
    let offer = Offer::new(id, Door::Metabase, whose, bytes);
    let digest = offer.digest;
    match app.intake.take(offer).await.map_err(ApiError::from)? {
        Taken::Spooled { .. }
        | Taken::Stored(Acceptance::Accepted | Acceptance::Duplicate | Acceptance::Corrected { .. }) => {
            let location = HeaderValue::from_str(&format!("/api/v1/guid/{id}")).expect("an id is hexadecimal digits");
            let mut response = answer(StatusCode::CREATED, &json!({"guid": id}));
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        Taken::Stored(Acceptance::Conflict { stored }) => {
            let detail =
                format!("report {id} was sent by another tester: digest {stored} is stored, {digest} was sent");
            Err(Refusal::new(StatusCode::CONFLICT, detail))
        }
        Taken::Stored(Acceptance::Withdrawn { .. }) => {
            Err(Refusal::new(StatusCode::CONFLICT, format!("report {id} was withdrawn and is not corrected")))
        }
    }
}

/// `POST {base}submit/{type}` for any other type of fact.
pub async fn submit_other(Path(kind): Path<String>) -> Response {
    Refusal::new(StatusCode::NOT_FOUND, format!("facts of type {kind} are not taken: only CPAN-Testers-Report"))
        .into_response()
}

/// `POST {base}register`: a profile, with its secret or without.
pub async fn register(State(app): State<Arc<App>>, sender: Sender, headers: HeaderMap, body: Body) -> Response {
    enrol(&app, &sender, &headers, body).await.unwrap_or_else(Refusal::into_response)
}

async fn enrol(app: &App, sender: &Sender, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    app.limits.admit(sender).await?;
    let bytes = body::whole(app, headers, body).await?;
    let registration = metabase::registration(&bytes)?;
    match app.identify.register(&registration).await.map_err(ApiError::from)? {
        Proof::Proven(_) => Ok(answer(StatusCode::OK, &json!({"message": "accepted"}))),
        Proof::Unknown | Proof::WrongSecret => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("profile {} is registered with another secret", registration.profile),
        )),
    }
}

/// `GET` and `HEAD {base}guid/{guid}`: whether a profile or report is known.
pub async fn guid(State(app): State<Arc<App>>, Path(guid): Path<String>) -> Response {
    match look_up(&app, &guid).await {
        Ok(true) => answer(StatusCode::OK, &json!({"guid": guid.to_lowercase()})),
        Ok(false) => Refusal::new(StatusCode::NOT_FOUND, format!("{guid} not found")).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn look_up(app: &App, guid: &str) -> Result<bool, Refusal> {
    let Ok(guid) = guid.parse::<Uuid>() else { return Ok(false) };
    if app.identify.profile(guid).await.map_err(ApiError::from)?.is_some() {
        return Ok(true);
    }
    let report = app.readers.store.report(schemas::ids::ReportId(guid)).await.map_err(ApiError::from)?;
    Ok(report.is_some())
}

/// A refusal as legacy clients show it.
struct Refusal {
    status: StatusCode,
    error: String,
    retry_after: Option<HeaderValue>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Refusal { status, error: error.into(), retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &json!({"error": self.error}));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<metabase::Refused> for Refusal {
    fn from(metabase::Refused(text): metabase::Refused) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, text)
    }
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Crowded => ApiError::from(fault).into(),
            _ => Refusal::new(fault.status(), fault.to_string()),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let (status, text) = (error.status(), error.detail().to_owned());
        let retry_after = error.into_response().headers_mut().remove(header::RETRY_AFTER);
        Refusal { status, error: text, retry_after }
    }
}

/// JSON under exactly `application/json`.
fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
