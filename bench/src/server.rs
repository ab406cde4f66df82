//! The servers a run starts: assay itself on a data directory of its own, or one of its nodes, and the floors' bare
//! handlers. Each is stopped when its value is dropped.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;

use crate::child::Process;
use crate::options::Options;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(120);
/// What a server prints before its address once it is ready.
const READY: &str = "listening on http://";

/// A running server.
pub struct Server {
    process: Process,
    pub address: SocketAddr,
}

impl Server {
    /// Starts assay on `data`. Settings of the command line win over `settings`.
    pub fn assay(options: &Options, data: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let command = assay(options, "serve", data, settings)?;
        Server::start(command, &data.with_extension("log"))
    }

    /// Starts `assay api`. Settings of the command line win over `settings`.
    pub fn api(options: &Options, data: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let command = assay(options, "api", data, settings)?;
        Server::start(command, &data.with_extension("log"))
    }

    /// Starts a bare handler: this program again, in a process of its own.
    pub fn floor(arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("could not tell where this program is")?);
        command.arg("floor").args(arguments);
        Server::start(command, log)
    }

    fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped());
        let mut process = Process::start(command, log)?;
        let stdout = process.stdout().context("the server has no stdout")?;
        let (sender, receiver) = mpsc::channel();
        // The thread reads to the end, so that the server never waits for its stdout to be read.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(READY) {
                    sender.send(address.trim().trim_end_matches('/').parse::<SocketAddr>()).ok();
                }
            }
        });
        match receiver.recv_timeout(START) {
            Ok(address) => Ok(Server { process, address: address.context("the server listens on no IP address")? }),
            Err(_) => anyhow::bail!("the server did not say that it listens; its log ends with:\n{}", process.log()),
        }
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The most memory it has had, in MB of 1,000,000 bytes; `None` where there is no `/proc`.
    pub fn peak_memory(&self) -> Option<f64> {
        self.process.peak_memory()
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

/// A command of assay on a data directory, with its settings.
pub fn assay(options: &Options, command: &str, data: &Path, settings: &[&str]) -> anyhow::Result<Command> {
    let mut assay = Command::new(options.program()?);
    assay.arg(command);
    if matches!(command, "serve" | "api") {
        assay.args(["--listen", "127.0.0.1:0"]);
    }
    assay.arg("--data").arg(data);
    for setting in settings.iter().copied().chain(options.settings.iter().map(String::as_str)) {
        assay.args(["--set", setting]);
    }
    // A setting with a relative path must not leave anything behind where the bench was called.
    assay.current_dir(data.parent().context("the data directory has no parent")?);
    Ok(assay)
}

/// Bytes of each file and folder right below `directory`, folders with all they hold.
pub fn sizes(directory: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut sizes: Vec<(String, u64)> = entries
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), size(&entry.path())))
        .collect();
    sizes.sort();
    sizes
}

fn size(path: &PathBuf) -> u64 {
    match path.is_dir() {
        true => sizes(path).into_iter().map(|(_, size)| size).sum(),
        false => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
    }
}

/// Bytes of the database's files in a data directory.
pub fn database_bytes(data: &Path) -> u64 {
    sizes(data)
        .into_iter()
        .filter(|(name, _)| name.contains(".db") || name.contains(".sqlite"))
        .map(|(_, size)| size)
        .sum()
}
