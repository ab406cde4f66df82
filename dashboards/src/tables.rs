//! The two lists most pages hold: reports, and releases with their counts.

use askama::Template;
use askama::filters::HtmlSafe;
use schemas::reason::{Code, Phase, Reason};
use schemas::views::{ResultView, SummaryView};

use crate::counts::{self, Bar, Count, GradeMark, Tally};
use crate::held::Held;
use crate::moment::{Day, Moment};
use crate::site::Site;
use crate::tables;

/// Reports, one a row.
#[derive(Template)]
#[template(path = "parts/reports.html")]
pub(crate) struct ReportTable<'a> {
    pub site: &'a Site,
    pub caption: &'a str,
    pub rows: &'a [ResultView],
}

impl HtmlSafe for ReportTable<'_> {}

/// Releases with their counts, one a row.
#[derive(Template)]
#[template(path = "parts/releases.html")]
pub(crate) struct ReleaseTable<'a> {
    pub site: &'a Site,
    pub caption: &'a str,
    pub rows: &'a [SummaryView],
    /// Whether to name the distribution in each row; its own page does not.
    pub distributions: bool,
}

impl HtmlSafe for ReleaseTable<'_> {}

/// A reason in a few words: `missing prerequisite (Foo::Bar)`.
pub(crate) fn reason_in_words(reason: &Reason) -> String {
    match &reason.detail {
        Some(detail) => format!("{}: {detail}", code_in_words(reason.code)),
        None => code_in_words(reason.code).to_owned(),
    }
}

pub(crate) fn code_in_words(code: impl Held<Code>) -> &'static str {
    match code.value() {
        Code::MissingPrerequisite => "missing prerequisite",
        Code::Configure => "could not be configured",
        Code::Build => "could not be built",
        Code::TestFailure => "tests failed",
        Code::Timeout => "timed out",
        Code::OutOfMemory => "out of memory",
        Code::UnsupportedPlatform => "unsupported platform",
        Code::Network => "network",
        Code::Other => "other",
    }
}

pub(crate) fn phase_in_words(phase: impl Held<Phase>) -> &'static str {
    match phase.value() {
        Phase::Configure => "configure",
        Phase::Build => "build",
        Phase::Test => "test",
        Phase::Install => "install",
    }
}
