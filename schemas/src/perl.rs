//! Language versions, and what they say about maturity (contract §3.3).

use serde::{Deserialize, Serialize};

mod order;

pub use order::{compare, compare_versions};

/// A language version as reported, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageVersion {
    /// As reported, all leading `v` cut: `5.16.0 RC0`, `5.11.0 patch GitLive-blead-1437-g8bca5c8`.
    pub verbatim: String,
    /// The first `d.d.d`, where there is one: `5.16.0`.
    pub number: Option<String>,
    /// Number of the release candidate: 0 of `RC0`.
    pub release_candidate: Option<u32>,
    /// What follows `patch`; empty text when nothing does.
    pub patch: Option<String>,
    /// A development version by contract §3.3 `perlmat`: `^5.(7|9|[1-9][13579])`.
    pub development: bool,
    /// Patched or a release candidate by contract §3.3 `patched`.
    pub patched: bool,
    /// `devel` of the contract's `perl_version` table: odd minor of 7 or more, or a release candidate.
    pub devel: bool,
}

impl LanguageVersion {
    /// Reads any text: what is not a version of Perl is kept verbatim, with every flag down.
    pub fn read(text: &str) -> LanguageVersion {
        let verbatim = text.trim_start_matches('v');
        let number = first_number(verbatim);
        let candidate = release_candidate(verbatim);
        let patch = verbatim.split_once("patch").map(|(_, after)| after.trim().to_owned());
        LanguageVersion {
            number: number.map(|(_, number)| number.to_owned()),
            release_candidate: candidate.map(|digits| digits.parse().unwrap_or(u32::MAX)),
            development: development(verbatim.as_bytes()),
            patched: candidate.is_some() || patch.is_some(),
            devel: number.is_some_and(|(before, number)| {
                odd_minor(number) || candidate_follows(&verbatim[before + number.len()..])
            }),
            patch,
            verbatim: verbatim.to_owned(),
        }
    }
}

/// The first three numbers joined by dots, and where they begin.
fn first_number(text: &str) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut start = 0;
    while start < bytes.len() {
        let first = digits(start);
        if first == 0 {
            start += 1;
            continue;
        }
        let mut end = start + first;
        let mut numbers = 1;
        while numbers < 3 && bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
            numbers += 1;
        }
        if numbers == 3 {
            return Some((start, &text[start..end]));
        }
        start += first;
    }
    None
}

/// The digits of the first `RC` that has some.
fn release_candidate(text: &str) -> Option<&str> {
    text.match_indices("RC").find_map(|(at, _)| {
        let after = &text[at + 2..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| &after[..digits])
    })
}

/// Whether ` RC` and a digit come right after the number.
fn candidate_follows(after: &str) -> bool {
    let candidate = after.trim_start().strip_prefix("RC");
    after.starts_with(char::is_whitespace)
        && candidate.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// Contract §3.3 `perlmat`. Any character may stand where the dot is meant, as there.
fn development(version: &[u8]) -> bool {
    match version {
        [b'5', separator, b'7' | b'9', ..] if *separator != b'\n' => true,
        [b'5', separator, b'1'..=b'9', b'1' | b'3' | b'5' | b'7' | b'9', ..] => *separator != b'\n',
        _ => false,
    }
}

/// Odd minor of 7 or more, of a Perl 5.
fn odd_minor(number: &str) -> bool {
    let mut parts = number.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let odd = minor.bytes().last().is_some_and(|digit| digit % 2 == 1);
    major == "5" && odd && minor.parse().map_or(true, |minor: u64| minor >= 7)
}
