//! A server that answers what a test says and remembers what it was asked, and the binary run against it.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use futures::{StreamExt, stream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub end: End,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// The connection is closed before the body is.
    Cut,
    /// Nothing more comes, and the connection stays open.
    Silence,
}

pub fn reply(status: u16, content_type: &str, body: impl Into<String>) -> Reply {
    let headers = vec![("content-type", content_type.to_owned())];
    Reply { status, headers, body: body.into(), end: End::Whole }
}

pub fn json(status: u16, body: serde_json::Value) -> Reply {
    reply(status, "application/json", body.to_string())
}

impl Reply {
    pub fn header(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn ending(mut self, end: End) -> Reply {
        self.end = end;
        self
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the handler shares with the test.
#[derive(Clone)]
struct Shared {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<dyn Fn(&Asked) -> Reply + Send + Sync>,
}

/// A server for one test.
pub struct Stub {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Answers each request by what the function says.
    pub async fn answering(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Stub {
        Stub::on("127.0.0.1:0", answer).await
    }

    /// Answers with these, one after the other, the last one for ever.
    pub async fn scripted(replies: impl IntoIterator<Item = Reply>) -> Stub {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Stub::answering(move |_| {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
        })
        .await
    }

    pub async fn on(address: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { asked: asked.clone(), answer: Arc::new(answer) };
        let router = Router::new().fallback(handle).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Stub { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn handle(
    State(Shared { asked, answer }): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let request = Asked { method, uri: uri.to_string(), headers, body };
    asked.lock().unwrap().push(request.clone());
    let reply = answer(&request);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let first = stream::once(async move { Ok(Bytes::from(reply.body)) });
    let body = match reply.end {
        End::Whole => Body::from_stream(first),
        End::Cut => {
            // Let the first piece leave before the connection goes.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(first.chain(cut))
        }
        End::Silence => Body::from_stream(first.chain(stream::pending::<std::io::Result<Bytes>>())),
    };
    response.body(body).unwrap()
}

/// An address where connections are taken and closed at once, without a word.
pub async fn closing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    url
}

/// What the binary did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `assay` with an empty environment but for a home, as on a machine where it was never used.
pub async fn assay(home: &Path, arguments: &[&str]) -> Ran {
    assay_with(home, &[], "", arguments).await
}

pub async fn assay_with(home: &Path, environment: &[(&str, &str)], stdin: &str, arguments: &[&str]) -> Ran {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs(environment.iter().copied())
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.expect("the command ends within a minute").unwrap();
    Ran {
        code: output.status.code().expect("the command is not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
