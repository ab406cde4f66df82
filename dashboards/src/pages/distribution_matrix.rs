//! `/matrix/{distribution}`: a distribution's newest versions by language version.

use askama::Template;
use schemas::views::MatrixView;

use crate::frame::{Frame, render};
use crate::grid::{Across, Grid};
use crate::site::Site;

/// Most versions shown beside each other.
const MOST_VERSIONS: usize = 20;

/// What the matrix page of a distribution shows.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixPage {
    /// With the axes `version` and `language_version`.
    pub matrix: MatrixView,
    /// The distribution's versions, newest first, as [`schemas::views::DistributionView`] orders its releases; the
    /// first 20 are shown. When empty, versions are ordered as Perl orders them.
    pub versions: Vec<String>,
}

/// The page at `/matrix/{distribution}`.
pub fn distribution_matrix(site: &Site, page: &MatrixPage) -> String {
    let matrix = &page.matrix;
    let versions = newest_versions(page);
    let grid = Grid::new(site, matrix, Across::Versions(&versions));
    let title = format!("{}: matrix over versions", matrix.distribution);
    let description = format!("Test reports of {} by version and {} version.", matrix.distribution, matrix.language);
    let frame = Frame::new(site, title, description, site.matrix(&matrix.language, &matrix.distribution))
        .fresh(matrix.freshness);
    render(&DistributionMatrix { frame, matrix, grid, shown: versions.len() })
}

#[derive(Template)]
#[template(path = "distribution_matrix.html")]
struct DistributionMatrix<'a> {
    frame: Frame<'a>,
    matrix: &'a MatrixView,
    grid: Grid,
    /// Number of versions shown.
    shown: usize,
}

impl DistributionMatrix<'_> {
    fn shortened(&self) -> bool {
        self.grid.totals != self.matrix.totals && self.shown == MOST_VERSIONS
    }
}

/// The versions that have reports, newest first, as many as fit.
fn newest_versions(page: &MatrixPage) -> Vec<String> {
    let reported = |version: &String| page.matrix.cells.iter().any(|cell| cell.version.as_ref() == Some(version));
    let mut versions = page.versions.clone();
    if versions.is_empty() {
        versions = page.matrix.cells.iter().filter_map(|cell| cell.version.clone()).collect();
        versions.sort_by(|left, right| schemas::perl::compare_versions(right, left));
        versions.dedup();
    }
    versions.into_iter().filter(reported).take(MOST_VERSIONS).collect()
}
