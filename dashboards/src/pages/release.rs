//! `/dist/{distribution}/{version}`: one release, its matrix, and where it fails.

mod glance;

use askama::Template;
use chrono::{DateTime, Utc};
use schemas::grade::Counts;
use schemas::reason::Code;
use schemas::views::{MatrixView, PartitionView, ReleaseView, ResultView};

use crate::counts::{self, Bar, Count, Tally, in_words};
use crate::frame::{Frame, render};
use crate::grid::{Across, Grid};
use crate::moment::{Day, Moment};
use crate::site::Site;
use crate::tables::{self, ReportTable};

/// Most failing platforms listed; the matrix shows them all.
const MOST_FAILING: usize = 8;

/// What the page of a release shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleasePage {
    pub release: ReleaseView,
    /// With the axes `language_version` and `os`.
    pub matrix: MatrixView,
    /// Where the release fails, worst first. When empty, it is read from the matrix, without times and reasons.
    pub failing: Vec<FailingPlatform>,
    /// Newest reports first.
    pub recent: Vec<ResultView>,
}

/// A platform on which a release fails.
#[derive(Clone, Debug, PartialEq)]
pub struct FailingPlatform {
    pub language_version: String,
    pub os: String,
    /// All reports of the platform.
    pub counts: Counts,
    /// When the first failure there was received.
    pub since: Option<DateTime<Utc>>,
    /// The most frequent first.
    pub reasons: Vec<ReasonCount>,
}

/// How many reports fail for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    pub code: Code,
    pub reports: i64,
}

/// The page at `/dist/{distribution}/{version}`.
pub fn release(site: &Site, page: &ReleasePage) -> String {
    let release = &page.release.summary;
    let title = format!("{} {}", release.distribution, release.version);
    let description = format!("Test reports of {title}: {}.", in_words(release.counts));
    let address = site.release(&release.language, &release.distribution, &release.version);
    let frame = Frame::new(site, title, description, address).fresh(page.release.freshness);
    let mut failing = if page.failing.is_empty() { glance::failing(&page.matrix) } else { page.failing.clone() };
    let unlisted = failing.len().saturating_sub(MOST_FAILING);
    failing.truncate(MOST_FAILING);
    render(&Release {
        frame,
        view: &page.release,
        grid: Grid::new(site, &page.matrix, Across::Systems),
        findings: glance::findings(&page.matrix),
        failing,
        unlisted,
        recent: ReportTable { site, caption: "Newest reports of this release", rows: &page.recent, one_release: true },
    })
}

#[derive(Template)]
#[template(path = "release.html")]
struct Release<'a> {
    frame: Frame<'a>,
    view: &'a ReleaseView,
    grid: Grid,
    /// Sentences on what the failures have in common.
    findings: Vec<String>,
    failing: Vec<FailingPlatform>,
    /// Failing platforms the list leaves out.
    unlisted: usize,
    recent: ReportTable<'a>,
}

impl Release<'_> {
    fn reports(&self, failing: &FailingPlatform) -> String {
        self.results(Some(&failing.language_version), Some(&failing.os), Some("fail"))
    }

    fn results(&self, language_version: Option<&str>, os: Option<&str>, grade: Option<&str>) -> String {
        let release = &self.view.summary;
        self.frame.site.query(
            "results",
            &[
                ("language", Some(&release.language)),
                ("distribution", Some(&release.distribution)),
                ("version", Some(&release.version)),
                ("language_version", language_version),
                ("os", os),
                ("grade", grade),
            ],
        )
    }

    fn partition(&self, partition: &PartitionView) -> String {
        let maturity = match partition.language_maturity.as_str() {
            "stable" => format!("stable {}", self.view.summary.language),
            other => format!("{other} {}", self.view.summary.language),
        };
        if partition.patched { format!("{maturity}, patched or candidate") } else { maturity }
    }
}
