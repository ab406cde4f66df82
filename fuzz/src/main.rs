//! `assay-fuzz`: tries out parsers with mutations of real input.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use fuzz::run::{self, Figures, Options};
use fuzz::targets::{self, TARGETS, Target};
use serde_json::json;

/// Tries out parsers with mutations of real input: none may panic, take a second, or hold much memory.
///
/// Prints a line for each target: inputs, inputs a second, seeds, inputs that found something new, different answers,
/// the slowest input, the most memory held for one. Ends with 1 when there is a fault, and writes the inputs that showed
/// it. The same seed gives the same inputs.
#[derive(Debug, Parser)]
#[command(name = "assay-fuzz", max_term_width = 100)]
struct Cli {
    /// What to try; all when none is named. `list` tells which there are
    targets: Vec<String>,
    /// Inputs to try for each target
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes of an input at most
    #[arg(long, default_value_t = 32 * 1024)]
    longest: usize,
    /// Directory for inputs that showed a fault; made when there is one
    #[arg(long, value_name = "DIR", default_value = "fuzz-faults")]
    keep: PathBuf,
    /// Try this file alone, as one input of the one target named
    #[arg(long, value_name = "FILE")]
    again: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if cli.targets == ["list"] {
        TARGETS.iter().for_each(|target| println!("{:<13} {}", target.name, target.about));
        return Ok(ExitCode::SUCCESS);
    }
    let named =
        cli.targets.iter().map(|name| targets::find(name).with_context(|| format!("no target {name:?}; see `list`")));
    let named = named.collect::<anyhow::Result<Vec<&Target>>>()?;
    if let Some(file) = &cli.again {
        let [target] = named.as_slice() else { bail!("name the one target that {} is for", file.display()) };
        let input = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let fault = run::attempt(target, &input).fault(input.len());
        println!("{}", fault.as_deref().unwrap_or("nothing wrong"));
        return Ok(if fault.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let tried: Vec<&Target> = if named.is_empty() { TARGETS.iter().collect() } else { named };
    // What a panic says is told with the input that showed it.
    std::panic::set_hook(Box::new(|_| ()));
    let options = Options { inputs: cli.inputs, seed: cli.seed, longest: cli.longest };
    let mut faults = 0;
    for target in tried {
        let figures = run::run(target, &options);
        tell(target, &figures, cli.json);
        for fault in &figures.faults {
            std::fs::create_dir_all(&cli.keep).with_context(|| format!("{} cannot be made", cli.keep.display()))?;
            let file = cli.keep.join(format!("{}-{faults}", target.name));
            std::fs::write(&file, &fault.input).with_context(|| format!("{} cannot be written", file.display()))?;
            eprintln!("{}: {} ({})", target.name, fault.what.chars().take(300).collect::<String>(), file.display());
            faults += 1;
        }
    }
    Ok(if faults > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(target: &Target, figures: &Figures, json: bool) {
    let rate = (figures.inputs as f64 / figures.seconds.max(1e-9)).round();
    let (slowest, memory) = (figures.slowest.as_secs_f64() * 1e3, figures.most_bytes as f64 / f64::from(1 << 20));
    if json {
        let line = json!({
            "target": target.name, "inputs": figures.inputs, "rate": rate, "seeds": figures.seeds,
            "found": figures.found, "answers": figures.answers, "slowest_ms": slowest, "memory_mib": memory,
            "peak_rss_mib": peak_rss_mib(), "faults": figures.faults.len(),
        });
        return println!("{line}");
    }
    println!(
        "{:<13} {} inputs, {rate}/s; {} seeds, {} found, {} answers; slowest {slowest:.1} ms, most memory {memory:.1} MiB, \
         process {} MiB; {} faults",
        target.name,
        figures.inputs,
        figures.seeds,
        figures.found,
        figures.answers,
        peak_rss_mib().map_or("?".to_owned(), |mebibytes| mebibytes.to_string()),
        figures.faults.len(),
    );
}

/// The most memory that this process has held, C libraries included. `None` where the system does not tell it in /proc.
fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}
