//! Errors in the contract's shape: `{"errors":[{"message","path"}]}`, with `status` beside them where the validator of
//! today's server speaks (contract §1.1).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::store::StoreError;
use serde_json::json;

use crate::server::intake::v3::contract_error;
use crate::server::problems::ApiError;

/// An answer other than the one asked for.
#[derive(Debug)]
pub enum Refusal {
    /// Parameters that break the Swagger document: messages, each with the parameter's name.
    Invalid(Vec<(&'static str, String)>),
    /// What the handler refuses: the message, and the path it belongs to.
    Refused(StatusCode, String, &'static str),
    /// A part of assay does not work.
    Failed(ApiError),
}

impl Refusal {
    /// Nothing is there; the words are those of today's server.
    pub fn missing(message: impl Into<String>) -> Self {
        Refusal::Refused(StatusCode::NOT_FOUND, message.into(), "/")
    }

    /// A list without rows (contract §1.2, §1.4).
    pub fn nothing() -> Self {
        Refusal::missing("No results found")
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Refusal::Refused(StatusCode::BAD_REQUEST, message.into(), "/")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Failed(error.into())
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Refusal::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Refusal::Failed(error) => return contract_error(error),
            Refusal::Refused(status, message, path) => {
                (status, json!({"errors": [{"message": message, "path": path}]}))
            }
            Refusal::Invalid(faults) => {
                let errors: Vec<_> = faults
                    .iter()
                    .map(|(name, message)| json!({"message": message, "path": format!("/{name}")}))
                    .collect();
                (StatusCode::BAD_REQUEST, json!({"errors": errors, "status": 400}))
            }
        };
        // What is not there now may be there in a minute.
        (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
