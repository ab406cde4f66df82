//! What the command line says about a run.

use std::path::PathBuf;
use std::time::Duration;

use bench::harness;
use clap::{Args, ValueEnum};

/// What assay runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// One process, `assay serve`, on a directory
    #[default]
    Embedded,
    /// Nodes and workers on PostgreSQL, with the queue there, and Elasticsearch
    Postgres,
    /// Nodes and workers on PostgreSQL, with the queue in Redis, and Elasticsearch
    Redis,
}

/// Options of every scenario.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Reports to load, for scenarios that work on stored reports [default: the scenario's own]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub reports: Option<u64>,
    /// Length of each measurement
    #[arg(long, global = true, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Print one JSON object instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// End with exit code 1 when a target is missed
    #[arg(long, global = true)]
    pub strict: bool,
    /// Connections of the load
    #[arg(long, global = true, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,
    /// Reports a second, where the rate is fixed
    #[arg(long, global = true, value_name = "N", default_value_t = 500.0)]
    pub rate: f64,
    /// Median bytes of a report, where reports are as large as real ones
    #[arg(long, global = true, value_name = "BYTES", default_value_t = 10_240)]
    pub size: usize,
    /// Seed of the generated reports
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The program measured [default: the one beside this program]
    #[arg(long, global = true, value_name = "PATH", env = "ASSAY_BIN")]
    pub assay: Option<PathBuf>,
    /// What assay runs on
    #[arg(long, global = true, value_enum, default_value_t)]
    pub profile: Profile,
    /// `assay api` processes, where the profile has them; the load is spread over all
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub apis: u16,
    /// `assay worker` processes, where the profile has them; `process` measures one and so many, at least two
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub worker_processes: u16,
    /// Setting for the server, such as workers=2
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Where temporary data directories are made [default: the system's]
    #[arg(long, global = true, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

impl Options {
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The program to measure.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        harness::program(self.assay.as_deref())
    }

    /// A directory that is removed when it is dropped.
    pub fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        harness::scratch(self.scratch.as_deref(), "assay-bench-")
    }

    /// With shorter measurements, for a run of everything.
    pub fn quick(&self) -> Self {
        Options { seconds: self.seconds.min(5), ..self.clone() }
    }
}
