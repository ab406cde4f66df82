//! `/results`: the reports behind a cell of a matrix, or any other choice of reports.

use askama::Template;
use schemas::grade::Grade;
use schemas::views::{Page, ResultView};

use crate::counts::Count;
use crate::frame::{Frame, render};
use crate::site::Site;
use crate::tables::ReportTable;

/// What the list of reports shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultsPage {
    /// Which reports were asked for.
    pub filter: ResultsFilter,
    /// Newest first.
    pub results: Page<ResultView>,
    /// How many reports match, where that is known.
    pub total: Option<i64>,
}

/// A choice of reports, by the names of the query's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultsFilter {
    pub language: Option<String>,
    pub distribution: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    pub language_version: Option<String>,
    pub os: Option<String>,
    pub architecture: Option<String>,
    /// Public id of a tester.
    pub tester: Option<String>,
    pub grade: Option<Grade>,
    /// Cursor of the page shown; absent on the first.
    pub after: Option<String>,
}

/// The page at `/results`.
pub fn results(site: &Site, page: &ResultsPage) -> String {
    let filter = &page.filter;
    let chosen = filter.in_words();
    let title = if chosen.is_empty() { "Reports".to_owned() } else { format!("Reports: {chosen}") };
    let description = format!("Test reports, newest first. {chosen}");
    let frame = Frame::new(site, title, description, filter.address(site)).fresh(page.results.freshness).unlisted();
    let next = page.results.next.clone().map(|after| ResultsFilter { after: Some(after), ..filter.clone() });
    let first = filter.after.is_some().then(|| ResultsFilter { after: None, ..filter.clone() }.address(site));
    let rows = ReportTable { site, caption: "Reports, newest first", rows: &page.results.items };
    render(&Results { next: next.map(|next| next.address(site)), first, frame, page, filter, rows })
}

#[derive(Template)]
#[template(path = "results.html")]
struct Results<'a> {
    frame: Frame<'a>,
    page: &'a ResultsPage,
    filter: &'a ResultsFilter,
    rows: ReportTable<'a>,
    /// Address of the following page.
    next: Option<String>,
    /// Address of the first page, when this is a later one.
    first: Option<String>,
}

impl Results<'_> {
    /// The text fields of the form: name, label, value.
    fn fields(&self) -> [(&'static str, &'static str, &str); 7] {
        let filter = self.filter;
        [
            ("distribution", "Distribution", text(&filter.distribution)),
            ("version", "Version", text(&filter.version)),
            ("language_version", "Language version", text(&filter.language_version)),
            ("os", "System", text(&filter.os)),
            ("architecture", "Architecture", text(&filter.architecture)),
            ("author", "Author", text(&filter.author)),
            ("tester", "Tester id", text(&filter.tester)),
        ]
    }

    fn release(&self) -> Option<(&str, &str)> {
        Some((self.filter.distribution.as_deref()?, self.filter.version.as_deref()?))
    }
}

impl ResultsFilter {
    fn address(&self, site: &Site) -> String {
        site.query(
            "results",
            &[
                ("language", self.language.as_deref()),
                ("distribution", self.distribution.as_deref()),
                ("version", self.version.as_deref()),
                ("author", self.author.as_deref()),
                ("language_version", self.language_version.as_deref()),
                ("os", self.os.as_deref()),
                ("architecture", self.architecture.as_deref()),
                ("tester", self.tester.as_deref()),
                ("grade", self.grade.map(Grade::as_str)),
                ("after", self.after.as_deref()),
            ],
        )
    }

    /// The choice as people say it: `Foo 1.0, perl 5.36.0, linux, fail`.
    fn in_words(&self) -> String {
        let mut words = Vec::new();
        match (&self.distribution, &self.version) {
            (Some(distribution), Some(version)) => words.push(format!("{distribution} {version}")),
            (Some(name), None) | (None, Some(name)) => words.push(name.clone()),
            (None, None) => {}
        }
        let language = self.language.as_deref().unwrap_or("perl");
        words.extend(self.language_version.as_ref().map(|version| format!("{language} {version}")));
        words.extend([&self.os, &self.architecture].into_iter().flatten().cloned());
        words.extend(self.author.as_ref().map(|author| format!("by {author}")));
        words.extend(self.tester.as_ref().map(|tester| format!("from tester {tester}")));
        words.extend(self.grade.map(|grade| grade.to_string()));
        words.join(", ")
    }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("")
}
