//! `assay-chaos`: does its worst to a running assay, and then proves that every promise was kept.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

mod availability;
mod breakage;
mod check;
mod client;
mod delivery;
mod deployment;
mod disk;
mod faults;
mod follower;
mod front;
mod ledger;
mod load;
mod mirror;
mod options;
mod outages;
mod process;
mod proof;
mod recount;
mod reports;
mod revival;
mod run;
mod servers;
mod stage;
mod story;
mod tally;
mod trouble;

use bench::harness::interrupted;
use mirror::Following;
use options::Options;
use servers::NotHad;

/// Kills, pauses and starves a running assay while reports come in, and proves afterwards that nothing was lost,
/// counted twice, or missed.
///
/// It starts assay on a temporary data directory and free ports of 127.0.0.1. Where it may mount a tmpfs, the
/// directory lies on a small disk of its own, which is filled now and then. With `--mode deployed` it starts PostgreSQL,
/// Redis, Elasticsearch and HAProxy as well, for itself alone, and kills them, too. The exit code is 0 when every check
/// passed, 1 when one did not, 2 when the run itself failed, and 3 when such a server cannot be had.
#[derive(Debug, Parser)]
#[command(name = "assay-chaos", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the change feed into a log, until killed
    #[command(hide = true)]
    Mirror(Following),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Line { command, options } = Line::parse();
    let ended = match command {
        Some(Command::Mirror(following)) => mirror::follow(&following).await.map(|()| true),
        // A run that is interrupted is dropped, and with it the processes it started and their disk.
        None => tokio::select! {
            passed = tell(&options) => passed,
            signal = interrupted() => signal.and_then(|()| Err(anyhow::anyhow!("interrupted"))),
        },
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<NotHad>() { 3 } else { 2 })
        }
    }
}

/// Runs, prints what happened, and tells whether every check passed.
async fn tell(options: &Options) -> anyhow::Result<bool> {
    let story = run::run(options).await?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&story).context("the outcome could not be written")?),
        false => println!("{story}"),
    }
    Ok(story.passed)
}
