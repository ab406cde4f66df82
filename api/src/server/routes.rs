//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::App;
use super::away;
use super::cache::named_by_content;
use super::contract::{self, sockets, swagger};
use super::intake::{metabase, v3, v4, withdrawals};
use super::observe::observe;
use super::problems::ApiError;
use super::reading::{changes, events, matrix, receipts, releases, reports, search, status};
use super::{jobs, openapi, pages, testers, tokens, www};

/// The whole server as one service.
pub fn router(app: Arc<App>) -> Router {
    let legacy = Router::new()
        .route("/submit/CPAN-Testers-Report", post(metabase::submit))
        .route("/submit/{kind}", post(metabase::submit_other))
        .route("/register", post(metabase::register))
        .route("/guid/{guid}", get(metabase::guid));
    let worth = SizeAbove::new(1024).and(NotForContentType::const_new("application/octet-stream"));
    // An event is not to wait until there is enough to be packed.
    let compressed = CompressionLayer::new().compress_when(worth.and(NotForContentType::SSE));
    Router::new()
        .route("/v4/reports", post(v4::submit))
        .route("/v4/reports/{id}", delete(withdrawals::withdraw_one))
        .route("/v4/reports/{id}/restore", post(withdrawals::restore))
        .route("/v4/invalidations", post(withdrawals::withdraw_many))
        .route("/v3/report", post(v3::submit))
        .merge(contract::doors())
        .nest("/api/v1", legacy.clone())
        .nest("/beta", legacy)
        .merge(
            reading()
                .merge(contract::routes())
                .merge(pages::routes())
                .merge(www::routes())
                .layer(axum::middleware::from_fn(named_by_content))
                .layer(compressed),
        )
        .route("/v4/tokens", get(tokens::list).post(tokens::issue))
        .route("/v4/tokens/{id}/rotate", post(tokens::rotate))
        .route("/v4/tokens/{id}", delete(tokens::revoke))
        .route("/v4/testers/{id}/secret", delete(testers::forget_secret))
        .route("/v4/workers", put(status::resize))
        .route("/v4/jobs/retry", post(jobs::retry_all))
        .route("/v4/jobs/{number}/retry", post(jobs::retry))
        .route("/v4/jobs/{number}/park", post(jobs::park))
        .route("/v4/reports/{id}/retry", post(jobs::retry_report))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), away::hurry))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), reword))
        .layer(CatchPanicLayer::custom(broken))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

fn reading() -> Router<Arc<App>> {
    Router::new()
        .route("/v4/reports/{id}", get(reports::report))
        .route("/v4/reports/{id}/text", get(reports::text))
        .route("/v4/reports/{id}/raw", get(reports::raw))
        .route("/v4/reports/{id}/receipt", get(receipts::receipt))
        .route("/v4/releases/{distribution}", get(releases::distribution))
        .route("/v4/releases/{distribution}/{version}", get(releases::release))
        .route("/v4/distributions/{distribution}", get(releases::distribution))
        .route("/v4/authors/{id}", get(releases::author))
        .route("/v4/testers/{id}", get(releases::tester))
        .route("/v4/matrix/{distribution}", get(matrix::of_distribution))
        .route("/v4/matrix/{distribution}/{version}", get(matrix::of_release))
        .route("/v4/summaries", get(sockets::summaries))
        .route("/v4/results", get(sockets::results))
        .route("/v4/changes", get(changes::changes))
        .route("/v4/events", get(events::events))
        .route("/v4/search", get(search::search))
        .route("/v4/jobs", get(jobs::list))
        .route("/v4/jobs/{number}", get(jobs::job))
        .route("/v4/status", get(status::status))
        .route("/v4/openapi.json", get(openapi::document))
}

/// Nothing lives here, said in the way the path's readers understand.
async fn nowhere(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    refusal(&app, path, ApiError::not_found(format!("nothing lives at {path}")))
}

/// Something lives here, but not for this method.
async fn not_so(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if method == Method::OPTIONS
        && let Some(operations) = swagger::operations_at(path)
    {
        return operations;
    }
    // A browser asks first whether a script of another origin may; the headers that all answers have say yes.
    if method == Method::OPTIONS && (path.starts_with("/v4") || path.starts_with("/v3")) {
        return StatusCode::NO_CONTENT.into_response();
    }
    // Today's server knows no other answer than 404 (contract §11.2).
    if path.starts_with("/v3") || path.starts_with("/v1") {
        return refusal(&app, path, ApiError::not_found("Not Found."));
    }
    refusal(&app, path, ApiError::method(format!("{path} does not take {method}")))
}

/// Says what the framework refused by itself, in plain text, in the way the path's readers understand.
async fn reword(State(app): State<Arc<App>>, request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(plain && response.status().is_client_error()) {
        return response;
    }
    let status = response.status();
    let text = to_bytes(response.into_body(), LONGEST_REFUSAL).await.unwrap_or_default();
    refusal(&app, &path, ApiError::refused(status, &String::from_utf8_lossy(&text)))
}

/// Bytes of the framework's own refusals at most.
const LONGEST_REFUSAL: usize = 16 * 1024;

/// A problem in the shape that the path's readers understand.
pub fn refusal(app: &App, path: &str, error: ApiError) -> Response {
    let legacy = path.starts_with("/api/v1") || path.starts_with("/beta");
    let contract = path.starts_with("/v3") || path.starts_with("/v1");
    if contract && error.status() != StatusCode::NOT_FOUND {
        v3::contract_error(error)
    } else if contract {
        let body = r#"{"errors":[{"message":"Not Found.","path":"/"}],"status":404}"#;
        (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    } else if legacy {
        let body = serde_json::json!({"error": error.detail()}).to_string();
        (error.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
    } else if path.starts_with("/v4") {
        error.into_response()
    } else {
        pages::problem(app, &error, path)
    }
}

/// A handler panicked: a defect of assay's, logged with the request's id.
fn broken(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    ApiError::defect(text.unwrap_or("a panic without words")).into_response()
}
