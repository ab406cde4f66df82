//! `/report/{id}`: one report, as people read it.

use std::collections::BTreeMap;

use askama::Template;
use schemas::extract::{PrerequisiteView, SectionView, Source};
use schemas::grade::Grade;
use schemas::reason::{Code, Phase, Reason};
use schemas::views::{Freshness, ReportView, ResultView, SuiteView};
use schemas::withdrawal::BodyFate;

use crate::counts::{Count, GradeMark};
use crate::frame::{Frame, render};
use crate::moment::Moment;
use crate::passage::{Excerpt, Passage, excerpt, slice};
use crate::site::Site;
use crate::tables::{self, ReportTable, phase_in_words};

/// Most sections shown; a text cannot have more than a hostile sender makes of it.
const MOST_SECTIONS: usize = 40;

/// What the page of a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportPage {
    pub report: ReportView,
    /// The report as people read it, see [`schemas::report::Report::text`]; sections are ranges of it.
    pub text: String,
    /// Other reports of the release on the same platform, newest first.
    pub others: Vec<ResultView>,
    /// Absent where the door does not ask for it.
    pub freshness: Option<Freshness>,
}

/// The page at `/report/{id}`.
pub fn report(site: &Site, page: &ReportPage) -> String {
    let view = &page.report;
    let title = match &view.result {
        Some(result) => format!("{} {} {}: report", result.grade, result.distribution, result.version),
        None if view.withdrawn.is_some() => format!("Report {}: withdrawn", view.id),
        None => format!("Report {}", view.id),
    };
    let description = match &view.result {
        Some(result) => format!("{title} on {} {}, {}.", result.language, result.language_version, result.os),
        None if view.withdrawn.is_some() => "A test report that was withdrawn.".to_owned(),
        None => "A test report that is not processed yet.".to_owned(),
    };
    let mut frame = Frame::new(site, title, description, site.report(&view.id));
    frame.freshness = page.freshness;
    if view.withdrawn.is_some() {
        frame = frame.unlisted();
    }
    render(&Report {
        frame,
        view,
        result: view.result.as_ref(),
        prerequisites: prerequisites(view),
        sections: sections(page),
        tables: tables(view),
        text: &page.text,
        others: ReportTable { site, caption: "Other reports on this platform", rows: &page.others, one_release: true },
    })
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    frame: Frame<'a>,
    view: &'a ReportView,
    result: Option<&'a ResultView>,
    /// Those not satisfied first.
    prerequisites: Vec<Prerequisite<'a>>,
    sections: Vec<Section<'a>>,
    /// Titles, and names with values.
    tables: Vec<(&'static str, &'a BTreeMap<String, String>)>,
    text: &'a str,
    others: ReportTable<'a>,
}

/// A module asked for, and whether what was there is enough.
struct Prerequisite<'a> {
    view: &'a PrerequisiteView,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Missing,
    TooOld,
    NotTold,
    Enough,
}

/// A part of the text with a title.
struct Section<'a> {
    title: String,
    excerpt: Excerpt<'a>,
    open: bool,
    /// Bytes of the whole section.
    size: usize,
}

impl<'a> Report<'a> {
    /// Whether there are bytes to show.
    fn there(&self) -> bool {
        !self.purged() && self.view.dropped.is_none()
    }

    fn purged(&self) -> bool {
        self.view.withdrawn.as_ref().is_some_and(|withdrawn| withdrawn.body == BodyFate::Purged)
    }

    fn unsatisfied(&self) -> usize {
        self.prerequisites.iter().filter(|prerequisite| prerequisite.standing < Standing::NotTold).count()
    }

    fn suite(&self) -> Option<&'a SuiteView> {
        let read = self.view.details.as_ref().map(|details| &details.suite);
        let suite = self.result.and_then(|result| result.suite.as_ref()).or(read)?;
        (*suite != SuiteView::default()).then_some(suite)
    }

    fn failing_files(&self) -> &'a [String] {
        self.view.details.as_ref().map_or(&[], |details| &details.failing_files)
    }

    /// Whether the report says itself when it was made.
    fn dated(&self) -> bool {
        self.view.report.get("created").is_some_and(|created| !created.is_null())
    }

    /// The phase in which it stopped, where the reason does not already say so.
    fn phase(&self, reason: &Reason) -> Option<&'static str> {
        let implied = match reason.code {
            Code::Configure => Some(Phase::Configure),
            Code::Build => Some(Phase::Build),
            Code::TestFailure => Some(Phase::Test),
            _ => None,
        };
        reason.phase.filter(|phase| Some(*phase) != implied).map(phase_in_words)
    }

    fn client(&self) -> Option<&'a str> {
        self.view.details.as_ref()?.user_agent.as_deref()
    }

    /// Where the prerequisites were read, when the extractor says.
    fn source(&self, field: &str) -> Option<&'static str> {
        match self.view.details.as_ref()?.sources.get(field)? {
            Source::Structured => Some("read from the report's fields"),
            Source::Text => Some("read from the report's text"),
        }
    }

    /// Reports of the same release on the same language version and system.
    fn platform(&self, result: &ResultView) -> String {
        self.frame.site.query(
            "results",
            &[
                ("language", Some(&result.language)),
                ("distribution", Some(&result.distribution)),
                ("version", Some(&result.version)),
                ("language_version", Some(&result.language_version)),
                ("os", Some(&result.os)),
            ],
        )
    }
}

impl Standing {
    fn of(view: &PrerequisiteView) -> Self {
        match (view.satisfied, &view.have) {
            (Some(true), _) => Standing::Enough,
            (_, None) => Standing::Missing,
            (Some(false), Some(_)) => Standing::TooOld,
            (None, Some(_)) => Standing::NotTold,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Standing::Missing => "missing",
            Standing::TooOld => "too old",
            Standing::NotTold => "not told",
            Standing::Enough => "ok",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Standing::Missing | Standing::TooOld => "✗",
            Standing::NotTold => "?",
            Standing::Enough => "✓",
        }
    }
}

fn prerequisites(view: &ReportView) -> Vec<Prerequisite<'_>> {
    let listed = view.details.iter().flat_map(|details| &details.prerequisites);
    let mut listed: Vec<_> = listed.map(|view| Prerequisite { view, standing: Standing::of(view) }).collect();
    listed.sort_by_key(|prerequisite| prerequisite.standing);
    listed
}

fn sections(page: &ReportPage) -> Vec<Section<'_>> {
    let cuts = page.report.details.as_ref().map_or(&[][..], |details| &details.sections);
    let cuts = cuts.iter().take(MOST_SECTIONS);
    let sections = cuts.map(|cut| (cut, slice(&page.text, cut.start..cut.end).trim_matches(['\r', '\n'])));
    let present = sections.filter(|(_, text)| !text.trim().is_empty());
    let mut sections: Vec<Section<'_>> = present
        .map(|(cut, text)| Section {
            title: title(&cut.name),
            excerpt: excerpt(text),
            open: of_interest(&page.report, cut),
            size: text.len(),
        })
        .collect();
    if sections.is_empty() && !page.text.trim().is_empty() {
        sections.push(Section {
            title: "Text".to_owned(),
            excerpt: excerpt(&page.text),
            open: true,
            size: page.text.len(),
        });
    }
    sections
}

fn title(name: &str) -> String {
    match name {
        "intro" => "Letter".to_owned(),
        "comments" => "Tester's comments".to_owned(),
        "output" => "Program output".to_owned(),
        "configuration" => "Perl configuration".to_owned(),
        "configure" | "build" | "test" | "install" => format!("Output of {name}"),
        other => {
            let mut letters = other.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

/// Whether a section is unfolded: the output of what went wrong.
fn of_interest(view: &ReportView, section: &SectionView) -> bool {
    let Some(result) = view.result.as_ref().filter(|result| result.grade != Grade::Pass) else {
        return false;
    };
    let phase = result.reason.as_ref().and_then(|reason| reason.phase).map_or("test", phase_in_words);
    section.name == "output" || section.name == phase
}

fn tables(view: &ReportView) -> Vec<(&'static str, &BTreeMap<String, String>)> {
    let Some(details) = &view.details else {
        return Vec::new();
    };
    let tables = [
        ("Toolchain", &details.toolchain),
        ("Environment variables", &details.environment),
        ("Special variables", &details.special_variables),
        ("Configuration (perl -V)", &details.configuration),
    ];
    tables.into_iter().filter(|(_, values)| !values.is_empty()).collect()
}
