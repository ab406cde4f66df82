//! A search engine asked directly: how far assay's index has come, and what it costs.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::Context as _;
use serde_json::Value;

use crate::http::{Answer, Connection, head};

/// One node of a search engine, over HTTP without credentials.
#[derive(Clone, Debug)]
pub struct Engine {
    address: SocketAddr,
}

impl Engine {
    pub fn at(url: &str) -> anyhow::Result<Self> {
        let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let host = host.with_context(|| format!("{url} is no address of a search engine as the bench needs it"))?;
        let mut addresses = host.to_socket_addrs().with_context(|| format!("{host} could not be resolved"))?;
        Ok(Engine { address: addresses.next().with_context(|| format!("{host} has no address"))? })
    }

    /// What a request is answered, whatever the status.
    pub async fn answer(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let mut connection = self.connect().await?;
        send(&mut connection, method, path, kind, body).await?;
        Ok(connection.into_answer())
    }

    /// A connection to send many requests over.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address).await.context("could not connect to the search engine")
    }

    async fn ask(&self, method: &str, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = self.answer(method, path, JSON, &[]).await?;
        let value = serde_json::from_slice(&answer.body).with_context(|| format!("{path} was not answered JSON"))?;
        anyhow::ensure!(matches!(answer.status, 200..=299 | 404), "{path} was answered {}: {value}", answer.status);
        Ok((answer.status, value))
    }

    /// The change number up to which the index with this prefix is complete.
    pub async fn mark(&self, prefix: &str) -> anyhow::Result<i64> {
        let (_, answer) = self.ask("GET", &format!("/{prefix}-mark/_doc/mark")).await?;
        Ok(answer["_source"]["mark"].as_i64().unwrap_or(0))
    }

    /// Bytes of the indices with this prefix.
    pub async fn bytes(&self, prefix: &str) -> anyhow::Result<u64> {
        let (_, answer) = self.ask("GET", &format!("/{prefix}-*/_stats/store")).await?;
        let bytes = answer.pointer("/_all/total/store/size_in_bytes").and_then(Value::as_u64);
        bytes.context("the search engine does not tell how large its indices are")
    }

    /// Seconds of CPU time that the node has had.
    pub async fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let (_, answer) = self.ask("GET", "/_nodes/_local/stats/process").await?;
        let node = answer["nodes"].as_object().and_then(|nodes| nodes.values().next());
        let milliseconds = node.and_then(|node| node.pointer("/process/cpu/total_in_millis")?.as_f64());
        Ok(milliseconds.context("the search engine does not tell its CPU time")? / 1e3)
    }

    /// Deletes the indices with this prefix, and their template.
    pub async fn remove(&self, prefix: &str) -> anyhow::Result<()> {
        let (_, answer) = self.ask("GET", &format!("/{prefix}-*/_alias")).await?;
        // Each by its name: engines refuse to delete by a pattern.
        for name in
            answer.as_object().into_iter().flat_map(|indices| indices.keys()).filter(|name| name.contains(prefix))
        {
            self.ask("DELETE", &format!("/{name}")).await?;
        }
        self.ask("DELETE", &format!("/_index_template/{prefix}")).await.map(drop)
    }
}

/// The type of a body of JSON.
pub const JSON: &str = "application/json";

/// Sends one request over a connection, and reads its whole answer.
pub async fn send<'c>(
    connection: &'c mut Connection,
    method: &str,
    path: &str,
    kind: &str,
    body: &[u8],
) -> anyhow::Result<&'c Answer> {
    let mut request = Vec::with_capacity(body.len() + 200);
    head(&mut request, method, path, &format!("content-type: {kind}\r\n"), Some(body.len()));
    request.extend_from_slice(body);
    connection.send(&request).await.with_context(|| format!("could not ask the search engine for {path}"))
}
