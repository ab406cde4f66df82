//! What a matrix says at a glance: where a release fails, and what the failures have in common.

use std::collections::BTreeMap;

use schemas::grade::Counts;
use schemas::perl;
use schemas::views::{CellView, MatrixView};

use super::FailingPlatform;
use crate::counts::Count;

/// Fewest failures that say something about a system or a range of versions.
const ENOUGH: i64 = 2;

/// The cells with failures: those without a pass first, then the newest language version first.
pub(super) fn failing(matrix: &MatrixView) -> Vec<FailingPlatform> {
    let failing = matrix.cells.iter().filter(|cell| cell.counts.fail > 0).map(|cell| FailingPlatform {
        language_version: cell.language_version.clone().unwrap_or_default(),
        os: cell.os.clone().unwrap_or_default(),
        counts: cell.counts,
        since: None,
        reasons: Vec::new(),
    });
    let mut failing: Vec<FailingPlatform> = failing.collect();
    failing.sort_by(|left, right| {
        let passes = (left.counts.pass > 0).cmp(&(right.counts.pass > 0));
        passes
            .then_with(|| perl::compare(&right.language_version, &left.language_version))
            .then_with(|| right.counts.fail.cmp(&left.counts.fail))
            .then_with(|| left.os.cmp(&right.os))
    });
    failing
}

/// Sentences such as `No pass on mswin32: 12 failures.` and `No pass with perl 5.8.9 or older: 7 failures.`
pub(super) fn findings(matrix: &MatrixView) -> Vec<String> {
    if matrix.cells.iter().all(|cell| cell.counts.pass == 0) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (os, counts) in added_up(matrix, |cell| cell.os.as_deref()) {
        if counts.pass == 0 && counts.fail >= ENOUGH {
            findings.push(format!("No pass on {os}: {} failures.", Count(counts.fail)));
        }
    }
    let mut by_language: Vec<(&str, Counts)> = added_up(matrix, |cell| cell.language_version.as_deref()).collect();
    by_language.retain(|(_, counts)| counts.pass > 0 || counts.fail > 0);
    by_language.sort_by(|left, right| perl::compare(right.0, left.0));
    let newest = by_language.iter().take_while(|(_, counts)| counts.pass == 0);
    let oldest = by_language.iter().rev().take_while(|(_, counts)| counts.pass == 0);
    findings.extend(boundary(&matrix.language, newest, "newer"));
    findings.extend(boundary(&matrix.language, oldest, "older"));
    findings
}

fn added_up<'a>(
    matrix: &'a MatrixView,
    axis: impl Fn(&'a CellView) -> Option<&'a str>,
) -> impl Iterator<Item = (&'a str, Counts)> {
    let mut sums: BTreeMap<&str, Counts> = BTreeMap::new();
    for cell in &matrix.cells {
        *sums.entry(axis(cell).unwrap_or("not told")).or_default() += cell.counts;
    }
    sums.into_iter()
}

/// What a run of language versions without a pass, from one end of all, comes to.
fn boundary<'a>(language: &str, run: impl Iterator<Item = &'a (&'a str, Counts)>, side: &str) -> Option<String> {
    let run: Vec<_> = run.collect();
    let failures: i64 = run.iter().map(|(_, counts)| counts.fail).sum();
    let (version, _) = run.last()?;
    (failures >= ENOUGH).then(|| format!("No pass with {language} {version} or {side}: {} failures.", Count(failures)))
}
