//! A process of a run, which ends with its value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::cpu;

/// How long a process may take to stop when asked.
const STOP: Duration = Duration::from_secs(30);

/// A running process, killed when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it says on standard error goes to the end of `log`.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log_file =
            File::options().create(true).append(true).open(log).context("could not open the server's log")?;
        command.stdin(Stdio::null()).stderr(log_file);
        let child = command.spawn().with_context(|| format!("could not start {}", command.get_program().display()))?;
        Ok(Process { child, log: log.to_owned() })
    }

    /// Its standard output, once, where the command has a pipe for it.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The most memory it has had, in MB of 1,000,000 bytes; `None` where there is no `/proc`.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: f64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    }

    /// Seconds of CPU time it has had; `None` where there is no `/proc`.
    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu::of_process(self.child.id())
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// The end of what it said.
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Asks the process to end, and waits until it has.
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

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
