//! A Redis of the test's own, that it may kill and start again.

use redis::aio::MultiplexedConnection;
use services::{OwnServers, Server};

use crate::queue::eventually;

/// Runs while the value lives.
pub struct RedisServer(OwnServers);

impl RedisServer {
    /// `None`, and a word on stderr, where there is no Redis; in CI that is a failure.
    pub async fn start() -> Option<RedisServer> {
        // Waits for a script, and others wait for what runs beside.
        let server = tokio::task::spawn_blocking(|| OwnServers::start(&[Server::Redis])).await.unwrap();
        server.map(RedisServer)
    }

    pub fn url(&self) -> String {
        format!("{}/3", self.0.url(Server::Redis))
    }

    pub fn kill(&self) {
        self.0.kill(Server::Redis);
    }

    /// Lets it say nothing, with its connections open.
    pub fn pause(&self) {
        self.0.pause(Server::Redis);
    }

    pub fn resume(&self) {
        self.0.resume(Server::Redis);
    }

    /// Starts it again at the same place.
    pub async fn revive(&self) {
        self.0.start_again(Server::Redis);
        let client = redis::Client::open(self.url()).unwrap();
        eventually("Redis answering", async || client.get_multiplexed_async_connection().await.is_ok()).await;
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    pub async fn flush(&self) {
        redis::cmd("FLUSHALL").exec_async(&mut self.connection().await).await.unwrap();
    }
}
