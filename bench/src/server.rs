//! The processes a run starts: assay itself on a data directory of its own, and the floors' bare handlers. Each is
//! stopped when its value is dropped.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::options::Options;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(120);
/// How long a server may take to stop when asked.
const STOP: Duration = Duration::from_secs(30);
/// What a server prints before its address once it is ready.
const READY: &str = "listening on http://";

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts assay on `data`. Settings of the command line win over `settings`.
    pub fn assay(options: &Options, data: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(options.program()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        for setting in settings.iter().copied().chain(options.settings.iter().map(String::as_str)) {
            command.args(["--set", setting]);
        }
        // A setting with a relative path must not leave anything behind where the bench was called.
        command.current_dir(data.parent().context("the data directory has no parent")?);
        Server::start(command, &data.with_extension("log"))
    }

    /// Starts a bare handler: this program again, in a process of its own.
    pub fn floor(arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("could not tell where this program is")?);
        command.arg("floor").args(arguments);
        Server::start(command, log)
    }

    fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log_file =
            File::options().create(true).append(true).open(log).context("could not open the server's log")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
        let mut child =
            command.spawn().with_context(|| format!("could not start {}", command.get_program().display()))?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
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
            Ok(address) => Ok(Server { child, address: address.context("the server listens on no IP address")? }),
            Err(_) => {
                kill(&mut child);
                anyhow::bail!("the server did not say that it listens; its log ends with:\n{}", tail(log))
            }
        }
    }

    /// The most memory it has had, in MB of 1,000,000 bytes; `None` where there is no `/proc`.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: f64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            let began = Instant::now();
            while began.elapsed() < STOP {
                if self.child.try_wait().context("could not wait for the server")?.is_some() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            eprintln!("the server did not stop within {} s; it is killed", STOP.as_secs());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn kill(child: &mut Child) {
    // Both fail only when the process is gone already, which is what is wanted.
    child.kill().ok();
    child.wait().ok();
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
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
