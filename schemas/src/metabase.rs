//! The legacy Metabase protocol: its envelopes, and their upgrade to the current shape (contract §2.2, §3.1).

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::grade::Grade;
use crate::ids::ReportId;
use crate::report::{Output, Prerequisite};

mod envelope;
mod latin1;
mod optional;
mod registration;
mod rendering;
mod submission;
mod upgrade;

pub use registration::registration;
pub use rendering::Rendering;
pub use submission::report;

/// A `CPAN-Testers-Report` fact with the two facts assay counts by, and the optional ones when present.
#[derive(Clone, Debug, PartialEq)]
pub struct LegacyReport {
    pub id: ReportId,
    /// Profile of the tester who made it.
    pub creator: Uuid,
    /// `cpan:///distfile/AUTHOR/Foo-Bar-1.0.tar.gz`
    pub resource: String,
    pub created: DateTime<Utc>,
    pub grade: Grade,
    pub osname: String,
    pub osversion: String,
    pub archname: String,
    /// As sent: `v5.36.0`.
    pub perl_version: String,
    pub text: String,
    pub optional: OptionalFacts,
}

/// What the facts said that clients hardly ever send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptionalFacts {
    /// `TestOutput`: `configure`, `build` and `test`.
    pub output: Output,
    /// `TesterComment`.
    pub comment: Option<String>,
    /// `PerlConfig`: when the perl was compiled.
    pub compiled: Option<String>,
    /// `PerlConfig`: the values of `perl -V`; `TestEnvironment`: special variables such as `$^X`.
    pub variables: BTreeMap<String, Value>,
    /// `TestEnvironment`: environment variables.
    pub environment: BTreeMap<String, Value>,
    /// `Prereqs`, with what `InstalledModules` says was there.
    pub prerequisites: Vec<Prerequisite>,
    /// `InstalledModules`.
    pub toolchain: BTreeMap<String, String>,
}

/// A profile and, when sent along, its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub profile: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub secret: Option<Secret>,
}

/// A tester's secret, as the bytes the client sends in Basic authentication. Not shown when printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why bytes are not a fact assay takes; the text is fit to show to the tester.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
