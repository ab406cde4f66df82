//! A matrix as a table: one axis down, one across, each cell a stacked bar that leads to the reports behind it.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use schemas::grade::Counts;
use schemas::perl::{self, LanguageVersion};
use schemas::views::{CellView, MatrixView};

use crate::counts::{self, Bar, Tally};
use crate::site::Site;

/// A matrix ready to be shown.
#[derive(Template)]
#[template(path = "parts/grid.html")]
pub(crate) struct Grid {
    pub caption: String,
    /// What the rows are: `perl`.
    pub down: String,
    /// What the columns are: `system` or `release`.
    pub across: &'static str,
    pub columns: Vec<Head>,
    pub rows: Vec<Row>,
    pub totals: Counts,
    /// Where the reports of the whole matrix are.
    pub href: String,
}

impl HtmlSafe for Grid {}

/// The name of a row or column, its sum, and where its reports are.
pub(crate) struct Head {
    pub name: String,
    pub counts: Counts,
    pub href: String,
}

pub(crate) struct Row {
    pub head: Head,
    /// Whether the language version is under development.
    pub development: bool,
    pub cells: Vec<Cell>,
}

/// One cell; `href` is empty where there are no reports.
pub(crate) struct Cell {
    pub counts: Counts,
    pub href: String,
}

/// What the columns of a matrix are; its rows are always language versions.
#[derive(Clone, Copy)]
pub(crate) enum Across<'a> {
    /// Operating systems, those with most reports first.
    Systems,
    /// The distribution's own versions, in this order. Those the list leaves out are not shown, unless it is empty:
    /// then all are, newest first.
    Versions(&'a [String]),
}

impl Grid {
    pub fn new(site: &Site, matrix: &MatrixView, across: Across<'_>) -> Self {
        let sums = Sums::of(&matrix.cells, across);
        let link = |row: Option<&str>, column: Option<&str>| reports_behind(site, matrix, across, row, column);
        let columns: Vec<Head> = sums.ordered_columns(across);
        let columns =
            columns.into_iter().map(|head| Head { href: link(None, Some(&head.name)), ..head }).collect::<Vec<_>>();
        let rows = sums.ordered_rows().into_iter().map(|(name, counts)| Row {
            development: matrix.language == "perl" && under_development(name),
            cells: columns.iter().map(|column| sums.cell(name, &column.name, &link)).collect(),
            head: Head { name: name.to_owned(), counts, href: link(Some(name), None) },
        });
        let rows: Vec<Row> = rows.filter(|row| !row.head.counts.zero()).collect();
        Grid {
            caption: caption(matrix, across),
            down: matrix.language.clone(),
            across: across.title(),
            totals: rows.iter().fold(Counts::default(), |sum, row| sum + row.head.counts),
            columns,
            rows,
            href: link(None, None),
        }
    }

    /// Whether a second column of totals helps: only where the first is out of sight.
    fn wide(&self) -> bool {
        self.columns.len() > 6
    }

    fn long(&self) -> bool {
        self.rows.len() > 10
    }

    fn filters(&self) -> bool {
        self.rows.len() > 4
    }

    fn developments(&self) -> usize {
        self.rows.iter().filter(|row| row.development).count()
    }
}

impl Across<'_> {
    fn title(self) -> &'static str {
        match self {
            Across::Systems => "system",
            Across::Versions(_) => "release",
        }
    }

    fn of(self, cell: &CellView) -> &str {
        let value = match self {
            Across::Systems => &cell.os,
            Across::Versions(_) => &cell.version,
        };
        value.as_deref().unwrap_or("not told")
    }

    fn shows(self, column: &str) -> bool {
        match self {
            Across::Systems => true,
            Across::Versions(listed) => listed.is_empty() || listed.iter().any(|version| version == column),
        }
    }
}

/// Cells added up by row, by column, and by both.
struct Sums<'a> {
    rows: BTreeMap<&'a str, Counts>,
    columns: BTreeMap<&'a str, Counts>,
    cells: BTreeMap<(&'a str, &'a str), Counts>,
}

impl<'a> Sums<'a> {
    fn of(cells: &'a [CellView], across: Across<'a>) -> Self {
        let mut sums = Sums { rows: BTreeMap::new(), columns: BTreeMap::new(), cells: BTreeMap::new() };
        for cell in cells {
            let row = cell.language_version.as_deref().unwrap_or("not told");
            let column = across.of(cell);
            if cell.counts.zero() || !across.shows(column) {
                continue;
            }
            *sums.rows.entry(row).or_default() += cell.counts;
            *sums.columns.entry(column).or_default() += cell.counts;
            *sums.cells.entry((row, column)).or_default() += cell.counts;
        }
        sums
    }

    /// Newest language version first.
    fn ordered_rows(&self) -> Vec<(&'a str, Counts)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(name, counts)| (*name, *counts)).collect();
        rows.sort_by(|left, right| perl::compare(right.0, left.0));
        rows
    }

    fn ordered_columns(&self, across: Across<'_>) -> Vec<Head> {
        let place = |name: &str| match across {
            Across::Versions(listed) => listed.iter().position(|version| version == name),
            Across::Systems => None,
        };
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by(|(left, left_counts), (right, right_counts)| match across {
            Across::Systems => right_counts.total().cmp(&left_counts.total()).then(left.cmp(right)),
            Across::Versions([]) => perl::compare_versions(right, left),
            Across::Versions(_) => place(left).cmp(&place(right)),
        });
        let head =
            |(name, counts): (&&str, &Counts)| Head { name: (*name).to_owned(), counts: *counts, href: String::new() };
        columns.into_iter().map(head).collect()
    }

    fn cell(&self, row: &str, column: &str, link: &impl Fn(Option<&str>, Option<&str>) -> String) -> Cell {
        match self.cells.get(&(row, column)) {
            Some(counts) => Cell { counts: *counts, href: link(Some(row), Some(column)) },
            None => Cell { counts: Counts::default(), href: String::new() },
        }
    }
}

/// Whether a perl is no release for everyday use: a development version, a candidate, or patched.
fn under_development(language_version: &str) -> bool {
    let version = LanguageVersion::read(language_version);
    version.devel || version.patched
}

/// The list of reports behind a cell, a row, a column or the whole.
fn reports_behind(
    site: &Site,
    matrix: &MatrixView,
    across: Across<'_>,
    row: Option<&str>,
    column: Option<&str>,
) -> String {
    let (version, os) = match across {
        Across::Systems => (matrix.version.as_deref(), column),
        Across::Versions(_) => (column.or(matrix.version.as_deref()), None),
    };
    let distribution = Some(matrix.distribution.as_str());
    site.query(
        "results",
        &[
            ("language", Some(&matrix.language)),
            ("distribution", distribution),
            ("version", version),
            ("language_version", row),
            ("os", os),
        ],
    )
}

fn caption(matrix: &MatrixView, across: Across<'_>) -> String {
    let version = matrix.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    format!("{}{version}: grades by {} version and {}", matrix.distribution, matrix.language, across.title())
}
