//! Two whole pages as they were when somebody last looked at them.

use dashboards::pages::{self, ReleasePage};
use dashboards::{Site, assets};
use schemas::grade::Counts;

use crate::samples;

/// The page without the digests in the names of static files, which change with every touch of the style sheet.
fn steady(html: &str) -> String {
    assets().iter().fold(html.to_owned(), |html, asset| html.replace(&asset.name, "static-file"))
}

#[test]
fn a_small_release() {
    let page = ReleasePage {
        release: samples::release_view(Counts { pass: 9, fail: 2, na: 0, unknown: 1 }),
        matrix: samples::matrix(&samples::perls()[30..33], &["linux", "mswin32"]),
        failing: Vec::new(),
        recent: samples::results(2),
    };
    insta::assert_snapshot!(steady(&pages::release(&Site::default(), &page)));
}

#[test]
fn a_report() {
    insta::assert_snapshot!(steady(&pages::report(&Site::default(), &samples::report())));
}
