//! `/`: the newest reports, the freshest releases that fail, and how much there is.

use askama::Template;
use schemas::grade::Counts;
use schemas::views::{Freshness, ResultView, SummaryView};

use crate::counts::{Bar, Count, Tally};
use crate::frame::{Frame, render};
use crate::site::Site;
use crate::tables::{ReleaseTable, ReportTable};

/// What the home page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HomePage {
    /// All processed reports by grade.
    pub totals: Counts,
    pub distributions: i64,
    pub releases: i64,
    pub testers: i64,
    /// Newest reports first.
    pub recent: Vec<ResultView>,
    /// Releases with failures, the freshest release first.
    pub failing: Vec<SummaryView>,
    pub freshness: Freshness,
}

/// The page at `/`.
pub fn home(site: &Site, page: &HomePage) -> String {
    let description = "Test reports of CPAN and Raku releases: where they work, where they fail, since when, and why.";
    let mut frame = Frame::new(site, "Test reports", description, site.home()).fresh(page.freshness);
    frame.own_search = true;
    let recent = ReportTable { site, caption: "Newest reports", rows: &page.recent, one_release: false };
    let failing =
        ReleaseTable { site, caption: "Fresh releases with failures", rows: &page.failing, distributions: true };
    render(&Home { frame, page, recent, failing })
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: Frame<'a>,
    page: &'a HomePage,
    recent: ReportTable<'a>,
    failing: ReleaseTable<'a>,
}
