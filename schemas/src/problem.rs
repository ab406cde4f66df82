//! Faults, told to the sender as `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing wrong with a document, and where: a JSON Pointer (RFC 6901) into it, empty for the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct Fault {
    /// JSON Pointer to the value at fault.
    #[schema(example = "/environment/language/version")]
    pub pointer: String,
    /// What is wrong there, fit to show to the sender.
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault { pointer: pointer.into(), detail: detail.into() }
    }
}

/// The body of every error answer under `/v4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A name for the kind of problem, relative to the server: `/problems/invalid-report`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words; the same for each occurrence.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What happened this time, and a way out where there is one.
    pub detail: String,
    /// The request's id, as in the `X-Request-Id` header and the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Each fault with its place in the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}
