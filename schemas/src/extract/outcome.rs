//! How a run ended, by its output: the suite's figures, the failing programs, and the reason.

use std::borrow::Cow;

use crate::grade::Grade;
use crate::reason::{Evidence, Phase, Reason, Signs, Stage};
use crate::report::{Output, Report};
use crate::text::lines::lines;
use crate::text::sections::Outline;
use crate::text::suite::Suite;
use crate::text::{decoded, prerequisites};
use crate::views::SuiteView;

/// What the output tells, structured figures put over those of the text.
pub(super) struct Ending {
    pub suite: SuiteView,
    pub failing_files: Vec<String>,
    pub reason: Option<Reason>,
}

/// Reads the outputs of a report, one after the other.
pub(super) fn read(report: &Report) -> Ending {
    let grade = report.result.grade;
    let parts: Vec<Part<'_>> = parts(&report.result.output)
        .map(|(phase, text)| Part::read(phase, decoded(text), grade != Grade::Pass))
        .collect();
    // Only the test phase has figures; whichever part ran the tests tells them.
    let told = parts.iter().position(|part| part.suite.ran()).unwrap_or(parts.len().saturating_sub(1));
    let evidence = (grade != Grade::Pass).then(|| gather(&parts, report));
    let stage = parts.iter().rev().find_map(|part| part.stage.0);
    let last_line = parts.last().and_then(|part| part.last_line()).map(str::to_owned);
    let (mut suite, failing_files, ran) = match parts.into_iter().nth(told) {
        Some(part) => {
            let ran = part.suite.ran();
            let (suite, files) = part.suite.finish();
            (suite, files, ran)
        }
        None => (SuiteView::default(), Vec::new(), false),
    };
    put_structured(&mut suite, report);
    let reason = evidence.and_then(|(signs, lacking)| {
        let (failing_files, last_line) = (failing_files.as_slice(), last_line.as_deref());
        Reason::read(&Evidence { grade, stage, ran, failing_files, signs, lacking, last_line })
    });
    Ending { suite, failing_files, reason }
}

/// The outputs of a report with the phase each is of; a whole text is of none.
fn parts(output: &Output) -> impl Iterator<Item = (Option<Phase>, &str)> {
    let phases = [
        (Some(Phase::Configure), &output.configure),
        (Some(Phase::Build), &output.build),
        (Some(Phase::Test), &output.test),
        (Some(Phase::Install), &output.install),
    ];
    let whole = output.uncategorized.is_some();
    let single = (None, &output.uncategorized);
    let parts = std::iter::once(single).chain(phases.into_iter().filter(move |_| !whole));
    parts.filter_map(|(phase, text)| Some((phase, text.as_deref()?)))
}

/// One output, walked once.
struct Part<'a> {
    text: Cow<'a, str>,
    outline: Outline,
    suite: Suite,
    stage: Stage,
}

impl<'a> Part<'a> {
    /// The outline and the stage are of use only to a report that did not pass.
    fn read(phase: Option<Phase>, text: Cow<'a, str>, failed: bool) -> Self {
        let (mut outline, mut suite, mut stage) = (Outline::default(), Suite::default(), Stage(phase));
        for line in lines(&text) {
            suite.see(&line);
            if phase == Some(Phase::Test) {
                suite.see_tap(&line);
            } else if failed && phase.is_none() {
                outline.see(&line);
                stage.see(&line);
            }
        }
        Part { text, outline, suite, stage }
    }

    fn output(&self) -> &str {
        self.outline.output(&self.text)
    }

    /// The last line an installation printed itself; cpanm's own verdicts begin with an arrow.
    fn last_line(&self) -> Option<&str> {
        let mut lines = self.output().lines().rev().map(str::trim).take(50);
        lines.find(|line| !line.is_empty() && !line.starts_with("-> ") && !line.bytes().all(|byte| byte == b'-'))
    }
}

/// Signs of a cause in all outputs, and a prerequisite the report lists as not there.
fn gather(parts: &[Part<'_>], report: &Report) -> (Signs, Option<String>) {
    let own = report.distribution.name.replace('-', "::");
    let mut signs = Signs::default();
    for part in parts {
        signs.scan(part.output(), &own);
    }
    let listed = parts.iter().flat_map(|part| {
        let sections = part.outline.sections(part.text.len());
        let section = sections.into_iter().find(|section| section.name == "prerequisites");
        section.map(|section| prerequisites::read(&part.text[section.start..section.end])).unwrap_or_default()
    });
    let lacking = listed
        .filter(|prerequisite| prerequisite.satisfied == Some(false) && prerequisite.name != "perl")
        .find(|prerequisite| !matches!(prerequisite.phase.as_str(), "optional" | "develop"));
    (signs, lacking.map(|prerequisite| prerequisite.name))
}

fn put_structured(suite: &mut SuiteView, report: &Report) {
    let result = &report.result;
    let number = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
    suite.tests = number(result.tests).or(suite.tests);
    suite.failures = number(result.failures).or(suite.failures);
    suite.skipped = number(result.skipped).or(suite.skipped);
    suite.duration = result.duration.or(suite.duration);
}
