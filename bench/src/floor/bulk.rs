//! The same documents sent straight to the search engine: the requests by which assay fills an index are recorded on
//! their way, and sent again into an index of another name.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::Value;

use crate::engine::{Engine, JSON, send};

/// Generation that the documents are sent into: none that assay makes in a run.
const GENERATION: u64 = 9_000;

/// Stands between assay and a search engine, and keeps the bodies of the bulk requests that go through.
pub struct Recorder {
    /// Where assay is to send what is meant for the engine.
    pub url: String,
    recorded: Arc<Mutex<Vec<Bytes>>>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Passing {
    engine: Engine,
    recorded: Arc<Mutex<Vec<Bytes>>>,
}

impl Recorder {
    pub async fn before(engine: &Engine) -> anyhow::Result<Self> {
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let passing = Passing { engine: engine.clone(), recorded: recorded.clone() };
        let router = Router::new().fallback(pass).layer(DefaultBodyLimit::disable()).with_state(passing);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("could not listen")?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the recorder ended: {error}");
            }
        });
        Ok(Recorder { url, recorded, serving })
    }

    /// What was recorded, in its order.
    pub fn bodies(self) -> Vec<Bytes> {
        std::mem::take(&mut *self.recorded.lock().expect("nobody panics while holding the recorded bodies"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(passing): State<Passing>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match passing.engine.answer(method.as_str(), path, JSON, &body).await {
        Ok(answer) => {
            if uri.path().ends_with("/_bulk") {
                passing.recorded.lock().expect("nobody panics while holding the recorded bodies").push(body);
            }
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            let kind = answer.header("content-type").unwrap_or(JSON).to_owned();
            (status, [(header::CONTENT_TYPE, kind)], Body::from(answer.body)).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

/// Documents indexed in a second when recorded bulk requests are sent again, one after the other, into an index of
/// another name that is laid out alike, and made searchable once at the end.
pub async fn index_rate(engine: &Engine, prefix: &str, recorded: &[Bytes]) -> anyhow::Result<f64> {
    let mut documents = 0;
    let mut bodies = Vec::with_capacity(recorded.len());
    for body in recorded {
        let text = std::str::from_utf8(body).context("a bulk request is not UTF-8")?;
        documents += text.lines().count() / 2;
        bodies.push(renamed(text, prefix)?);
    }
    anyhow::ensure!(documents > 0, "no document was sent to the search engine");
    let mut connection = engine.connect().await?;
    let began = Instant::now();
    for body in &bodies {
        let answer = send(&mut connection, "POST", "/_bulk", JSON, body.as_bytes()).await?;
        let told: Value = serde_json::from_slice(&answer.body).context("a bulk request was not answered JSON")?;
        anyhow::ensure!(told["errors"] == false, "a bulk request was refused: {told}");
    }
    send(&mut connection, "POST", &format!("/{prefix}-{GENERATION}-*/_refresh"), JSON, &[]).await?;
    Ok(documents as f64 / began.elapsed().as_secs_f64())
}

/// A bulk request with its documents meant for another generation.
fn renamed(text: &str, prefix: &str) -> anyhow::Result<String> {
    let first = text.lines().next().context("a bulk request is empty")?;
    let action: Value = serde_json::from_str(first).context("a bulk request does not begin with an action")?;
    let index = action["index"]["_index"].as_str().context("a bulk request does not name its index")?;
    let rest = index.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    let (generation, _) = rest.and_then(|rest| rest.split_once('-')).context("an index is not one of this run")?;
    let (old, new) = (format!("\"{prefix}-{generation}-"), format!("\"{prefix}-{GENERATION}-"));
    // Actions and documents take turns.
    let lines = text.split_inclusive('\n').enumerate();
    Ok(lines.map(|(at, line)| if at % 2 == 0 { line.replace(&old, &new) } else { line.to_owned() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_sent_to_another_generation_and_otherwise_left_alone() {
        let text = "{\"index\":{\"_index\":\"bench1-2-2026.11\",\"_id\":\"1\"}}\n{\"text\":\"bench1-2-2025\"}\n";
        let renamed = renamed(text, "bench1").unwrap();
        assert_eq!(renamed, text.replace("bench1-2-2026", "bench1-9000-2026"));
        assert!(super::renamed(text, "other").is_err());
    }
}
