//! Asking an assay server: requests, and its refusals told the way a person needs them.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::clock::Clock;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use schemas::problem::{Fault, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::{Secret, Server};

/// Longest error body that is read.
const REFUSAL_LIMIT: usize = 1 << 20;

/// A server, and how it is asked.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    token: Option<Secret>,
    timeout: Duration,
}

/// An answer of success, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    url: Url,
}

/// Why there is no answer of success.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("{url} did not answer within {}", seconds(*.limit))]
    TimedOut { url: Url, limit: Duration },
    #[error("{url} could not be reached")]
    Unreachable { url: Url, source: reqwest::Error },
    #[error("the answer of {url} broke off")]
    BrokenOff { url: Url, source: reqwest::Error },
    #[error("the answer of {url} is not what an assay server sends: {detail}")]
    Unreadable { url: Url, detail: String },
    #[error("{url} redirects to {target}; say that address with --server")]
    Redirected { url: Url, target: String },
    #[error("the client could not be set up")]
    Setup(#[source] reqwest::Error),
}

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The kind of problem in a few words.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    pub faults: Vec<Fault>,
    pub request_id: Option<String>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for fault in &self.faults {
            write!(f, "\n  {}: {}", fault.pointer, fault.detail)?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, "\n  try again in {}", seconds(wait))?;
        }
        match &self.request_id {
            Some(id) => write!(f, "\n  request id: {id}"),
            None => Ok(()),
        }
    }
}

impl ClientError {
    /// Whether the same request can succeed later: the server is away, busy or broken.
    pub fn transient(&self) -> bool {
        match self {
            ClientError::Refused(refusal) => matches!(refusal.status, 408 | 425 | 429 | 500..),
            ClientError::TimedOut { .. } | ClientError::Unreachable { .. } => true,
            ClientError::BrokenOff { .. } | ClientError::Unreadable { .. } => true,
            ClientError::Redirected { .. } | ClientError::Setup(_) => false,
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            ClientError::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            ClientError::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

impl Client {
    pub fn new(server: &Server) -> Result<Client, ClientError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(server.timeout.min(Duration::from_secs(10)))
            // A redirected POST would become a GET, and the token would go where nobody sent it.
            .redirect(reqwest::redirect::Policy::none());
        if loopback(&server.url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Setup)?;
        Ok(Client { http, url: server.url.clone(), token: server.token.clone(), timeout: server.timeout })
    }

    pub fn server(&self) -> &Url {
        &self.url
    }

    /// The address of a path below the server, each segment encoded.
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        url.path_segments_mut().expect("http and https URLs have paths").pop_if_empty().extend(segments);
        url
    }

    /// A whole answer to `GET`.
    pub async fn get(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Answer, ClientError> {
        self.get_within(self.timeout, segments, query).await
    }

    /// As [`Client::get`], for a request that the server may hold for a while.
    pub async fn get_within(
        &self,
        timeout: Duration,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, ClientError> {
        let request = self.request(Method::GET, segments).timeout(timeout).query(query);
        self.send(request, timeout).await
    }

    /// The bytes of an answer as they come. The time limit is for each piece, not for the whole.
    pub async fn stream(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        accept: &str,
    ) -> Result<Chunks, ClientError> {
        let request = self.request(Method::GET, segments).query(query).header(header::ACCEPT, accept);
        let request = request.build().map_err(ClientError::Setup)?;
        let url = request.url().clone();
        let limit = self.timeout;
        let response = match tokio::time::timeout(limit, self.http.execute(request)).await {
            Err(_) => return Err(ClientError::TimedOut { url, limit }),
            Ok(response) => response.map_err(|error| failure(url.clone(), error, limit))?,
        };
        Ok(Chunks { response: successful(response).await?, url, limit })
    }

    /// A request with the token, for [`Client::send`].
    pub fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url(segments));
        match &self.token {
            Some(Secret(token)) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request without the token: the legacy routes have credentials of their own.
    pub fn bare_request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        self.http.request(method, self.url(segments))
    }

    /// Sends a request, and waits for the whole answer.
    pub async fn send(&self, request: RequestBuilder, timeout: Duration) -> Result<Answer, ClientError> {
        let request = request.timeout(timeout).build().map_err(ClientError::Setup)?;
        let url = request.url().clone();
        let response = self.http.execute(request).await.map_err(|error| failure(url.clone(), error, timeout))?;
        let response = successful(response).await?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| failure(url.clone(), error, timeout))?;
        Ok(Answer { status, body, url })
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// A body that is read piece by piece.
#[derive(Debug)]
pub struct Chunks {
    response: Response,
    url: Url,
    limit: Duration,
}

impl Chunks {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        match tokio::time::timeout(self.limit, self.response.chunk()).await {
            Err(_) => Err(ClientError::TimedOut { url: self.url.clone(), limit: self.limit }),
            Ok(chunk) => chunk.map_err(|error| failure(self.url.clone(), error, self.limit)),
        }
    }
}

impl Answer {
    /// The body as a view. A body that is not one comes from something else than an assay server.
    pub fn view<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(error.to_string()))
    }

    pub fn unreadable(&self, detail: String) -> ClientError {
        ClientError::Unreadable { url: self.url.clone(), detail }
    }
}

/// The response, when it is one of success.
async fn successful(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if let (true, Some(target)) = (status.is_redirection(), text_of(&response, header::LOCATION)) {
        return Err(ClientError::Redirected { url: response.url().clone(), target });
    }
    Err(ClientError::Refused(Box::new(refusal(response).await)))
}

async fn refusal(mut response: Response) -> Refusal {
    let status = response.status();
    let content_type = text_of(&response, header::CONTENT_TYPE).unwrap_or_else(|| "of no content type".to_owned());
    let request_id = text_of(&response, header::HeaderName::from_static("x-request-id"));
    let retry_after = text_of(&response, header::RETRY_AFTER).and_then(|text| wait_of(&text, Clock::System.now()));
    let mut body = Vec::new();
    // The status is known already, so a body that breaks off or does not come takes nothing away.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > REFUSAL_LIMIT {
            break;
        }
    }
    let mut refusal = told(status, &content_type, &body);
    refusal.request_id = refusal.request_id.or(request_id);
    refusal.retry_after = retry_after;
    refusal
}

/// What an error body says: a problem document, the shapes of the CPAN Testers routes, or nothing assay knows.
fn told(status: StatusCode, content_type: &str, body: &[u8]) -> Refusal {
    let title = status.canonical_reason().unwrap_or("refused").to_owned();
    let mut refusal = Refusal {
        status: status.as_u16(),
        title,
        detail: String::new(),
        faults: Vec::new(),
        request_id: None,
        retry_after: None,
    };
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        refusal.title = problem.title;
        refusal.detail = problem.detail;
        refusal.faults = problem.errors;
        refusal.request_id = problem.request_id;
        return refusal;
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(error) = value["error"].as_str() {
        refusal.detail = error.to_owned();
    } else if let Some(errors) = value["errors"].as_array() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        refusal.faults = errors.iter().map(|one| Fault::new(text(&one["path"]), text(&one["message"]))).collect();
    } else if body.is_empty() {
        refusal.detail = "the answer has no readable body".to_owned();
    } else {
        refusal.detail = format!("the answer is {content_type}, not the problem document an assay server sends");
    }
    refusal
}

/// `Retry-After`: seconds, or a date.
fn wait_of(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (date.to_utc() - now).to_std().ok()
}

fn failure(url: Url, error: reqwest::Error, limit: Duration) -> ClientError {
    let error = error.without_url();
    if error.is_timeout() {
        ClientError::TimedOut { url, limit }
    } else if error.is_body() || error.is_decode() {
        ClientError::BrokenOff { url, source: error }
    } else if error.is_builder() {
        ClientError::Setup(error)
    } else {
        ClientError::Unreachable { url, source: error }
    }
}

fn text_of(response: &Response, name: header::HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    crate::config::Listen { host: host.trim_matches(['[', ']']).to_owned(), port: 0 }.loopback()
}

/// A duration in words: `30 s`, `0.5 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
