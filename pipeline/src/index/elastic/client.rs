//! Requests to the nodes of a search engine: a node that is away is passed over, and what may help is tried again.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use elasticsearch::auth;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::response::Response;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{Method, Url};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::address::Address;

/// A node that did not answer is left alone for so long, and twice as long after each further failure.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Wait before a request is tried again, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Characters of what the engine says that are passed on.
const LONGEST_REASON: usize = 300;

/// The nodes of a cluster. Its calls block, from any thread; the requests run on a thread of its own.
pub(super) struct Client {
    /// Absent only while it is dropped.
    runtime: Option<Runtime>,
    nodes: Arc<Nodes>,
}

/// What is asked of the engine.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    /// With its query, without the leading slash.
    path: String,
    body: Bytes,
    /// After which a node is taken not to answer.
    timeout: Duration,
    /// How often it is tried.
    tries: u32,
    /// Whether there is another try at once when a node does not answer: for those who wait for an answer.
    hurried: bool,
}

/// What the engine answered: success, or a fault of the request's.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
    node: String,
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{node} did not answer: {reason}")]
    Silent { node: String, reason: String },
    #[error("{node} did not answer within {} seconds", timeout.as_secs())]
    Slow { node: String, timeout: Duration },
    #[error("{node} answered {status}: {reason}")]
    Refused { node: String, status: u16, reason: String },
    /// Of several things in a request, some were not done.
    #[error("the search engine refused: {reason}")]
    Partly { reason: String },
    #[error("the certificates in {} cannot be used", path.display())]
    Certificates { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("the client of the search engine could not be made")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl Request {
    /// A question that somebody waits for.
    pub(super) fn read(method: Method, path: impl Into<String>) -> Request {
        let timeout = Duration::from_secs(10);
        Request { method, path: path.into(), body: Bytes::new(), timeout, tries: 4, hurried: true }
    }

    /// An order, which may take its time.
    pub(super) fn write(method: Method, path: impl Into<String>) -> Request {
        let timeout = Duration::from_secs(60);
        Request { method, path: path.into(), body: Bytes::new(), timeout, tries: 7, hurried: false }
    }

    pub(super) fn json(self, body: &Value) -> Request {
        self.body(body.to_string().into())
    }

    pub(super) fn body(self, body: Bytes) -> Request {
        Request { body, ..self }
    }
}

impl Answer {
    /// The answer, if the request was done.
    pub(super) fn done(self) -> Result<Answer, Failure> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refused()) }
    }

    pub(super) fn refused(self) -> Failure {
        Failure::Refused { node: self.node, status: self.status, reason: reason(&self.body) }
    }
}

impl Client {
    pub(super) fn new(address: &Address) -> Result<Client, Failure> {
        let nodes = address.nodes.iter().map(|url| Node::new(url, address)).collect::<Result<_, _>>()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("search engine")
            .enable_all()
            .build()
            .map_err(|error| Failure::Client(error.into()))?;
        Ok(Client { runtime: Some(runtime), nodes: Arc::new(Nodes { list: nodes, turn: AtomicUsize::new(0) }) })
    }

    /// Asks, and asks again while that may help. Blocks the thread; it may be one of a runtime, though it should not.
    pub(super) fn call(&self, request: Request) -> Result<Answer, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        let nodes = Arc::clone(&self.nodes);
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move { drop(answer.send(nodes.call(&request).await)) });
        }
        answered.recv().unwrap_or_else(|_| Err(Failure::Client("the request was given up".into())))
    }

    /// Waits before something is tried for the so-manieth time: longer each time, and never quite as long as others.
    pub(super) fn wait(failures: u32) {
        thread::sleep(pause(failures));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Not by itself: that would wait, which a thread of another runtime must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Nodes {
    list: Vec<Node>,
    turn: AtomicUsize,
}

struct Node {
    name: String,
    transport: Transport,
    rest: Mutex<Option<Rest>>,
}

/// A node that did not answer is not asked before this is over, unless there is no other.
#[derive(Clone, Copy)]
struct Rest {
    until: Instant,
    failures: u32,
}

impl Nodes {
    async fn call(&self, request: &Request) -> Result<Answer, Failure> {
        let mut failures = 0;
        loop {
            let failed = match self.next().call(request).await {
                Ok(answer) if answer.status == 429 || answer.status >= 500 => answer.refused(),
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            failures += 1;
            let others = self.list.iter().any(|node| node.rested(Instant::now()));
            if matches!(failed, Failure::Slow { .. }) && request.hurried && !others {
                // Whoever waits has waited long enough.
                return Err(failed);
            }
            if failures >= request.tries.max(u32::try_from(self.list.len()).unwrap_or(u32::MAX)) {
                return Err(failed);
            }
            tracing::debug!(error = %failed, failures, "the search engine is asked again");
            if !(request.hurried && others && matches!(failed, Failure::Silent { .. } | Failure::Slow { .. })) {
                tokio::time::sleep(pause(failures)).await;
            }
        }
    }

    /// Each in its turn, without those that are left alone; if all are, the one that has been for longest.
    fn next(&self) -> &Node {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let (after, before) = (self.list.iter().skip(turn % self.list.len()), self.list.iter());
        let mut in_turn = after.chain(before);
        in_turn
            .find(|node| node.rested(now))
            .or_else(|| self.list.iter().min_by_key(|node| node.resting().map(|rest| rest.until)))
            .expect("an address has a node")
    }
}

impl Node {
    fn new(url: &Url, address: &Address) -> Result<Node, Failure> {
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url.clone()));
        if let Some(credentials) = &address.credentials {
            let (user, password) = (credentials.user.clone(), credentials.password.clone());
            builder = builder.auth(auth::Credentials::Basic(user, password));
        }
        if let Some(validation) = trusted(address)? {
            builder = builder.cert_validation(validation);
        }
        let transport = builder.build().map_err(|error| Failure::Client(error.to_string().into()))?;
        let name = url.as_str().trim_end_matches('/').to_owned();
        Ok(Node { name, transport, rest: Mutex::new(None) })
    }

    async fn call(&self, request: &Request) -> Result<Answer, Failure> {
        let sent = self.transport.send(
            request.method,
            &request.path,
            HeaderMap::new(),
            None::<&()>,
            (!request.body.is_empty()).then(|| request.body.clone()),
            Some(request.timeout),
        );
        let answered = match sent.await {
            Ok(response) => self.read(response).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(answer) => {
                self.answered();
                Ok(answer)
            }
            Err(error) => {
                self.failed();
                let node = self.name.clone();
                Err(match error.is_timeout() {
                    true => Failure::Slow { node, timeout: request.timeout },
                    false => Failure::Silent { node, reason: cause(&error) },
                })
            }
        }
    }

    async fn read(&self, response: Response) -> Result<Answer, elasticsearch::Error> {
        let status = response.status_code().as_u16();
        let text = response.text().await?;
        // What stands before the engine, a proxy, does not answer in JSON.
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, body, node: self.name.clone() })
    }

    fn resting(&self) -> Option<Rest> {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rested(&self, now: Instant) -> bool {
        self.resting().is_none_or(|rest| rest.until <= now)
    }

    fn answered(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failed(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = rest.map_or(0, |rest| rest.failures);
        let time = (FIRST_REST * 2_u32.saturating_pow(failures.min(6))).min(LONGEST_REST);
        *rest = Some(Rest { until: Instant::now() + time, failures: failures + 1 });
    }
}

/// What the certificates of the nodes are held against, when the address says so.
fn trusted(address: &Address) -> Result<Option<CertificateValidation>, Failure> {
    let Some(path) = &address.options.ca else { return Ok(None) };
    let pem = fs::read(path).map_err(|error| Failure::Certificates { path: path.clone(), source: error.into() })?;
    let read = Certificate::from_pem(&pem);
    let read = read.map_err(|error| Failure::Certificates { path: path.clone(), source: error.into() });
    read.map(|certificate| Some(CertificateValidation::Full(certificate)))
}

/// Longer with each failure, and by chance between half and whole, so that those who wait do not meet.
fn pause(failures: u32) -> Duration {
    let longest = (FIRST_WAIT * 2_u32.saturating_pow(failures.saturating_sub(1).min(6))).min(LONGEST_WAIT);
    let chance = f64::from(Uuid::new_v4().as_bytes()[0]) / 512.0;
    longest.mul_f64(0.5 + chance)
}

/// What lies behind an error of the client: by itself it tells no more than the URL, twice.
fn cause(error: &elasticsearch::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source().and_then(Error::source);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

/// What the engine says was wrong, in short.
pub(super) fn reason(body: &Value) -> String {
    let error = body.get("error").unwrap_or(body);
    let cause = error.pointer("/root_cause/0").unwrap_or(error);
    let text = match (cause.get("type").and_then(Value::as_str), cause.get("reason").and_then(Value::as_str)) {
        (Some(kind), Some(reason)) => format!("{kind}: {reason}"),
        _ => cause.as_str().map_or_else(|| cause.to_string(), str::to_owned),
    };
    text.chars().take(LONGEST_REASON).collect()
}
