//! `/docs/search`: how to write a query.

use askama::Template;

use crate::frame::{Frame, render};
use crate::prose::Phrase;
use crate::site::Site;

/// A field that a query can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryField {
    /// As it stands before the colon: `os`.
    pub name: String,
    /// What it holds, in a sentence.
    pub meaning: String,
    /// A whole query that uses it: `os:mswin32`.
    pub example: String,
}

/// The page at `/docs/search`. `fields` are those the search language knows.
pub fn search_help(site: &Site, fields: &[QueryField]) -> String {
    let description = "Words, phrases, fields, ranges, and how to combine them in a search for test reports.";
    let frame = Frame::new(site, "How to search", description, site.path("/docs/search"));
    render(&SearchHelp { frame, fields })
}

#[derive(Template)]
#[template(path = "search_help.html")]
struct SearchHelp<'a> {
    frame: Frame<'a>,
    fields: &'a [QueryField],
}
