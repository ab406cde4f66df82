//! `assay-bench`: measures assay over HTTP, beside floors measured in the same run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

mod child;
mod cpu;
mod dictionary;
mod engine;
mod floor;
mod histogram;
mod http;
mod intake;
mod load;
mod measurement;
mod options;
mod samples;
mod scenarios;
mod server;
mod servers;
mod testbed;

use bench::generator;
use bench::harness::interrupted;
use floor::Handler;
use generator::Generator;
use measurement::Measurement;
use options::Options;
use scenarios::Scenario;

/// Measures assay, and the floors below it, on this machine.
///
/// Each scenario starts the servers it needs on a temporary data directory and a free port of 127.0.0.1, and stops
/// them again.
#[derive(Debug, Parser)]
#[command(name = "assay-bench", version, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    One(Scenario),
    /// Every scenario, each at most 5 seconds a measurement
    All,
    /// Print generated reports, one a line: as many as --reports says
    Generate,
    /// Train the dictionary bodies are stored with, and measure it on bodies it has not seen
    TrainDictionary {
        /// Where the dictionary is written
        out: PathBuf,
        /// Captured requests, facts and report texts; folders are read whole
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Serve a floor's bare handler
    #[command(hide = true)]
    Floor {
        #[command(subcommand)]
        handler: Handler,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Line { command, options } = Line::parse();
    // A run that is interrupted is dropped, and with it the servers it started and their data.
    let result = tokio::select! {
        result = run(command, options) => result,
        signal = interrupted() => signal.and_then(|()| Err(anyhow::anyhow!("interrupted"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, options: Options) -> anyhow::Result<()> {
    let scenario = match command {
        Command::One(scenario) => scenario,
        Command::All => return measure_all(&options.quick()).await,
        Command::Generate => return generate(&options),
        Command::TrainDictionary { out, files } => {
            println!("{}", serde_json::to_string_pretty(&dictionary::train(&out, &files)?)?);
            return Ok(());
        }
        Command::Floor { handler } => return floor::serve(handler).await,
    };
    let measurement = scenario.measure(&options).await?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&measurement)?),
        false => println!("{measurement}"),
    }
    hold(&options, measurement.missed().map(str::to_owned).collect())
}

/// An error where targets were missed and that is to be one.
fn hold(options: &Options, missed: Vec<String>) -> anyhow::Result<()> {
    anyhow::ensure!(!options.strict || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Measures everything; a scenario that fails is told and does not keep the others from running.
async fn measure_all(options: &Options) -> anyhow::Result<()> {
    let mut measured: Vec<Value> = Vec::new();
    let mut failed = 0;
    let mut missed = Vec::new();
    for scenario in Scenario::ALL {
        match scenario.measure(options).await {
            Ok(measurement) => {
                tell(&measurement, options);
                missed.extend(measurement.missed().map(|target| format!("{}: {target}", measurement.scenario)));
                measured.push(serde_json::to_value(&measurement)?);
            }
            Err(error) => {
                failed += 1;
                eprintln!("{scenario:?} failed: {error:#}");
                measured
                    .push(json!({"scenario": format!("{scenario:?}").to_lowercase(), "error": format!("{error:#}")}));
            }
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&json!({"scenario": "all", "scenarios": measured}))?);
    }
    anyhow::ensure!(failed == 0, "{failed} scenarios failed");
    hold(options, missed)
}

fn tell(measurement: &Measurement, options: &Options) {
    if !options.json {
        println!("{measurement}\n");
    }
}

fn generate(options: &Options) -> anyhow::Result<()> {
    use std::io::Write as _;
    let generator = Generator::new(options.seed, options.size);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for number in 0..options.reports.unwrap_or(10) {
        out.write_all(&generator.report(number))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
