//! The current shape of a report (contract §2.1), and the checks it must pass at the door.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::grade::Grade;
use crate::ids::ReportId;
use crate::problem::Fault;

mod checks;

/// A report in the current shape. Fields it does not know are kept in the stored bytes, not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ReportId>,
    /// When the tester's machine says it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    pub reporter: Reporter,
    pub environment: Environment,
    pub distribution: Distribution,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    pub result: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<Value>,
}

/// Who made the report, as the report itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub email: String,
}

/// The platform it was made on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<BTreeMap<String, String>>,
    pub language: LanguageUsed,
    pub system: System,
}

/// Interpreter and how it was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageUsed {
    /// `Perl 5` or `Perl 6` under v3; the collector's `perl` and `raku` are read too.
    pub name: String,
    pub version: String,
    pub archname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_id: Option<String>,
    /// Values of `perl -V`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, Value>>,
    /// Some clients put the toolchain here; tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implementation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
}

/// Virtual machine below a Raku implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Operating system and machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    pub osname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub osversion: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, Value>>,
}

/// What was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub name: String,
    pub version: String,
    /// `AUTHOR/Archive-1.0.tar.gz`: the collector's addition, and where a legacy resource goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A module the distribution asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    pub phase: String,
    pub name: String,
    pub need: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<String>,
}

/// Verdict and output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub grade: Grade,
    pub output: Output,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<Todo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<u64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
}

/// Tests marked as not expected to pass yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    pub pass: u64,
    pub fail: u64,
}

/// What the installation printed, whole or by phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncategorized: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
}

impl Report {
    /// The text people read: `uncategorized`, else the phases present joined by an empty line (contract §3.1).
    pub fn text(&self) -> Cow<'_, str> {
        let output = &self.result.output;
        if let Some(text) = &output.uncategorized {
            return Cow::Borrowed(text);
        }
        let phases = [&output.configure, &output.build, &output.test, &output.install];
        let present: Vec<&str> = phases.into_iter().flatten().map(String::as_str).collect();
        Cow::Owned(present.join("\n\n"))
    }

    /// Reads a v3 report, and tells every fault it has.
    ///
    /// `Err` carries at least one fault. JSON that cannot be read at all is one fault with an empty pointer.
    pub fn parse(bytes: &[u8]) -> Result<Report, Invalid> {
        checks::parse(bytes)
    }
}

/// Why bytes are not a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not JSON, or nested too deep.
    #[error("the body is not JSON assay reads: {0}")]
    Syntax(String),
    /// JSON, but not a report.
    #[error("the report has {} faults", .0.len())]
    Faults(Vec<Fault>),
}
