//! The two lists most pages hold: reports, and releases with their counts.

use askama::Template;
use askama::filters::HtmlSafe;
use schemas::reason::{Code, Phase, Reason};
use schemas::views::{ResultView, SummaryView};
use schemas::withdrawal::{WithdrawnAs, WithdrawnBy, WithdrawnView};

use crate::counts::{self, Bar, Count, GradeMark, Tally};
use crate::held::Held;
use crate::moment::{Day, Moment};
use crate::site::Site;
use crate::tables;
use schemas::addresses::hidden;

/// Reports, one a row.
#[derive(Template)]
#[template(path = "parts/reports.html")]
pub(crate) struct ReportTable<'a> {
    pub site: &'a Site,
    pub caption: &'a str,
    pub rows: &'a [ResultView],
    /// Whether all are of the release the page is about, which is then not named in each row.
    pub one_release: bool,
}

impl ReportTable<'_> {
    /// What there is to say of a report, short: why it is no pass, or how much was tested.
    fn gist(&self, row: &ResultView) -> String {
        let suite = row.suite.as_ref().and_then(|suite| Some((suite.tests?, suite.files?)));
        match (&row.reason, suite) {
            (Some(reason), _) => reason_in_words(reason),
            (None, Some((tests, files))) if tests > 0 && files > 0 => {
                format!("{} tests in {} programs", Count(tests), Count(files))
            }
            (None, _) => format!("report {}", row.number),
        }
    }
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

/// Most of a reason's detail a list shows, in characters; its report shows all.
const LONGEST_DETAIL: usize = 120;

/// A reason in a few words: `missing prerequisite: Foo::Bar`.
pub(crate) fn reason_in_words(reason: &Reason) -> String {
    let code = code_in_words(reason.code);
    let Some(detail) = reason.detail.as_deref().map(hidden) else { return code.to_owned() };
    match detail.char_indices().nth(LONGEST_DETAIL) {
        Some((end, _)) => format!("{code}: {}…", &detail[..end]),
        None => format!("{code}: {detail}"),
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

/// How and by whom a report was taken back.
pub(crate) fn withdrawn_in_words(withdrawn: &WithdrawnView) -> &'static str {
    match (withdrawn.kind, withdrawn.by) {
        (WithdrawnAs::Retracted, WithdrawnBy::Tester) => "Retracted by its tester",
        (WithdrawnAs::Retracted, WithdrawnBy::Operator) => "Retracted by an operator",
        // Testers mark nothing invalid.
        (WithdrawnAs::Invalid, _) => "Marked invalid by an operator",
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
