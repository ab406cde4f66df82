//! What the short texts of a report may hold, and where each of them stands.

use super::{Dialect, Report};
use crate::problem::Fault;

/// Longest short text, in bytes.
const LONGEST: usize = 255;

/// A kind of short text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Distributions and their versions: they become paths, file names and search terms.
    Name,
    /// `AUTHOR/Archive-1.0.tar.gz`: names between slashes.
    Path,
    /// Platforms, and language versions: one line, not empty.
    Word,
    /// The same, and may be empty.
    Line,
    /// Testers' names and addresses. Real ones hold C1 control characters, from being encoded twice (contract
    /// §11.1); line breaks would end up in mail headers.
    Person,
}

/// Each short text that is checked, with its rule.
pub(super) const TEXTS: [(&str, Rule); 10] = [
    ("/reporter/name", Rule::Person),
    ("/reporter/email", Rule::Person),
    ("/environment/user_agent", Rule::Line),
    ("/environment/language/version", Rule::Word),
    ("/environment/language/archname", Rule::Line),
    ("/environment/system/osname", Rule::Word),
    ("/environment/system/osversion", Rule::Line),
    ("/distribution/name", Rule::Name),
    ("/distribution/version", Rule::Name),
    ("/distribution/path", Rule::Path),
];

/// Every rule a report breaks that came by the legacy protocol, whose perl versions follow no pattern.
pub(crate) fn broken(report: &Report) -> Vec<Fault> {
    let fault =
        |(pointer, rule): (&'static str, Rule)| Some(Fault::new(pointer, rule.broken_by(text(report, pointer)?)?));
    TEXTS.into_iter().filter_map(fault).collect()
}

/// Whether a report keeps every rule of a door.
pub(super) fn keeps(report: &Report, dialect: Dialect) -> bool {
    let sound = |(pointer, rule): (&str, Rule)| text(report, pointer).is_none_or(|text| rule.broken_by(text).is_none());
    let language = &report.environment.language;
    TEXTS.into_iter().all(sound)
        && languages(dialect).contains(&language.name.as_str())
        && (!perl(&language.name) || version(&language.version))
        && strings_only(report, dialect)
        && figures(report)
}

/// Language names a door takes.
pub(super) fn languages(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::V3 => &["Perl 5", "Perl 6"],
        Dialect::V4 => &["Perl 5", "Perl 6", "perl", "raku"],
    }
}

/// Whether versions of this language follow the pattern of Perl 5.
pub(super) fn perl(language: &str) -> bool {
    matches!(language, "Perl 5" | "perl")
}

/// `^5\.\d+\.\d+` (contract §2.1).
pub(super) fn version(text: &str) -> bool {
    let mut parts = text.splitn(3, '.');
    let number =
        |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    parts.next() == Some("5")
        && number(parts.next())
        && parts.next().is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Largest count that survives every consumer's JSON reader: 2^53 - 1.
pub(super) const MOST: u64 = 9_007_199_254_740_991;

fn figures(report: &Report) -> bool {
    let result = &report.result;
    let todo = result.todo.map(|todo| todo.pass.max(todo.fail));
    let counts = [result.tests, result.failures, result.skipped, result.warnings, todo];
    counts.into_iter().flatten().all(|count| count <= MOST)
        && result.duration.is_none_or(|seconds| seconds >= 0.0 && seconds.is_finite())
}

/// Today's server wants strings in the variables' maps; v4 keeps whatever is there.
fn strings_only(report: &Report, dialect: Dialect) -> bool {
    let maps = [&report.environment.language.variables, &report.environment.system.variables];
    dialect == Dialect::V4 || maps.into_iter().flatten().flat_map(|map| map.values()).all(serde_json::Value::is_string)
}

fn text<'a>(report: &'a Report, pointer: &str) -> Option<&'a str> {
    let (environment, distribution) = (&report.environment, &report.distribution);
    match pointer {
        "/reporter/name" => report.reporter.name.as_deref(),
        "/reporter/email" => Some(&report.reporter.email),
        "/environment/user_agent" => environment.user_agent.as_deref(),
        "/environment/language/version" => Some(&environment.language.version),
        "/environment/language/archname" => Some(&environment.language.archname),
        "/environment/system/osname" => Some(&environment.system.osname),
        "/environment/system/osversion" => environment.system.osversion.as_deref(),
        "/distribution/name" => Some(&distribution.name),
        "/distribution/version" => Some(&distribution.version),
        "/distribution/path" => distribution.path.as_deref(),
        _ => None,
    }
}

impl Rule {
    /// What is wrong with a text, fit to show to its sender.
    pub(super) fn broken_by(self, text: &str) -> Option<String> {
        if text.len() > LONGEST {
            return Some(format!("is {} bytes long, more than {LONGEST}", text.len()));
        }
        match self {
            Rule::Name => name(text),
            Rule::Path => text.split('/').find_map(name),
            Rule::Word if text.is_empty() => Some("is empty".to_owned()),
            Rule::Word | Rule::Line => control(text, char::is_control),
            Rule::Person => control(text, |character| character.is_ascii_control()),
        }
    }
}

fn control(text: &str, forbidden: impl Fn(char) -> bool) -> Option<String> {
    let character = text.chars().find(|character| forbidden(*character))?;
    Some(format!("holds the control character U+{:04X}", u32::from(character)))
}

fn name(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    // Letters, digits and these are nearly all there is, so one pass settles a name that is sound.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b':');
    if text.bytes().all(plain) {
        return text.bytes().all(|byte| byte == b'.').then(|| "holds nothing but dots".to_owned());
    }
    if text.trim() != text {
        return Some("begins or ends with a blank".to_owned());
    }
    control(text, char::is_control).or_else(|| control(text, reordering)).or_else(|| {
        text.chars()
            .find(|character| hostile(*character))
            .map(|it| format!("holds the character {it:?}, which no name may"))
    })
}

/// Characters a shell, a URL, a page or a query would read as its own.
fn hostile(character: char) -> bool {
    "<>\"'`;|&$\\/*?!{}[]()^%#@=,~".contains(character)
}

/// Marks that make a name read otherwise than it is spelt.
fn reordering(character: char) -> bool {
    matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{Rule, version};

    #[test]
    fn real_names_are_kept() {
        for name in
            ["Moose", "++-1.15", "weblint++", "File::Which", "1.04_01", "v1.2.3-TRIAL", "Zoë-Łukasz ☃ 😀", "a b"]
        {
            assert_eq!(Rule::Name.broken_by(name), None, "{name}");
        }
    }

    #[test]
    fn hostile_names_are_refused_with_their_fault() {
        let check =
            |name: &str, fault: &str| assert_eq!(Rule::Name.broken_by(name).as_deref(), Some(fault), "{name:?}");
        check("; touch x", "holds the character ';', which no name may");
        check("<script>", "holds the character '<', which no name may");
        check("../../etc/passwd", "holds the character '/', which no name may");
        check("..", "holds nothing but dots");
        check("Foo\0Bar", "holds the control character U+0000");
        check("Foo\u{202E}raB", "holds the control character U+202E");
        check(" Foo", "begins or ends with a blank");
        check("", "is empty");
        check(&"x".repeat(256), "is 256 bytes long, more than 255");
    }

    #[test]
    fn perl_versions_follow_the_contract() {
        for (text, sound) in [
            ("5.36.0", true),
            ("5.24.1 RC2", true),
            ("5.11.0 patch GitLive-blead", true),
            ("v5.24.1", false),
            ("5.24", false),
            ("5.24.x", false),
            ("5..1", false),
            ("6.0.0", false),
            ("", false),
        ] {
            assert_eq!(version(text), sound, "{text:?}");
        }
    }
}
