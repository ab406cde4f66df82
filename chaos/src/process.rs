//! One process of assay: started, paused, killed, stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// How long a process may take to listen.
const START: Duration = Duration::from_secs(60);
/// How long a process may take to stop when asked.
const STOP: Duration = Duration::from_secs(40);
/// What it prints before its address once it is ready.
const READY: &str = "listening on http://";

/// How assay is started.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub program: PathBuf,
    /// Where commands that are no server's work.
    pub data: PathBuf,
    pub settings: Vec<String>,
    /// All processes' stderr, one after the other.
    pub log: PathBuf,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Serve,
    Api,
    Worker,
}

/// A process that is to run, and where.
#[derive(Clone, Debug)]
pub struct Post {
    pub part: Part,
    pub data: PathBuf,
    /// `HOST:PORT` to answer at; port 0 picks a free one.
    pub listen: String,
}

/// A running process. It is killed when this is dropped.
pub struct Process {
    pub part: Part,
    /// Its place among the processes that are to run.
    pub post: usize,
    /// Where it answers, if it does.
    pub base: Option<String>,
    child: Child,
}

impl Recipe {
    /// A command of assay on a data directory.
    fn command(&self, words: &[&str], data: &Path) -> anyhow::Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log).context("the log could not be opened")?;
        let mut command = Command::new(&self.program);
        command.args(words).arg("--data").arg(data);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        // A setting with a relative path must not leave anything behind where this was called.
        command.current_dir(self.log.parent().unwrap_or(Path::new("/")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    /// The JSON a command of assay prints.
    pub async fn json(&self, words: &[&str]) -> anyhow::Result<serde_json::Value> {
        let (status, printed) = self.told(words).await?;
        anyhow::ensure!(status.success(), "assay {words:?} failed; its log ends with:\n{}", self.log_end());
        Ok(printed)
    }

    /// The same of a command that may fail, with how it ended.
    pub async fn told(&self, words: &[&str]) -> anyhow::Result<(ExitStatus, serde_json::Value)> {
        let ended =
            self.command(words, &self.data)?.output().await.with_context(|| format!("{words:?} could not be run"))?;
        let printed = serde_json::from_slice(&ended.stdout).with_context(|| {
            format!("assay {words:?} ended with {} and no JSON; its log ends with:\n{}", ended.status, self.log_end())
        })?;
        Ok((ended.status, printed))
    }

    /// Starts what is to run at a post, and waits until it answers.
    pub async fn start(&self, post: usize, Post { part, data, listen }: &Post) -> anyhow::Result<Process> {
        let part = *part;
        let words: &[&str] = match part {
            Part::Serve => &["serve", "--listen", listen],
            Part::Api => &["api", "--listen", listen],
            Part::Worker => &["worker"],
        };
        let mut child = self.command(words, data)?.spawn().context("assay could not be started")?;
        let stdout = child.stdout.take().context("assay has no stdout")?;
        let base = match part {
            Part::Worker => None,
            Part::Serve | Part::Api => {
                let listening = tokio::time::timeout(START, listening(stdout)).await;
                let base = listening.context("assay did not listen in time")?;
                Some(base.with_context(|| format!("assay ended at its start; its log ends with:\n{}", self.log_end()))?)
            }
        };
        Ok(Process { part, post, base, child })
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    pub fn log_text(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Process {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it without a warning. One that is paused dies as well.
    pub async fn kill(mut self) {
        // It fails only when the process is gone already, which is what is wanted.
        self.child.kill().await.ok();
    }

    /// Holds it in the middle of whatever it does.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end, and tells whether it did so cleanly and in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        let status = tokio::time::timeout(STOP, self.child.wait())
            .await
            .with_context(|| format!("{:?} did not stop within {} s of SIGTERM", self.part, STOP.as_secs()))?
            .context("a process could not be waited for")?;
        anyhow::ensure!(status.success(), "{:?} ended with {status} when asked to stop", self.part);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // A process that is gone needs no signal.
            kill_process(pid, signal).ok();
        }
    }
}

/// The address it says it listens on. Its stdout is read to the end, so that it never waits for that.
async fn listening(stdout: ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, address)) = line.split_once(READY) {
            let base = format!("http://{}", address.trim().trim_end_matches('/'));
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(base);
        }
    }
    None
}
