//! HAProxy with the configuration of the repository, in front of the api nodes.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// What stands in `deploy/`.
const CONFIGURATION: &str = include_str!("../../deploy/haproxy.cfg");

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running HAProxy. It ends when this is dropped.
pub struct Front {
    program: PathBuf,
    directory: PathBuf,
    address: String,
    nodes: [String; 2],
    child: Option<Child>,
}

impl Front {
    /// Starts it in front of two nodes, each `HOST:PORT`, with its configuration and log in a directory.
    pub async fn start(program: PathBuf, directory: &Path, nodes: [String; 2]) -> anyhow::Result<Front> {
        let configuration = directory.join("haproxy.cfg");
        std::fs::write(configuration, CONFIGURATION).context("HAProxy's configuration could not be written")?;
        let address = free_address()?;
        let mut front = Front { program, directory: directory.to_owned(), address, nodes, child: None };
        front.start_again().await?;
        Ok(front)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as a crash does. What is under way is cut off.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails only when the process is gone already.
            child.kill().await.ok();
        }
    }

    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.directory.join("haproxy.log"));
        let log = log.context("HAProxy's log could not be made")?;
        let mut command = Command::new(&self.program);
        command.arg("-db").arg("-f").arg(self.directory.join("haproxy.cfg"));
        command.env("FRONT", &self.address).env("API_1", &self.nodes[0]).env("API_2", &self.nodes[1]);
        command.env("ADMIN", self.directory.join("haproxy.admin"));
        let output = log.try_clone().context("HAProxy's log could not be shared")?;
        command.stdin(Stdio::null()).stdout(output).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().context("HAProxy could not be started")?;
        let end = Instant::now() + START;
        while TcpStream::connect(&self.address).await.is_err() {
            let ended = child.try_wait().context("HAProxy could not be asked after")?;
            anyhow::ensure!(ended.is_none() && Instant::now() < end, "HAProxy does not listen: see haproxy.log");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.child = Some(child);
        Ok(())
    }
}

/// An address nobody listens at, below the ports that the system gives to who asks for any: it is still free when
/// somebody who ended is started there again.
pub fn free_address() -> anyhow::Result<String> {
    for _ in 0..1000 {
        let port = rand::random_range(10_000..20_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(format!("127.0.0.1:{port}"));
        }
    }
    anyhow::bail!("no port is free")
}
