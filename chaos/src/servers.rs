//! The servers of the deployed profile, this run's own: started, killed, paused, emptied, and started again.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use services::{OwnServers, Server};

use crate::options::Queue;

/// A server that a run needs is not to be had on this machine; which, has been said on standard error.
#[derive(Debug)]
pub struct NotHad;

impl fmt::Display for NotHad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL, Redis, Elasticsearch or HAProxy cannot be had here")
    }
}

impl std::error::Error for NotHad {}

/// The servers. They end when the last clone is dropped. Cheap to clone.
#[derive(Clone)]
pub struct Servers {
    own: Arc<OwnServers>,
    queue: Queue,
}

impl Servers {
    /// Starts them, and tells where the program `haproxy` is.
    pub async fn start(queue: Queue) -> anyhow::Result<(Servers, PathBuf)> {
        let wanted: &[Server] = match queue {
            Queue::Redis => &[Server::Postgres, Server::Redis, Server::Elasticsearch],
            Queue::Postgres => &[Server::Postgres, Server::Elasticsearch],
        };
        let started = tokio::task::spawn_blocking(move || {
            let haproxy = services::haproxy()?;
            Some((OwnServers::start(wanted)?, haproxy))
        });
        let (own, haproxy) = started.await.context("the servers could not be started")?.ok_or(NotHad)?;
        Ok((Servers { own: Arc::new(own), queue }, haproxy))
    }

    /// The settings by which assay finds them.
    pub fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            format!("database={}", self.database()),
            format!("index={}/chaos", self.own.url(Server::Elasticsearch)),
            "proxies=127.0.0.1".to_owned(),
        ];
        if self.redis() {
            settings.push(format!("queue={}", self.own.url(Server::Redis)));
        }
        settings
    }

    /// URL of the database.
    pub fn database(&self) -> &str {
        self.own.url(Server::Postgres)
    }

    /// Whether there is a Redis.
    pub fn redis(&self) -> bool {
        self.queue == Queue::Redis
    }

    pub async fn kill(&self, server: Server) -> anyhow::Result<()> {
        self.act(move |own| own.kill(server)).await.with_context(|| format!("{server:?} could not be killed"))
    }

    /// Starts one that was killed, with what it stored, and waits until it answers.
    pub async fn start_again(&self, server: Server) -> anyhow::Result<()> {
        self.act(move |own| own.start_again(server)).await.with_context(|| format!("{server:?} did not come back"))
    }

    /// Holds one: its connections stay open, and no answer comes.
    pub async fn pause(&self, server: Server) -> anyhow::Result<()> {
        self.act(move |own| own.pause(server)).await.with_context(|| format!("{server:?} could not be paused"))
    }

    pub async fn resume(&self, server: Server) -> anyhow::Result<()> {
        self.act(move |own| own.resume(server)).await.with_context(|| format!("{server:?} could not be resumed"))
    }

    /// Takes everything out of Redis.
    pub async fn flush(&self) -> anyhow::Result<()> {
        let client = redis::Client::open(self.own.url(Server::Redis)).context("the URL of Redis is none")?;
        let mut connection = client.get_multiplexed_async_connection().await.context("Redis does not answer")?;
        redis::cmd("FLUSHALL").exec_async(&mut connection).await.context("Redis was not emptied")
    }

    /// What the scripts do takes a while, which nobody else has to wait for.
    async fn act(&self, action: impl FnOnce(&OwnServers) + Send + 'static) -> anyhow::Result<()> {
        let own = Arc::clone(&self.own);
        tokio::task::spawn_blocking(move || action(&own)).await.context("a script of the servers failed")
    }
}
