//! A page as an answer: its headers, and errors told as pages.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dashboards::{CONTENT_SECURITY_POLICY, Site, pages};

use crate::server::App;
use crate::server::problems::ApiError;

/// A page that tells what went wrong at an address.
pub fn problem(app: &App, error: &ApiError, address: &str) -> Response {
    shown(error.status(), pages::problem(&site(app), &error.problem(), address))
}

pub fn site(app: &App) -> Site {
    Site { origin: app.rules.public_url.clone().unwrap_or_default(), root: String::new() }
}

pub fn shown(status: StatusCode, html: String) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // What is wrong now may be right in a moment.
    let kept = if status.is_success() { "public, max-age=5, stale-while-revalidate=60" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}

/// An error, told as a page.
pub struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        PageError(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        shown(self.0.status(), pages::problem(&Site::default(), &self.0.problem(), "/"))
    }
}
