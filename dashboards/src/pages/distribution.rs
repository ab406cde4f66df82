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
    let address = site.distribution(&view.language, &view.distribution);
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

impl Distribution<'_> {
    /// A search that the reader can go on from.
    fn search(&self) -> String {
        self.frame.site.search(&format!("dist:{}", quoted(&self.view.distribution)), None)
    }
}

/// A name as the value of a field in a query.
fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}
