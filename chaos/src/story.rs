//! The outcome of a run, as it is printed.

use std::fmt;

use serde::Serialize;

use crate::availability::{Figures, Spread};
use crate::check::Check;
use crate::tally::Survived;

/// Everything a run tells.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    pub passed: bool,
    pub mode: &'static str,
    pub seed: u64,
    /// Seconds of sending and killing, and of the proof after it.
    pub seconds: f64,
    pub proof_seconds: f64,
    pub survived: Survived,
    /// Of the deployed profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Figures>,
    /// Parts that could not be run here, and why.
    pub not_run: Vec<String>,
    pub checks: Vec<Check>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Story { mode, seed, seconds, proof_seconds, .. } = self;
        writeln!(f, "mode {mode}, seed {seed}: {seconds:.1} s of chaos, {proof_seconds:.1} s of proof\n")?;
        for (name, number) in self.survived.rows() {
            writeln!(f, "  {name:<14} {number:>10}")?;
        }
        for (outage, number) in &self.survived.outages {
            writeln!(f, "    {outage:<30} {number:>6}")?;
        }
        if let Some(figures) = &self.availability {
            show(f, figures)?;
        }
        writeln!(f)?;
        for reason in &self.not_run {
            writeln!(f, "  DID NOT RUN: {reason}")?;
        }
        for Check { name, claim, looked_at, violations, examples } in &self.checks {
            let verdict = if *violations == 0 { "ok" } else { "VIOLATED" };
            writeln!(f, "  {verdict:<8} {name:<11} {claim} ({looked_at} looked at)")?;
            if *violations > 0 {
                writeln!(f, "           {violations} violations, such as:")?;
            }
            for example in examples {
                writeln!(f, "           - {}", example.replace('\n', "\n             "))?;
            }
        }
        let verdict = if self.passed { "Every promise was kept." } else { "PROMISES WERE BROKEN." };
        write!(f, "\n{verdict}")
    }
}

/// How senders fared.
fn show(f: &mut fmt::Formatter<'_>, figures: &Figures) -> fmt::Result {
    let Figures { submissions, first_try, one_retry, share, tries, given_up, unknown, answer_ms, whole_ms } = figures;
    writeln!(f, "\n  of {submissions} submissions, {:.3} % were accepted at once or after one retry:", share * 100.0)?;
    writeln!(f, "    at the first try {first_try}, after one retry {one_retry}, never {given_up}, unknown {unknown}")?;
    let tries: Vec<String> = tries.iter().map(|(tries, number)| format!("{tries}: {number}")).collect();
    writeln!(f, "    by tries needed: {}", tries.join(", "))?;
    for (what, spread) in [("the answer", answer_ms), ("all tries and rests", whole_ms)] {
        let Spread { p50, p99, longest } = spread;
        writeln!(f, "    {what}: p50 {p50} ms, p99 {p99} ms, longest {longest} ms")?;
    }
    Ok(())
}
