//! Orders of versions: of the language, and of distributions as Perl's `version` compares them.

use std::cmp::Ordering;

/// Orders language versions from old to new: `5.8.9`, `5.36.0 RC1`, `5.36.0`, `5.36.0 patch 7`.
///
/// Numbers count as numbers, and `5.008009` is read as 5.8.9. A total order; only equal texts are equal.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (left, right) = (Key::language(a), Key::language(b));
    left.compare(&right).then_with(|| a.cmp(b))
}

/// Orders versions of distributions from old to new, by Perl's rules.
///
/// With a leading `v` or two dots the parts are numbers (`v1.2.10` is after `v1.2.9`); otherwise the version is a
/// decimal (`1.10` is before `1.9`). An underscore changes nothing but puts the version before its equal without one,
/// and so does `-TRIAL`. A total order; only equal texts are equal.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (left, right) = (Key::distribution(a), Key::distribution(b));
    left.compare(&right).then_with(|| a.cmp(b))
}

/// What versions are ordered by: numbers first, then how final they are, then what is left.
struct Key<'a> {
    /// Digits of each part, without leading zeros.
    parts: Vec<String>,
    finality: Finality,
    rest: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Finality {
    /// A trial, alpha or release candidate.
    Before,
    Final,
    /// Patched after the release.
    After,
}

impl<'a> Key<'a> {
    fn language(text: &'a str) -> Self {
        let bare = text.trim_start_matches('v');
        let (number, rest) = split_number(bare);
        let number = number.replace('_', "");
        let decimal = number.split_once('.').filter(|(_, fraction)| !fraction.contains('.') && fraction.len() >= 3);
        let parts = match decimal {
            Some((whole, fraction)) => decimal_parts(whole, fraction),
            None => number.split('.').map(significant).collect(),
        };
        let rest = rest.trim_start();
        let finality = match rest {
            "" => Finality::Final,
            _ if rest.starts_with("RC") || rest.starts_with("-RC") => Finality::Before,
            _ => Finality::After,
        };
        Key { parts, finality, rest }
    }

    fn distribution(text: &'a str) -> Self {
        let bare = text.trim_start_matches('v');
        let (number, rest) = split_number(bare);
        let digits = number.replace('_', "");
        let dotted = bare.len() < text.len() || digits.matches('.').count() >= 2;
        let parts = match digits.split_once('.') {
            Some((whole, fraction)) if !dotted => decimal_parts(whole, fraction),
            _ => digits.split('.').map(significant).collect(),
        };
        let unfinished = number.contains('_') || rest.starts_with("-TRIAL") || rest.starts_with("-RC");
        let finality = match (unfinished, rest.is_empty()) {
            (true, _) => Finality::Before,
            (false, true) => Finality::Final,
            (false, false) => Finality::After,
        };
        Key { parts, finality, rest }
    }

    fn compare(&self, other: &Key<'_>) -> Ordering {
        compare_parts(&self.parts, &other.parts)
            .then(self.finality.cmp(&other.finality))
            .then_with(|| natural(self.rest.as_bytes(), other.rest.as_bytes()))
    }
}

/// The leading digits, dots and underscores, and what follows them.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || b"._".contains(byte)).count();
    text.split_at(end)
}

/// A decimal as Perl takes it apart: three digits of the fraction make a part, `1.2345` is 1, 234, 500.
fn decimal_parts(whole: &str, fraction: &str) -> Vec<String> {
    let groups = fraction.as_bytes().chunks(3).map(|group| {
        let mut digits: String = group.iter().map(|byte| char::from(*byte)).collect();
        digits.extend(std::iter::repeat_n('0', 3 - group.len()));
        significant(&digits)
    });
    std::iter::once(significant(whole)).chain(groups).collect()
}

fn significant(digits: &str) -> String {
    digits.trim_start_matches('0').to_owned()
}

/// Part by part; a part that is not there counts as zero.
fn compare_parts(a: &[String], b: &[String]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|at| {
            let (left, right) = (a.get(at).map_or("", String::as_str), b.get(at).map_or("", String::as_str));
            compare_digits(left, right)
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length, written without leading zeros.
fn compare_digits(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Byte by byte, but with runs of digits compared as numbers: `RC9` before `RC10`.
fn natural(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (left, right) = (leading_number(a), leading_number(b));
        let ordering = match (left, right) {
            (0, _) | (_, 0) => match (a.first(), b.first()) {
                (Some(first), Some(second)) => {
                    (a, b) = (&a[1..], &b[1..]);
                    first.cmp(second)
                }
                (first, second) => return first.cmp(&second),
            },
            _ => {
                let (number, other) = (without_zeros(&a[..left]), without_zeros(&b[..right]));
                (a, b) = (&a[left..], &b[right..]);
                number.len().cmp(&other.len()).then_with(|| number.cmp(other))
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn leading_number(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}
