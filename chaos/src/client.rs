//! Requests to whichever process of assay answers at the moment, and what their answers mean.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

/// Longest wait for an answer. Processes are paused for less, so only a kill cuts an answer off.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where assay answers at the moment; also in a file, for the mirror, which is another process.
#[derive(Clone)]
pub struct Addresses {
    bases: Arc<Mutex<Vec<String>>>,
    file: PathBuf,
}

impl Addresses {
    pub fn new(file: PathBuf) -> Self {
        Addresses { bases: Arc::default(), file }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// One of those that answer, in turn by `lot`.
    pub fn one(&self, lot: usize) -> Option<String> {
        let bases = self.bases.lock().expect("no holder of the addresses panics");
        (!bases.is_empty()).then(|| bases[lot % bases.len()].clone())
    }

    /// How many answer.
    pub fn count(&self) -> usize {
        self.bases.lock().expect("no holder of the addresses panics").len()
    }

    pub fn set(&self, bases: Vec<String>) -> anyhow::Result<()> {
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, bases.join("\n")).context("the addresses could not be written")?;
        std::fs::rename(&beside, &self.file).context("the addresses could not be put in place")?;
        *self.bases.lock().expect("no holder of the addresses panics") = bases;
        Ok(())
    }
}

/// What a receipt says that a run relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub revision: i64,
    pub digest: String,
    pub state: String,
    pub withdrawn: bool,
    /// Digests of bodies that were spooled under the same id and then refused.
    pub refused: Vec<String>,
}

impl Receipt {
    /// Whether it is about a body that waits in a node's spool: its revision is not known yet.
    pub fn spooled(&self) -> bool {
        self.state == "spooled"
    }

    pub fn read(value: &Value) -> Option<Receipt> {
        let state = value["state"].as_str()?.to_owned();
        Some(Receipt {
            revision: value["revision"].as_i64()?,
            digest: value["digest"].as_str()?.to_owned(),
            withdrawn: !value["withdrawn"].is_null() || matches!(state.as_str(), "withdrawn" | "retracted"),
            state,
            refused: (value["refused"].as_array().into_iter().flatten())
                .filter_map(|refusal| refusal["digest"].as_str().map(str::to_owned))
                .collect(),
        })
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 or 202, with the body.
    Taken(u16, String),
    /// 429 or 503: not now. What it would have done may have been done all the same.
    TurnedAway,
    /// Any other answer.
    Refused(u16, String),
    /// No connection: nothing was sent.
    Unsent,
    /// The connection broke off: nobody knows whether it was done.
    Cut,
    /// There was a connection, and no answer for longer than any process is paused.
    Silent,
}

impl Answer {
    /// In a few words.
    pub fn told(&self) -> String {
        match self {
            Answer::Taken(status, _) | Answer::Refused(status, _) => status.to_string(),
            Answer::TurnedAway => "429 or 503".to_owned(),
            Answer::Unsent => "no connection".to_owned(),
            Answer::Cut => "an answer cut off".to_owned(),
            Answer::Silent => "silence".to_owned(),
        }
    }
}

/// Sends requests.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub addresses: Addresses,
}

impl Client {
    pub fn new(addresses: Addresses) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .timeout(PATIENCE)
            .build()
            .context("the client could not be made")?;
        Ok(Client { http, addresses })
    }

    /// Sends reports: one, or many as lines.
    pub async fn submit(&self, lot: usize, token: &str, kind: &'static str, body: Vec<u8>) -> Answer {
        let Some(base) = self.addresses.one(lot) else { return Answer::Unsent };
        let request = self.http.post(format!("{base}/v4/reports")).bearer_auth(token);
        self.judged(&base, answer(request.header("content-type", kind).body(body)).await)
    }

    /// Takes a report back in its tester's name.
    pub async fn retract(&self, lot: usize, token: &str, id: &str) -> Answer {
        let Some(base) = self.addresses.one(lot) else { return Answer::Unsent };
        let url = format!("{base}/v4/reports/{id}?reason=sent+by+mistake");
        self.judged(&base, answer(self.http.delete(url).bearer_auth(token)).await)
    }

    /// Silence is a fault of a process that is still there; that of one killed meanwhile is an answer cut off.
    fn judged(&self, base: &str, answer: Answer) -> Answer {
        let gone =
            !self.addresses.bases.lock().expect("no holder of the addresses panics").iter().any(|one| one == base);
        match answer {
            Answer::Silent if gone => Answer::Cut,
            answer => answer,
        }
    }

    /// Waits until whoever is asked first can do its work: a proxy may still believe that it has no node.
    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ready = self.get("/readyz", "application/json").await;
            match ready {
                Ok((200, _)) => return Ok(()),
                ready if Instant::now() >= end => anyhow::bail!("assay did not get ready: {ready:?}"),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Status and body of what lies at a path.
    pub async fn get(&self, path: &str, accept: &str) -> anyhow::Result<(u16, Vec<u8>)> {
        let base = self.addresses.one(0).context("no process answers")?;
        self.get_from(&base, path, accept).await
    }

    /// The same of one address.
    pub async fn get_from(&self, base: &str, path: &str, accept: &str) -> anyhow::Result<(u16, Vec<u8>)> {
        let request = self.http.get(format!("{base}{path}")).header("accept", accept);
        let response = request.send().await.with_context(|| format!("{path} could not be asked for"))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.with_context(|| format!("the answer to {path} broke off"))?;
        Ok((status, body.to_vec()))
    }

    /// The JSON at a path that has to be there.
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.get(path, "application/json").await?;
        anyhow::ensure!(status == 200, "{path} was answered {status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("{path} was not answered with JSON"))
    }

    /// Each object of a list that is streamed as lines.
    pub async fn lines(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (status, body) = self.get(path, "application/x-ndjson").await?;
        let text = String::from_utf8(body).with_context(|| format!("{path} was not answered with text"))?;
        anyhow::ensure!(status == 200, "{path} was answered {status}: {text}");
        let line = |line| serde_json::from_str(line).with_context(|| format!("{path} has a line that is not JSON"));
        text.lines().map(line).collect()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Answer::Unsent,
        Err(error) if error.is_timeout() => return Answer::Silent,
        Err(_) => return Answer::Cut,
    };
    let status = response.status().as_u16();
    let Ok(text) = response.text().await else { return Answer::Cut };
    match status {
        200 | 202 => Answer::Taken(status, text),
        429 | 503 => Answer::TurnedAway,
        _ => Answer::Refused(status, text),
    }
}
