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
    let named = page.results.items.first().filter(|first| filter.tester.as_ref() == Some(&first.tester_id));
    let chosen = filter.in_words(named.map(|first| first.tester.as_str()));
    let title = if chosen.is_empty() { "Newest reports".to_owned() } else { chosen.clone() };
    let description = format!("Test reports, newest first. {chosen}");
    let frame = Frame::new(site, title, description, filter.address(site)).fresh(page.results.freshness).unlisted();
    let next = page.results.next.clone().map(|after| ResultsFilter { after: Some(after), ..filter.clone() });
    let first = filter.after.is_some().then(|| ResultsFilter { after: None, ..filter.clone() }.address(site));
    let one_release = filter.distribution.is_some() && filter.version.is_some();
    let rows = ReportTable { site, caption: "Reports, newest first", rows: &page.results.items, one_release };
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

    /// The page of the release or distribution all reports are of, and its name.
    fn above(&self) -> Option<(String, String)> {
        let filter = self.filter;
        let (site, language) = (self.frame.site, filter.language.as_deref().unwrap_or("perl"));
        let distribution = filter.distribution.as_deref()?;
        Some(match filter.version.as_deref() {
            Some(version) => {
                (site.release(language, distribution, version), format!("Release {distribution} {version}"))
            }
            None => (site.distribution(language, distribution), format!("Distribution {distribution}")),
        })
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
    fn in_words(&self, tester: Option<&str>) -> String {
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
        let from = |id: &String| format!("from {}", tester.map_or_else(|| format!("tester {id}"), str::to_owned));
        words.extend(self.tester.as_ref().map(from));
        words.extend(self.grade.map(|grade| grade.to_string()));
        words.join(", ")
    }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("")
}
