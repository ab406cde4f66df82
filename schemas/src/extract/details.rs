//! All a report's page shows beyond its row, each field from where the report tells it best.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::perl::compare_versions;
use crate::report::{Prerequisite, Report};
use crate::text::context::{Context, user_agent};
use crate::text::{configuration, decoded, prerequisites, sections};
use crate::views::SuiteView;

use super::{Details, PrerequisiteView, SectionView, Source, outcome};

pub(super) fn read(report: &Report) -> Details {
    let ending = outcome::read(report);
    let written = report.result.output.uncategorized.as_deref().map(decoded).map(Written::read).unwrap_or_default();
    let Structured { user_agent, toolchain, environment, special_variables, configuration, prerequisites } =
        Structured::read(report);

    let mut sources = BTreeMap::new();
    let mut choose = Choice { sources: &mut sources };
    let details = Details {
        user_agent: choose.option("user_agent", user_agent, written.user_agent),
        prerequisites: choose.list("prerequisites", prerequisites, written.prerequisites),
        environment: choose.map("environment", environment, written.context.environment),
        special_variables: choose.map("special_variables", special_variables, written.context.special_variables),
        toolchain: choose.map("toolchain", toolchain, written.context.toolchain),
        configuration: choose.map("configuration", configuration, written.configuration),
        failing_files: choose.list("failing_files", Vec::new(), ending.failing_files),
        sections: report_sections(report),
        suite: ending.suite,
        sources: BTreeMap::new(),
    };
    note_figures(&details.suite, report, &mut sources);
    Details { sources, ..details }
}

/// What the text tells.
#[derive(Default)]
struct Written {
    user_agent: Option<String>,
    prerequisites: Vec<PrerequisiteView>,
    context: Context,
    configuration: BTreeMap<String, String>,
}

impl Written {
    fn read(text: Cow<'_, str>) -> Self {
        let mut written = Written::default();
        for section in sections(&text) {
            let content = &text[section.start..section.end];
            match section.name.as_str() {
                "intro" => written.user_agent = user_agent(content),
                "comments" => written.user_agent = written.user_agent.or_else(|| user_agent(content)),
                "prerequisites" => {
                    written.prerequisites = prerequisites::read(content);
                    // CPANPLUS lists its toolchain here.
                    written.context.see(content);
                }
                "environment" => written.context.see(content),
                "configuration" => written.configuration = configuration::read(content),
                _ => {}
            }
        }
        written
    }
}

/// What the report tells in fields of its own.
struct Structured {
    user_agent: Option<String>,
    prerequisites: Vec<PrerequisiteView>,
    environment: BTreeMap<String, String>,
    special_variables: BTreeMap<String, String>,
    toolchain: BTreeMap<String, String>,
    configuration: BTreeMap<String, String>,
}

impl Structured {
    fn read(report: &Report) -> Self {
        let (environment, language) = (&report.environment, &report.environment.language);
        let toolchain = match &environment.toolchain {
            Some(toolchain) => toolchain.clone(),
            None => texts(language.toolchain.as_ref()).collect(),
        };
        // Perl's special variables begin with a sigil, and so do Raku's.
        let (special_variables, configuration) =
            texts(language.variables.as_ref()).partition(|(name, _)| name.starts_with(['$', '@', '%', '&']));
        Structured {
            user_agent: environment.user_agent.clone(),
            prerequisites: report.prerequisites().iter().map(prerequisite).collect(),
            environment: texts(environment.system.variables.as_ref()).collect(),
            special_variables,
            toolchain,
            configuration,
        }
    }
}

/// Values as people read them: a text as it is, anything else as JSON.
fn texts(values: Option<&BTreeMap<String, Value>>) -> impl Iterator<Item = (String, String)> {
    values.into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    })
}

fn prerequisite(asked: &Prerequisite) -> PrerequisiteView {
    PrerequisiteView {
        phase: asked.phase.clone(),
        name: asked.name.clone(),
        need: asked.need.clone(),
        have: asked.have.clone(),
        satisfied: asked.have.as_deref().and_then(|have| satisfies(have, &asked.need)),
    }
}

/// Whether a version is in a range such as `1.2` or `>= 1.2, != 1.5, < 2`; `None` for what is no version.
fn satisfies(have: &str, need: &str) -> Option<bool> {
    if !have.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let all = need.split(',').map(str::trim).all(|clause| {
        let bare = clause.trim_start_matches(['<', '>', '=', '!']);
        let ordering = compare_versions(have, bare.trim());
        let equal = ordering.is_eq() || same_number(have, bare.trim());
        match &clause[..clause.len() - bare.len()] {
            "<" => ordering.is_lt() && !equal,
            "<=" => ordering.is_lt() || equal,
            ">" => ordering.is_gt() && !equal,
            "==" => equal,
            "!=" => !equal,
            _ => ordering.is_gt() || equal,
        }
    });
    Some(all)
}

/// Whether two versions differ only in how they are written: `1.10` and `1.100`.
fn same_number(have: &str, need: &str) -> bool {
    let above = |version: &str| format!("{version}0");
    let decimal = |version: &str| version.matches('.').count() == 1 && !version.starts_with('v');
    have.trim_end_matches('0') == need.trim_end_matches('0') && decimal(have) && decimal(need)
        || above(have) == above(need)
}

/// Takes the structured value of a field where there is one, else what the text tells, and notes which it was.
struct Choice<'a> {
    sources: &'a mut BTreeMap<String, Source>,
}

impl Choice<'_> {
    fn option<T>(&mut self, field: &str, structured: Option<T>, text: Option<T>) -> Option<T> {
        let source = if structured.is_some() { Source::Structured } else { Source::Text };
        let chosen = structured.or(text)?;
        self.sources.insert(field.to_owned(), source);
        Some(chosen)
    }

    fn list<T>(&mut self, field: &str, structured: Vec<T>, text: Vec<T>) -> Vec<T> {
        let told = |list: Vec<T>| Some(list).filter(|list| !list.is_empty());
        self.option(field, told(structured), told(text)).unwrap_or_default()
    }

    fn map(
        &mut self,
        field: &str,
        structured: BTreeMap<String, String>,
        text: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let told = |map: BTreeMap<String, String>| Some(map).filter(|map| !map.is_empty());
        self.option(field, told(structured), told(text)).unwrap_or_default()
    }
}

fn note_figures(suite: &SuiteView, report: &Report, sources: &mut BTreeMap<String, Source>) {
    let result = &report.result;
    let figures = [
        ("files", suite.files.is_some(), false),
        ("tests", suite.tests.is_some(), result.tests.is_some()),
        ("failures", suite.failures.is_some(), result.failures.is_some()),
        ("skipped", suite.skipped.is_some(), result.skipped.is_some()),
        ("duration", suite.duration.is_some(), result.duration.is_some()),
    ];
    for (figure, _, structured) in figures.into_iter().filter(|(_, found, _)| *found) {
        let source = if structured { Source::Structured } else { Source::Text };
        sources.insert(figure.to_owned(), source);
    }
}

/// Sections of the text as [`Report::text`] gives it.
fn report_sections(report: &Report) -> Vec<SectionView> {
    let output = &report.result.output;
    if let Some(text) = &output.uncategorized {
        return sections(text);
    }
    let phases = [
        ("configure", &output.configure),
        ("build", &output.build),
        ("test", &output.test),
        ("install", &output.install),
    ];
    let mut start = 0;
    let mut found: Vec<SectionView> = Vec::new();
    for (name, text) in phases {
        let Some(text) = text else { continue };
        if let Some(before) = found.last_mut() {
            // The empty line between two phases belongs to the first.
            start += 2;
            before.end = start;
        }
        found.push(SectionView { name: name.to_owned(), start, end: start + text.len() });
        start += text.len();
    }
    found
}
