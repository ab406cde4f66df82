//! `/dist/{distribution}`: all versions of a distribution with their counts.

use askama::Template;
use schemas::views::DistributionView;

use crate::counts::{Bar, Count, Tally, in_words};
use crate::frame::{Frame, render};
use crate::site::Site;
use crate::tables::ReleaseTable;

/// The page at `/dist/{distribution}`.
pub fn distribution(site: &Site, view: &DistributionView) -> String {
    let description = format!("Test reports of {}, all releases: {}.", view.distribution, in_words(view.counts));
    let address = site.distribution(&view.distribution);
    let frame = Frame::new(site, &view.distribution, description, address).fresh(view.freshness);
    let releases = ReleaseTable { site, caption: "Releases, newest first", rows: &view.releases, distributions: false };
    render(&Distribution { frame, view, releases })
}

#[derive(Template)]
#[template(path = "distribution.html")]
struct Distribution<'a> {
    frame: Frame<'a>,
    view: &'a DistributionView,
    releases: ReleaseTable<'a>,
}
