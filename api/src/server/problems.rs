//! Errors as readers get them: RFC 9457 under `/v4`, made here and logged here, once.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::accept::{AcceptError, chain};
use pipeline::intake::IntakeError;
use pipeline::search::SearchError;
use pipeline::spool::SpoolError;
use pipeline::store::StoreError;
use schemas::problem::{Fault, Problem};

use super::observe::request_id;

/// An answer other than the one asked for.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    faults: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        ApiError { status, kind, title, detail: detail.into(), faults: Vec::new(), headers: Vec::new() }
    }

    /// The request's target does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not-found", "Not found", what)
    }

    /// A parameter of the query or path cannot be used.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut error = ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid-parameter",
            "A parameter cannot be used",
            format!("{name}: {detail}"),
        );
        error.faults.push(Fault::new(format!("/{name}"), detail));
        error
    }

    pub fn syntax(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "malformed-body", "The body cannot be read", detail)
    }

    pub fn invalid_report(faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [one] => format!("{}: {}", if one.pointer.is_empty() { "/" } else { &one.pointer }, one.detail),
            many => format!("the report has {} faults; each is listed with its place", many.len()),
        };
        let mut error =
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-report", "The report is not valid", detail);
        error.faults = faults;
        error
    }

    pub fn too_large(limit: usize) -> Self {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("a body may have at most {limit} bytes, after decompression; send fewer reports at a time"),
        )
    }

    pub fn media_type(detail: impl Into<String>) -> Self {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body's type or encoding is not supported",
            detail,
        )
    }

    pub fn unauthorized(detail: impl Into<String>) -> Self {
        let mut error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid credential is needed", detail);
        error.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"assay\"")));
        error
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", "The credential does not allow this", detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "conflict", "Another report has this id", detail)
    }

    /// The report was withdrawn, which stands in the way of what was asked.
    pub fn withdrawn(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "withdrawn", "The report was withdrawn", detail)
    }

    /// It was here, and its bytes are gone for good.
    pub fn gone(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::GONE, "gone", "It is no longer here", detail)
    }

    /// It is there, and does not stand where this could be done with it.
    pub fn unfit(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "unfit", "It is not in a state for this", detail)
    }

    /// More is waiting than the operator allows.
    pub fn busy(detail: impl Into<String>, seconds: u32) -> Self {
        let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much is waiting", detail);
        error.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        error
    }

    /// One sender sends more than it may.
    pub fn too_fast(detail: impl Into<String>, seconds: u32) -> Self {
        let mut error =
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-fast", "More reports than one sender may send", detail);
        error.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        error
    }

    /// What is sent could not be stored for want of room; nothing of it was.
    pub fn full(detail: impl Into<String>) -> Self {
        let mut error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "full", "There is no room", detail);
        error.headers.push((header::RETRY_AFTER, HeaderValue::from(60_u32)));
        error
    }

    pub fn timeout(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long", detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        let mut error =
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "A part is not available", detail);
        error.headers.push((header::RETRY_AFTER, HeaderValue::from(5_u32)));
        error
    }

    /// What the framework refused by itself, in its words: a path, query or body that is not of the kind expected.
    pub fn refused(status: StatusCode, text: &str) -> Self {
        // `Failed to deserialize query string: limits: unknown field ...`
        let parameter =
            text.strip_prefix("Failed to deserialize query string: ").and_then(|rest| rest.split_once(": "));
        match (parameter, status) {
            (Some((name, detail)), _) => ApiError::parameter(name, detail),
            (None, StatusCode::UNSUPPORTED_MEDIA_TYPE) => ApiError::media_type(text),
            (None, StatusCode::PAYLOAD_TOO_LARGE) => ApiError::new(status, "too-large", "The body is too large", text),
            _ => ApiError::new(status, "malformed-request", "The request cannot be read", text),
        }
    }

    /// The path is there, the method is not.
    pub fn method(detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here", detail)
    }

    /// A defect of assay's, told by a panic.
    pub fn defect(text: &str) -> Self {
        ApiError::internal(&std::io::Error::other(text.to_owned()))
    }

    fn internal(error: &dyn std::error::Error) -> Self {
        let id = request_id();
        tracing::error!(request.id = %id, error = %chain(error), "a request failed");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here",
            format!("nothing is wrong with the request; the operator finds the cause in the log under {id}"),
        )
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The body alone.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.kind),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            request_id: Some(request_id()),
            errors: self.faults.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error.transient() {
            true => {
                tracing::error!(request.id = %request_id(), error = %chain(&error), "the database is not available");
                ApiError::unavailable("the database is not available; please try again")
            }
            false => ApiError::internal(&error),
        }
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        tracing::error!(request.id = %request_id(), error = %chain(&error), "a submission was not stored");
        ApiError::unavailable("the report was not stored; please send it again")
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Accept(error) => error.into(),
            IntakeError::Spool(error @ SpoolError::Full { .. }) => {
                tracing::error!(request.id = %request_id(), error = %chain(&error), "a submission was turned away");
                ApiError::full("the database is away and the spool is full; please send the report again later")
            }
            IntakeError::Spool(error) => {
                tracing::error!(request.id = %request_id(), error = %chain(&error), "a submission was not spooled");
                ApiError::unavailable("the report was not stored; please send it again")
            }
        }
    }
}

impl From<SpoolError> for ApiError {
    fn from(error: SpoolError) -> Self {
        tracing::error!(request.id = %request_id(), error = %chain(&error), "the spool cannot be read");
        ApiError::unavailable("the spool of this node is not available; please try again")
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        tracing::error!(request.id = %request_id(), error = %chain(&error), "a search failed");
        ApiError::unavailable("search is not available now; counts and reports are")
    }
}
