//! The order of versions in lists: by their numbers, not by their letters.

use std::cmp::Ordering;

/// Oldest first: `5.8.9` before `5.10.0`, `5.16.0 RC0` before `5.16.0`, and that before `5.16.0 patch …`. What does
/// not begin with a number comes before all that does.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left_numbers, left_rest) = numbers(left);
    let (right_numbers, right_rest) = numbers(right);
    left_numbers
        .is_empty()
        .cmp(&right_numbers.is_empty())
        .reverse()
        .then_with(|| compare_numbers(&left_numbers, &right_numbers))
        .then_with(|| stage(left_rest).cmp(&stage(right_rest)))
        .then_with(|| numbers(left_rest.trim_start_matches(|c: char| !c.is_ascii_digit())).0.cmp(
            &numbers(right_rest.trim_start_matches(|c: char| !c.is_ascii_digit())).0,
        ))
        .then_with(|| left.cmp(right))
}

/// Whether a language version is under development: an odd middle number from 5.7 on, a patch or a candidate.
pub(crate) fn under_development(language_version: &str) -> bool {
    let (numbers, rest) = numbers(language_version);
    let odd = match numbers.as_slice() {
        [5, middle, ..] => *middle >= 7 && middle % 2 == 1,
        _ => false,
    };
    odd || stage(rest) != Stage::Release
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Candidate,
    Release,
    Patched,
}

fn stage(rest: &str) -> Stage {
    let rest = rest.trim().to_ascii_lowercase();
    if rest.starts_with("patch") {
        Stage::Patched
    } else if rest.trim_start_matches('-').starts_with("rc") || rest.starts_with("-trial") {
        Stage::Candidate
    } else {
        Stage::Release
    }
}

fn compare_numbers(left: &[u64], right: &[u64]) -> Ordering {
    let places = left.len().max(right.len());
    let place = |numbers: &[u64], at: usize| numbers.get(at).copied().unwrap_or(0);
    (0..places).map(|at| place(left, at).cmp(&place(right, at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The numbers a version begins with, and what follows them. Numbers too great to hold count as the greatest.
fn numbers(version: &str) -> (Vec<u64>, &str) {
    let version = version.trim_start_matches('v');
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(version.len());
    let (head, rest) = version.split_at(end);
    let parts = head.split(['.', '_']).filter(|part| !part.is_empty());
    (parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect(), rest)
}
