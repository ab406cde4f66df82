//! The legacy Metabase protocol: its envelopes, and their upgrade to the current shape (contract §2.2, §3.1).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::grade::Grade;
use crate::ids::ReportId;
use crate::report::{Report, Reporter};

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
}

/// A profile and, when sent along, its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub profile: Uuid,
    pub name: String,
    pub email: Option<String>,
    /// Bytes as the client will send them in Basic authentication.
    pub secret: Option<String>,
}

/// Why bytes are not a fact assay takes; the text is fit to show to the tester.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Reads the body of `submit/CPAN-Testers-Report`.
pub fn report(bytes: &[u8]) -> Result<LegacyReport, Refused> {
    let _ = bytes;
    unimplemented!()
}

/// Reads the body of `register`: `[profile, secret]`, or one object.
pub fn registration(bytes: &[u8]) -> Result<Registration, Refused> {
    let _ = bytes;
    unimplemented!()
}

impl LegacyReport {
    /// The same report in the current shape (contract §3.1).
    ///
    /// Refused when author, distribution or version cannot be told from the resource.
    pub fn upgrade(self, reporter: Reporter) -> Result<Report, Refused> {
        let _ = reporter;
        unimplemented!()
    }
}
