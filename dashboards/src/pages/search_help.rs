//! `/docs/search`: how to write a query.

use askama::Template;
use schemas::query::{MAX_LENGTH, MAX_TERMS};

use crate::frame::{Frame, render};
use crate::prose::Phrase;
use crate::site::Site;

/// The page at `/docs/search`.
pub fn search_help(site: &Site) -> String {
    let description = "Words, phrases, fields, ranges, and how to combine them in a search for test reports.";
    let frame = Frame::new(site, "How to search", description, site.path("/docs/search"));
    render(&SearchHelp { frame, fields: &FIELDS })
}

#[derive(Template)]
#[template(path = "search_help.html")]
struct SearchHelp<'a> {
    frame: Frame<'a>,
    fields: &'a [QueryField],
}

/// A field that a query can name.
struct QueryField {
    /// As it stands before the colon, and shorter, where there is a shorter form.
    names: &'static [&'static str],
    /// What it holds.
    meaning: &'static str,
    /// A whole query that uses it.
    example: &'static str,
}

const FIELDS: [QueryField; 14] = [
    field(&["distribution", "dist"], "The whole name of the distribution, `Foo-Bar` or `Foo::Bar`.", "dist:Foo-Bar"),
    field(&["version"], "Version of the release, as reported.", "dist:Foo-Bar version:1.10"),
    field(&["author"], "The author's CPAN id.", "author:EXAMPLE grade:fail"),
    field(&["grade"], "`pass`, `fail`, `na` or `unknown`.", "grade:fail"),
    field(&["os"], "Canonical name of the operating system: `linux`, `mswin32`, `darwin`.", "NOT os:linux"),
    field(&["language"], "`perl` or `raku`.", "language:raku"),
    field(&["language_version", "perl"], "Version of the language; it can be a range.", "perl:5.8..5.36"),
    field(&["architecture", "arch"], "Words of the architecture.", "arch:x86_64"),
    field(&["tester"], "Words of the tester's name.", "tester:\"Jane Example\""),
    field(
        &["reason"],
        "Why it is not a pass: `missing_prerequisite`, `configure`, `build`, `test_failure`, `timeout`, \
         `out_of_memory`, `unsupported_platform`, `network` or `other`.",
        "reason:timeout",
    ),
    field(&["phase"], "Where it stopped: `configure`, `build`, `test` or `install`.", "phase:build"),
    field(
        &["received"],
        "When the report came in: a year, month, day or minute; it can be a range.",
        "received:>=2026-01",
    ),
    field(&["created"], "When it was made, by the tester's clock; as above.", "created:2026-01-31"),
    field(&["id"], "The report's own id.", "id:0b45cd74-d944-4999-9c3d-c81021ca3d34"),
];

const fn field(names: &'static [&'static str], meaning: &'static str, example: &'static str) -> QueryField {
    QueryField { names, meaning, example }
}
