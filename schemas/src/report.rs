//! The current shape of a report (contract §2.1), and the checks it must pass at the door.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::grade::Grade;
use crate::ids::ReportId;
use crate::problem::Fault;

mod checks;
pub(crate) mod moment;
mod nesting;
mod object;
mod rules;
mod shape;
mod tree;
mod validator;

pub(crate) use checks::json;
pub(crate) use object::Object;
pub(crate) use rules::broken;
pub use validator::{content_type_v3, faults_v3};

/// Deepest nesting of arrays and objects that is read.
pub const DEEPEST: usize = 64;

/// A report in the current shape. Fields it does not know are kept in the stored bytes, not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<ReportId>,
    /// When the tester's machine says it was made.
    #[serde(default, deserialize_with = "moment::present", skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "object::required")]
    pub reporter: Reporter,
    #[serde(deserialize_with = "object::required")]
    pub environment: Environment,
    #[serde(deserialize_with = "object::required")]
    pub distribution: Distribution,
    #[serde(deserialize_with = "object::required")]
    pub result: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<Value>,
}

/// Who made the report, as the report itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporter {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub email: String,
}

/// The platform it was made on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "object::required")]
    pub language: LanguageUsed,
    #[serde(deserialize_with = "object::required")]
    pub system: System,
}

/// Interpreter and how it was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageUsed {
    /// `Perl 5` or `Perl 6` under v3; the collector's `perl` and `raku` are read too.
    pub name: String,
    pub version: String,
    pub archname: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub commit_id: Option<String>,
    /// Values of `perl -V`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, Value>>,
    /// Some clients put the toolchain here; tolerated.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<BTreeMap<String, Value>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub implementation: Option<String>,
    #[serde(default, deserialize_with = "object::present", skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
}

/// Virtual machine below a Raku implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Operating system and machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    pub osname: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub osversion: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cpu_description: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Environment variables.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, Value>>,
}

/// What was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub name: String,
    pub version: String,
    /// `AUTHOR/Archive-1.0.tar.gz`: the collector's addition, and where a legacy resource goes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it asks for, and what the tester had (contract §2.1).
    #[serde(default, deserialize_with = "object::list", skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
}

/// A module the distribution asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    pub phase: String,
    pub name: String,
    pub need: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub have: Option<String>,
}

/// Verdict and output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub grade: Grade,
    #[serde(deserialize_with = "object::required")]
    pub output: Output,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tests: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    #[serde(default, deserialize_with = "object::present", skip_serializing_if = "Option::is_none")]
    pub todo: Option<Todo>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub warnings: Option<u64>,
    /// Seconds.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
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
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub uncategorized: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub configure: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
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

    /// The modules the distribution asks for.
    pub fn prerequisites(&self) -> &[Prerequisite] {
        &self.distribution.prerequisites
    }

    /// Reads a report, or tells every fault it has.
    ///
    /// A field of assay's own given twice is refused under [`Dialect::V4`]; under [`Dialect::V3`], and in extras and
    /// maps, the last one wins, as on today's server. Under [`Dialect::V3`] the `id` is left out, because that door
    /// gives its own (contract §11.2).
    pub fn parse(bytes: &[u8], dialect: Dialect) -> Result<Report, Invalid> {
        checks::parse(bytes, dialect)
    }

    /// The report as readers get it: without its tester's address.
    pub fn without_addresses(&self) -> Value {
        let document = serde_json::to_value(self).expect("a report has only string keys and finite numbers");
        stripped(document)
    }
}

/// A submitted body as readers get it: all its extras kept, its tester's address left out, and `id` put in where the
/// door gave one.
///
/// Meant for what [`Report::parse`] accepted; where that would refuse, this may too.
pub fn without_addresses(bytes: &[u8], dialect: Dialect, id: Option<ReportId>) -> Result<Value, Invalid> {
    // Escapes that only an unread extra can hold may stop a reader of the whole document; the report itself is told
    // then, without its extras.
    let mut document = match serde_json::from_slice(bytes) {
        Ok(document @ Value::Object(_)) => stripped(document),
        _ => Report::parse(bytes, dialect)?.without_addresses(),
    };
    if let (Some(id), Some(fields)) = (id, document.as_object_mut()) {
        fields.insert("id".to_owned(), Value::String(id.to_string()));
    }
    Ok(document)
}

fn stripped(mut document: Value) -> Value {
    if let Some(reporter) = document.get_mut("reporter").and_then(Value::as_object_mut) {
        reporter.shift_remove("email");
    }
    document
}

/// An optional field that is there must hold its type: `null` is refused, as today's server does.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whose rules a body must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v3/report`: what today's server refuses is refused (contract §2.1).
    V3,
    /// `POST /v4/reports`: the same, and the collector's language names `perl` and `raku` are read too.
    V4,
}

/// Why bytes are not a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not JSON, or nested too deep.
    #[error("the body is not JSON assay reads: {0}")]
    Syntax(String),
    /// JSON, but not a report. At least one fault.
    #[error("the report has {} faults", .0.len())]
    Faults(Vec<Fault>),
}
