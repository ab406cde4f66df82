//! `POST /v3/report`: today's JSON door (contract §1.5, §2.1, §11.2), with today's error bodies.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::intake::{Credential, Offer};
use pipeline::store::Door;
use schemas::ids::ReportId;
use schemas::report::{Dialect, Report, content_type_v3, faults_v3};
use serde_json::json;
use uuid::Uuid;

use super::body::{self, BodyFault};
use super::credentials::submitter;
use crate::server::App;
use crate::server::limits::sender::Sender;
use crate::server::problems::ApiError;

pub async fn submit(State(app): State<Arc<App>>, sender: Sender, headers: HeaderMap, body: Body) -> Response {
    let answer = take(&app, &sender, &headers, body).await;
    if answer.status().is_client_error() {
        app.measures.count_refusal(Door::V3);
    }
    answer
}

async fn take(app: &App, sender: &Sender, headers: &HeaderMap, body: Body) -> Response {
    let credential = match app.limits.admit(sender).await {
        Ok(()) => submitter(app, headers).await,
        Err(error) => Err(error),
    };
    let credential = match credential {
        Ok(Credential::Absent) if !app.rules.anonymous => {
            return refuse(StatusCode::UNAUTHORIZED, &[("a credential is needed".to_owned(), "/".to_owned())]);
        }
        Ok(credential) => credential,
        Err(error) => return contract_error(error),
    };
    if let Some(kind) = headers.get(header::CONTENT_TYPE)
        && let Err(fault) = content_type_v3(kind.to_str().unwrap_or_default())
    {
        return refuse(StatusCode::BAD_REQUEST, &[fault]);
    }
    let bytes = match body::whole(app, headers, body).await {
        Ok(bytes) => bytes,
        Err(BodyFault::Crowded) => return contract_error(BodyFault::Crowded.into()),
        Err(fault) => {
            return refuse(fault.status(), &[(fault.to_string(), "/report".to_owned())]);
        }
    };
    let Ok(report) = Report::parse(&bytes, Dialect::V3) else {
        return refuse(StatusCode::BAD_REQUEST, &faults_v3(&bytes));
    };
    let whose = match app.intake.whose(&credential, &report.reporter).await {
        Ok(whose) => whose,
        Err(error) => return contract_error(error.into()),
    };
    if let Err(error) = app.limits.count_whose(sender, &whose, credential.shown(), 1).await {
        return contract_error(error);
    }
    // What is under way keeps its share of the memory for bodies until it is stored.
    let _held = bytes.clone();
    // The door gives its own id, whatever the sender says (contract §11.2).
    let id = ReportId(Uuid::new_v4());
    match app.intake.take(Offer::new(id, Door::V3, whose, bytes)).await {
        Ok(_) => (StatusCode::CREATED, Json(json!({"id": id}))).into_response(),
        Err(error) => contract_error(error.into()),
    }
}

/// Today's shape of an invalid request.
fn refuse(status: StatusCode, faults: &[(String, String)]) -> Response {
    let errors: Vec<_> = faults.iter().map(|(message, path)| json!({"message": message, "path": path})).collect();
    (status, Json(json!({"errors": errors, "status": status.as_u16()}))).into_response()
}

/// An answer of assay's own in the contract's shape.
pub fn contract_error(error: ApiError) -> Response {
    let body = json!({"errors": [{"message": error.detail(), "path": "/"}], "status": error.status().as_u16()});
    let mut response = error.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body.to_string());
    response
}
