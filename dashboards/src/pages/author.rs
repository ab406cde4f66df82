//! `/author/{id}`: an author's distributions, those that need a look first.

use askama::Template;
use schemas::views::{AuthorView, SummaryView};

use crate::counts::{Bar, Count, Tally, in_words, pass_rate};
use crate::frame::{Frame, render};
use crate::site::Site;
use crate::tables::ReleaseTable;

/// The page at `/author/{id}`.
pub fn author(site: &Site, view: &AuthorView) -> String {
    let description = format!("The newest releases of {}: {}.", view.author, in_words(view.counts));
    let frame = Frame::new(site, &view.author, description, site.author(&view.author)).fresh(view.freshness);
    let (failing, passing) = failures_first(&view.distributions);
    let table = |caption, rows| ReleaseTable { site, caption, rows, distributions: true };
    render(&Author {
        frame,
        view,
        failing: table("Newest releases with failures", &failing),
        passing: table("Newest releases without failures", &passing),
    })
}

#[derive(Template)]
#[template(path = "author.html")]
struct Author<'a> {
    frame: Frame<'a>,
    view: &'a AuthorView,
    failing: ReleaseTable<'a>,
    passing: ReleaseTable<'a>,
}

/// Releases with failures, most failures first, and those without, in the order they came.
fn failures_first(releases: &[SummaryView]) -> (Vec<SummaryView>, Vec<SummaryView>) {
    let (mut failing, passing): (Vec<_>, Vec<_>) =
        releases.iter().cloned().partition(|release| release.counts.fail > 0);
    failing.sort_by_key(|release| (pass_rate(release.counts), -release.counts.fail));
    (failing, passing)
}
