//! A Redis of the test's own, that it may kill and start again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::queue::eventually;

/// Runs while the value lives.
pub struct RedisServer {
    port: u16,
    process: Option<Child>,
    directory: TempDir,
}

impl RedisServer {
    /// `None`, and a word on stderr, where there is no Redis; in CI that is a failure.
    pub async fn start() -> Option<RedisServer> {
        let mut server = RedisServer::absent()?;
        server.revive().await;
        Some(server)
    }

    /// A place for a Redis that does not run yet.
    pub fn absent() -> Option<RedisServer> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("CI").is_none(), "redis-server is not installed, and this is CI");
            eprintln!("NOT TESTED: redis-server is not installed (Debian: apt-get install redis-server)");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(RedisServer { port, process: None, directory: tempfile::tempdir().unwrap() })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/3", self.port)
    }

    /// Starts it, empty, at the same place as before.
    pub async fn revive(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(self.port.to_string()).arg("--dir").arg(self.directory.path()).stdout(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let client = redis::Client::open(self.url()).unwrap();
        eventually("Redis answering", async || client.get_multiplexed_async_connection().await.is_ok()).await;
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    pub async fn flush(&self) {
        redis::cmd("FLUSHALL").exec_async(&mut self.connection().await).await.unwrap();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
