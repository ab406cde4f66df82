//! Commands that run assay or work on its stored state: serve, api, worker, migrate.

use anyhow::Context;
use chrono::SecondsFormat;
use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Log, LogFormat, Settings};
use crate::installation;
use crate::server::{self, Role};

use super::tables::{Ink, Table};
use super::{Local, Said, Shape, printing};

const SERVE_HELP: &str = "\
Everything that is stored lives in one directory, made when it is missing. When
assay is ready it prints a line `listening on http://HOST:PORT` for each address.
SIGTERM and Ctrl-C end it after the requests under way.

Reports without a credential are taken only while every address is loopback,
unless intake.anonymous says otherwise.

Examples:
  assay serve --demo              a first look, with reports to look at
  assay serve --data /var/lib/assay --listen 0.0.0.0:8080
  assay serve --set workers=0     accept reports, process none for now";

/// Flags of commands that answer requests.
#[derive(Args, Debug)]
pub struct Listening {
    #[command(flatten)]
    local: Local,
    /// Address to take requests on; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', help_heading = "Settings")]
    listen: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = SERVE_HELP)]
pub struct Serve {
    #[command(flatten)]
    listening: Listening,
    /// Load a small corpus of real reports first, through the same doors that testers use
    #[arg(long)]
    demo: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Running it again does nothing. `assay serve` does the same at its start.")]
pub struct Migrate {
    #[command(flatten)]
    local: Local,
    /// Only tell which migrations are applied and which are missing
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    shape: Shape,
}

pub async fn serve(Serve { listening, demo }: Serve, said: Said) -> anyhow::Result<()> {
    run(listening.settings(said)?, Role::Everything, demo).await
}

pub async fn api(listening: Listening, said: Said) -> anyhow::Result<()> {
    run(listening.settings(said)?, Role::Api, false).await
}

pub async fn worker(local: Local, said: Said) -> anyhow::Result<()> {
    run(local.settings(said)?, Role::Worker, false).await
}

pub async fn migrate(Migrate { local, status, shape }: Migrate, said: Said) -> anyhow::Result<()> {
    let settings = local.settings(said)?;
    let migrations = match status {
        true => installation::migrations(&settings).await?,
        false => installation::migrate(&settings).await?,
    };
    if shape.json {
        return printing::json(&serde_json::to_vec(&migrations)?);
    }
    let mut table = Table::new(&["version", "migration", "applied"]);
    for migration in migrations {
        let (applied, ink) = match migration.applied_at {
            Some(at) => (at.to_rfc3339_opts(SecondsFormat::Secs, true), Ink::Plain),
            None => ("missing".to_owned(), Ink::Bad),
        };
        table.inked([(migration.version.to_string(), Ink::Plain), (migration.name, Ink::Plain), (applied, ink)]);
    }
    table.print()
}

async fn run(settings: Settings, role: Role, demo: bool) -> anyhow::Result<()> {
    begin_logging(&settings.log)?;
    server::run(settings, role, demo).await
}

impl Listening {
    fn settings(self, said: Said) -> anyhow::Result<Settings> {
        let listen = (!self.listen.is_empty()).then(|| self.listen.join(","));
        let sources = said.sources([("data", "--data", self.local.data), ("listen", "--listen", listen)]);
        Ok(config::load(&sources)?)
    }
}

pub(super) fn begin_logging(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level).with_context(|| format!("log.level: {:?}", log.level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
