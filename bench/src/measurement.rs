//! What a scenario found, as JSON or as a table.

use std::fmt::{self, Display};

use clap::ValueEnum as _;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::histogram::Latencies;
use crate::options::{Options, Profile};

/// One scenario's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    pub scenario: &'static str,
    /// The main figure, in `unit`.
    pub rate: f64,
    pub unit: &'static str,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    /// What bare software does with the same work in the same run.
    pub floors: Vec<Floor>,
    /// Most memory the server had, in MB of 1,000,000 bytes.
    pub rss_mb: Option<f64>,
    /// Bytes of the database's files for each report.
    pub bytes_per_report: Option<f64>,
    /// All other figures by name; times in milliseconds end in `_ms`.
    pub figures: Map<String, Value>,
    /// What assay sets out to reach, and whether it did.
    pub targets: Vec<Target>,
    /// What is needed to run this again.
    pub run: Run,
}

/// A floor's rate, and assay's rate divided by it.
#[derive(Clone, Debug, Serialize)]
pub struct Floor {
    pub name: String,
    pub rate: f64,
    pub ratio: f64,
}

/// A figure with a bound.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub name: &'static str,
    pub wanted: String,
    pub got: f64,
    pub met: bool,
}

/// What is needed to run a scenario again.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub seed: u64,
    pub reports: Option<u64>,
    pub seconds: u64,
    pub connections: u16,
    pub rate: f64,
    pub size: usize,
    pub settings: Vec<String>,
    /// Left out where it is the embedded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<DeployedRun>,
    pub cores: usize,
    pub system: String,
    pub assay: String,
    pub bench: &'static str,
}

/// The same, where assay was several processes on servers.
#[derive(Clone, Debug, Serialize)]
pub struct DeployedRun {
    pub profile: String,
    pub apis: u16,
    pub worker_processes: u16,
}

impl Measurement {
    pub fn new(scenario: &'static str, unit: &'static str, options: &Options, reports: Option<u64>) -> Self {
        Measurement {
            scenario,
            rate: 0.0,
            unit,
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            floors: Vec::new(),
            rss_mb: None,
            bytes_per_report: None,
            figures: Map::new(),
            targets: Vec::new(),
            run: Run {
                seed: options.seed,
                reports,
                seconds: options.seconds,
                connections: options.connections,
                rate: options.rate,
                size: options.size,
                settings: options.settings.clone(),
                deployed: DeployedRun::of(options),
                cores: std::thread::available_parallelism().map_or(0, usize::from),
                system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
                assay: version(options),
                bench: env!("CARGO_PKG_VERSION"),
            },
        }
    }

    /// Sets the percentiles.
    pub fn latencies(&mut self, latencies: &Latencies) {
        self.p50_ms = latencies.percentile(50.0);
        self.p99_ms = latencies.percentile(99.0);
        self.max_ms = latencies.percentile(100.0);
    }

    pub fn floor(&mut self, name: impl Into<String>, rate: f64) {
        self.floors.push(Floor { name: name.into(), rate, ratio: self.rate / rate });
    }

    pub fn figure(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.figures.insert(name.into(), value.into());
    }

    /// Names of the targets that were missed.
    pub fn missed(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| !target.met).map(|target| target.name)
    }

    pub fn at_least(&mut self, name: &'static str, bound: f64, got: f64) {
        self.targets.push(Target { name, wanted: format!("at least {bound}"), got, met: got >= bound });
    }

    /// Without a figure the target is missed.
    pub fn at_most(&mut self, name: &'static str, bound: f64, got: Option<f64>) {
        let got = got.unwrap_or(f64::INFINITY);
        self.targets.push(Target { name, wanted: format!("at most {bound}"), got, met: got <= bound });
    }
}

impl DeployedRun {
    fn of(options: &Options) -> Option<Self> {
        let profile = options.profile.to_possible_value()?.get_name().to_owned();
        let deployed = options.profile != Profile::Embedded;
        deployed.then_some(DeployedRun { profile, apis: options.apis, worker_processes: options.worker_processes })
    }
}

impl Display for DeployedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " --profile {} --apis {} --worker-processes {}", self.profile, self.apis, self.worker_processes)
    }
}

fn version(options: &Options) -> String {
    let output =
        options.program().ok().and_then(|path| std::process::Command::new(path).arg("--version").output().ok());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

impl Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} {}", self.scenario, rounded(self.rate), self.unit)?;
        let mut line = |name: &str, value: Option<f64>, unit: &str| match value {
            Some(value) => writeln!(f, "  {name:44} {:>14} {unit}", rounded(value)),
            None => Ok(()),
        };
        line("p50", self.p50_ms, "ms")?;
        line("p99", self.p99_ms, "ms")?;
        line("max", self.max_ms, "ms")?;
        line("memory at most", self.rss_mb, "MB")?;
        line("stored bytes a report", self.bytes_per_report, "")?;
        for (name, value) in &self.figures {
            match value.as_f64() {
                Some(value) => writeln!(f, "  {name:44} {:>14}", rounded(value))?,
                None => writeln!(f, "  {name:44} {value}")?,
            }
        }
        for Floor { name, rate, ratio } in &self.floors {
            writeln!(f, "  floor: {name:37} {:>14}   ratio {ratio:.2}", rounded(*rate))?;
        }
        for Target { name, wanted, got, met } in &self.targets {
            let verdict = if *met { "met" } else { "MISSED" };
            writeln!(f, "  target: {name:36} {:>14}   {wanted}: {verdict}", rounded(*got))?;
        }
        let run = &self.run;
        let count = run.reports.map_or(String::new(), |reports| format!(" --reports {reports}"));
        let deployed = run.deployed.as_ref().map_or(String::new(), DeployedRun::to_string);
        write!(
            f,
            "  again: assay-bench {}{deployed}{count} --seconds {} --connections {} --size {} --seed {}   ({}, {} cores)",
            self.scenario, run.seconds, run.connections, run.size, run.seed, run.assay, run.cores,
        )
    }
}

/// Three figures or more.
fn rounded(value: f64) -> String {
    match value.abs() {
        _ if value == 0.0 => "0".into(),
        0.0..10.0 => format!("{value:.3}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_object_has_the_names_others_rely_on() {
        let options = Line::parse_from(["bench", "--reports", "7", "--assay", "/none"]).options;
        let mut measurement = Measurement::new("accept", "reports/s", &options, options.reports);
        measurement.rate = 500.0;
        measurement.floor("bare handler", 1_000.0);
        measurement.at_most("p99 ms", 50.0, None);
        let object = serde_json::to_value(&measurement).unwrap();
        for name in ["scenario", "rate", "unit", "p50_ms", "p99_ms", "floors", "rss_mb", "bytes_per_report"] {
            assert!(object.get(name).is_some(), "{name} is missing");
        }
        assert_eq!(object["floors"][0], serde_json::json!({"name": "bare handler", "rate": 1000.0, "ratio": 0.5}));
        assert_eq!(object["run"]["reports"], 7);
        assert_eq!(object["targets"][0]["met"], false);
        assert!(measurement.to_string().contains("MISSED"));
    }
}
