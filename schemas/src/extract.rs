//! All that is read out of one report: the row it becomes, and the details its page shows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::grade::Grade;
use crate::perl::LanguageVersion;
use crate::reason::Reason;
use crate::report::Report;
use crate::views::SuiteView;

mod details;
mod outcome;
mod row;

/// Reads the row of a report. Pure: the same report gives the same extract, always.
///
/// A report of 10 KB takes some ten microseconds; it is made for every report that is processed.
pub fn read(report: &Report) -> Extract {
    row::read(report)
}

/// Reads all a report's page shows beyond its row. Pure, and several times the work of [`read`]: for pages and search.
pub fn details(report: &Report) -> Details {
    details::read(report)
}

/// Version of the extractor below. Each stored extract records it; raise it whenever the same report would be
/// read otherwise, and `assay rebuild` brings older rows up to date.
pub const EXTRACTOR: i64 = 1;

/// The row one report becomes. Cheap to read; what else a page shows is in [`Details`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extract {
    pub distribution: String,
    pub version: String,
    /// CPAN author id and archive, when the report names them (`distribution.author`/`.path` extras, or the legacy
    /// resource).
    pub author: Option<String>,
    pub archive: Option<String>,
    /// Version has `_` or ends in `-TRIAL` (contract §3.3 `distmat`).
    pub developer_release: bool,
    pub grade: Grade,
    pub language: Language,
    pub language_version: LanguageVersion,
    pub architecture: String,
    /// Canonical name, see [`crate::platform`].
    pub os: String,
    /// As reported.
    pub osname: String,
    pub os_version: String,
    pub created_at: Option<DateTime<Utc>>,
    pub reason: Option<Reason>,
    /// Figures of the test suite; all absent where the report tells none.
    pub suite: SuiteView,
}

/// The language a report is about. Counts of different languages never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Perl,
    Raku,
}

impl Language {
    pub fn as_str(self) -> &'static str {
        match self {
            Language::Perl => "perl",
            Language::Raku => "raku",
        }
    }
}

/// What a report's page shows beyond its row. Structured data in the report wins over its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Details {
    /// The client that made the report: `CPAN-Reporter-1.2020`.
    pub user_agent: Option<String>,
    /// As in the row. Read from text, `skipped` counts the test programs skipped as a whole.
    pub suite: SuiteView,
    /// Test programs that failed, as named in the harness's summary.
    pub failing_files: Vec<String>,
    pub prerequisites: Vec<PrerequisiteView>,
    /// Environment variables of the run.
    pub environment: BTreeMap<String, String>,
    /// Perl special variables such as `$^X` and `$UID/$EUID`.
    pub special_variables: BTreeMap<String, String>,
    /// Toolchain modules that were installed, and their versions.
    pub toolchain: BTreeMap<String, String>,
    /// Keys and values of `perl -V`.
    pub configuration: BTreeMap<String, String>,
    /// Where each section of the text lies, in order, without gaps.
    pub sections: Vec<SectionView>,
    /// For each field that was found, by its name here or in `suite`: `structured` or `text`.
    pub sources: BTreeMap<String, Source>,
}

/// Where a field was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Structured,
    Text,
}

/// A part of a report's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SectionView {
    /// `intro`, `comments`, `output`, `prerequisites`, `environment`, `configuration` or, for structured reports,
    /// `configure`, `build`, `test`, `install`.
    pub name: String,
    /// First byte in the report's text (see [`Report::text`]).
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A module a distribution asks for, and what the tester had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrerequisiteView {
    /// `configure`, `build`, `test`, `runtime`, `develop`, `optional`; `requires` when the text does not tell more.
    /// As reported in structured reports.
    pub phase: String,
    pub name: String,
    /// Least version asked for; `0` for any.
    pub need: String,
    /// Version present; `None` when it was not installed.
    pub have: Option<String>,
    /// Whether what was there is enough, as the report itself marks it, or by comparing versions.
    pub satisfied: Option<bool>,
}
