//! `/tester/{id}`: what one tester sends. The name only, never an address.

use askama::Template;
use schemas::views::TesterView;

use crate::counts::{Bar, Count, Tally};
use crate::frame::{Frame, render};
use crate::moment::Day;
use crate::site::Site;
use crate::tables::ReportTable;

/// Most reports shown; the list of reports goes on from there.
const MOST_REPORTS: usize = 25;

/// The page at `/tester/{id}`.
pub fn tester(site: &Site, view: &TesterView) -> String {
    let description = format!("Test reports from {}: {} in all.", view.name, Count(view.counts.total()));
    let frame = Frame::new(site, &view.name, description, site.tester(&view.id)).fresh(view.freshness);
    let recent = ReportTable {
        site,
        caption: "Newest reports",
        rows: &view.recent[..view.recent.len().min(MOST_REPORTS)],
        one_release: false,
    };
    render(&Tester { frame, view, recent })
}

#[derive(Template)]
#[template(path = "tester.html")]
struct Tester<'a> {
    frame: Frame<'a>,
    view: &'a TesterView,
    recent: ReportTable<'a>,
}
