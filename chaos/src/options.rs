//! What the command line says about a run.

use std::path::PathBuf;
use std::time::Duration;

use bench::harness;
use clap::{Args, ValueEnum};

/// Options of a run. Without any, it is the short form that CI runs.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Processes to kill
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    pub kills: u64,
    /// Reports to send; each is sent one to three times, and some are corrected or retracted later
    #[arg(long, value_name = "N", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    pub reports: u64,
    /// Longest time for sending and killing; what is left then is not done. The proof comes after it
    #[arg(long, value_name = "MAX", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Seed of the reports, of what is done with each, and of the faults
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Which processes are run, and killed
    #[arg(long, value_enum, default_value_t = Mode::All)]
    pub mode: Mode,
    /// Where jobs wait, of the deployed profile
    #[arg(long, value_enum, default_value_t = Queue::Redis)]
    pub queue: Queue,
    /// Median bytes of a report
    #[arg(long, value_name = "BYTES", default_value_t = 1500)]
    pub size: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// The program to torment [default: the one beside this program]
    #[arg(long, value_name = "PATH", env = "ASSAY_BIN")]
    pub assay: Option<PathBuf>,
    /// Setting for assay, such as workers=2
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Where the temporary directory is made [default: the system's]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Leave assay's logs and the mirror's in this directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Which processes assay runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One `assay serve`
    All,
    /// Two `assay api` and one `assay worker` on one data directory
    Parts,
    /// Two `assay api` behind HAProxy and two `assay worker`, with PostgreSQL, Redis and Elasticsearch, which are killed, too
    Deployed,
}

/// Where the jobs of the deployed profile wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Queue {
    Redis,
    /// There is no Redis at all.
    Postgres,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::All => "all",
            Mode::Parts => "parts",
            Mode::Deployed => "deployed",
        }
    }
}

impl Options {
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The program to torment.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        harness::program(self.assay.as_deref())
    }

    /// A directory that is removed when it is dropped.
    pub fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        harness::scratch(self.scratch.as_deref(), "assay-chaos-")
    }
}
