//! `/search`: reports that match a query, with the places that matched.

use askama::Template;
use schemas::query::QueryError;
use schemas::views::{Freshness, SearchView};

use crate::counts::{Count, GradeMark};
use crate::frame::{Frame, render};
use crate::moment::Day;
use crate::passage::{Marked, Passage, slice};
use crate::prose::Phrase;
use crate::site::Site;
use crate::tables;

/// Most passages shown of each report.
const MOST_PASSAGES: usize = 2;

/// What the search page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    /// As it was typed.
    pub query: String,
    pub answer: SearchAnswer,
    /// Of the reports there are; what was found tells itself.
    pub freshness: Freshness,
}

/// What a query came to.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchAnswer {
    /// Nothing was asked.
    Nothing,
    Found(Box<SearchView>),
    /// The query cannot be read.
    Faulty(QueryError),
}

/// The page at `/search`.
pub fn search(site: &Site, page: &SearchPage) -> String {
    let query = page.query.as_str();
    let title = if query.is_empty() { "Search".to_owned() } else { format!("Search: {query}") };
    let mut frame = Frame::new(site, title, "Search test reports.", site.search(query, None)).unlisted();
    frame.query = query;
    let (found, fault) = match &page.answer {
        SearchAnswer::Nothing => (None, None),
        SearchAnswer::Found(found) => (Some(&**found), None),
        SearchAnswer::Faulty(fault) => (None, Some(fault)),
    };
    frame.freshness = Some(found.map_or(page.freshness, |found| found.freshness));
    render(&Search { frame, query, found, fault })
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search<'a> {
    frame: Frame<'a>,
    query: &'a str,
    found: Option<&'a SearchView>,
    fault: Option<&'a QueryError>,
}

impl Search<'_> {
    /// What is marked as wrong: from where the fault begins to the next blank.
    fn place(&self, fault: &QueryError) -> [(usize, usize); 1] {
        let from = slice(self.query, fault.at..self.query.len());
        [(fault.at, fault.at.saturating_add(from.find(char::is_whitespace).unwrap_or(from.len())))]
    }

    /// Where the fault begins as people count: in characters, from 1.
    fn character(&self, fault: &QueryError) -> usize {
        slice(self.query, 0..fault.at).chars().count() + 1
    }

    /// Whether something is missing at the end of the query rather than wrong in it.
    fn at_the_end(&self, fault: &QueryError) -> bool {
        fault.at >= self.query.len()
    }
}
