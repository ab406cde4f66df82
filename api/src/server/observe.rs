//! What is done to every request: an id, counts, times, and the headers all answers share.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use pipeline::measures::counters;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Registry};
use uuid::Uuid;

use super::App;

tokio::task_local! {
    static REQUEST_ID: HeaderValue;
}

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request being answered, as its answer's `X-Request-Id` and the log show it.
pub fn request_id() -> String {
    REQUEST_ID.try_with(|id| id.to_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// Counts of requests. Labels are route templates and statuses: a closed set, whatever is asked for.
#[derive(Clone, Debug)]
pub struct RequestMeasures {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl RequestMeasures {
    pub fn new(registry: &Registry) -> Self {
        let buckets = prometheus::exponential_buckets(0.0005, 2.0, 18).expect("a start above zero");
        let options = HistogramOpts::new("assay_http_seconds", "Time to the answer's head, by route.").buckets(buckets);
        let seconds = HistogramVec::new(options, &["route"]).expect("one name, one label");
        registry.register(Box::new(seconds.clone())).expect("registered once");
        RequestMeasures {
            requests: counters(
                registry,
                "assay_http_requests_total",
                "Requests answered, by method, route template and status.",
                &["method", "route", "status"],
            ),
            seconds,
        }
    }

    fn count(&self, method: &str, route: &str, status: &str, seconds: f64) {
        self.requests.with_label_values(&[method, route, status]).inc();
        self.seconds.with_label_values(&[route]).observe(seconds);
    }
}

/// The outermost layer.
pub async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id_of(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let origins = Origins::of(request.uri().path());
    let mut response = REQUEST_ID.scope(id.clone(), next.run(request)).await;
    let seconds = began.elapsed().as_secs_f64();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    // Methods beyond the usual are one label, since anyone can invent them.
    let label = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    };
    app.requests.count(label, route, response.status().as_str(), seconds);
    tracing::debug!(request.id = ?id, %method, route, status = response.status().as_u16(), seconds, "answered");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID_HEADER, id);
    origins.allow(headers);
    response
}

/// The sender's own id when it is a sane one, so that a proxy's log and this one agree.
fn request_id_of(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID_HEADER).filter(|id| {
        let bytes = id.as_bytes();
        (8..=64).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    });
    given.cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let id = Uuid::new_v4().simple().encode_lower(&mut text);
        HeaderValue::from_str(id).expect("hexadecimal digits")
    })
}

/// Which scripts of other origins may call, and how.
#[derive(Clone, Copy)]
enum Origins {
    /// Of any origin, by the words of today's server (contract §1.1).
    Contract,
    /// Of any origin, with all that `/v4` understands.
    Any,
    None,
}

impl Origins {
    fn of(path: &str) -> Origins {
        if path.starts_with("/v4") {
            Origins::Any
        } else if path.starts_with("/v3") || path.starts_with("/v1") {
            Origins::Contract
        } else {
            Origins::None
        }
    }

    fn allow(self, headers: &mut HeaderMap) {
        let understood = match self {
            Origins::None => return,
            Origins::Contract => "Content-Type, X-Requested-With",
            Origins::Any => {
                let told = "ETag, Location, Preference-Applied, Retry-After, X-Request-Id";
                headers.insert("access-control-expose-headers", HeaderValue::from_static(told));
                "Authorization, Content-Encoding, Content-Type, If-None-Match, Prefer, X-Request-Id, X-Requested-With"
            }
        };
        let allowed = [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("access-control-max-age", "3600"),
            ("access-control-allow-headers", understood),
        ];
        for (name, value) in allowed {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}
