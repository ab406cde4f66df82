//! Keys and values of `perl -V`.

use std::collections::BTreeMap;

use super::lines::lines;

/// Longest name of a configuration key that is looked for.
const LONGEST_KEY: usize = 40;

/// Reads what `perl -V` printed, from its first line to the lists of directories at its end.
///
/// Beside the keys as Perl names them there are `revision`, `version`, `subversion` and `patch` of the first line, and
/// `Commit id`, `Compile-time options`, `Locally applied patches`, `Built under` and `Compiled at` as printed.
pub(crate) fn read(section: &str) -> BTreeMap<String, String> {
    let mut configuration = BTreeMap::new();
    let mut listed: Option<&str> = None;
    for line in lines(section) {
        let text = line.text.trim_ascii_start();
        let indent = line.text.len() - text.len();
        if text.starts_with("Summary of my ") {
            read_summary(text, &mut configuration);
        } else if matches!(text, "%ENV:" | "@INC:") {
            break;
        } else if let Some((name, value)) = labelled(text) {
            insert(&mut configuration, name, value.trim_ascii());
            listed = Some(name).filter(|name| matches!(*name, "Compile-time options" | "Locally applied patches"));
        } else if let Some(name) = listed.filter(|_| indent > 2 || line.text.starts_with('\t')) {
            append(&mut configuration, name, text);
        } else if indent > 0 {
            read_pairs(text, &mut configuration);
        }
    }
    configuration
}

/// `Summary of my perl5 (revision 5 version 10 subversion 0 patch 33443) configuration:`, in Perl 5.005
/// `Summary of my perl5 (5.0 patchlevel 5 subversion 3) configuration:`
fn read_summary(text: &str, configuration: &mut BTreeMap<String, String>) {
    let Some((_, words)) = text.split_once('(') else { return };
    let words: Vec<&str> = words.split([' ', ')', ',']).filter(|word| !word.is_empty()).take(10).collect();
    if let Some(revision) = words.first().filter(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
        insert(configuration, "revision", revision);
    }
    for pair in words.windows(2) {
        if matches!(pair[0], "revision" | "version" | "patchlevel" | "subversion" | "patch") {
            insert(configuration, pair[0], pair[1]);
        }
    }
}

/// Lines that are not `key=value`, with what follows their label.
fn labelled(text: &str) -> Option<(&'static str, &str)> {
    const LABELS: [(&str, &str); 6] = [
        ("Commit id", "Commit id: "),
        ("Compile-time options", "Compile-time options:"),
        ("Locally applied patches", "Locally applied patches:"),
        ("Built under", "Built under "),
        ("Compiled at", "Compiled at "),
        ("Ident", "Ident: "),
    ];
    LABELS.into_iter().find_map(|(name, label)| Some((name, text.strip_prefix(label)?)))
}

/// Reads `key=value` pairs, divided by commas or blanks, the values quoted or not.
fn read_pairs(text: &str, configuration: &mut BTreeMap<String, String>) {
    let mut rest = text;
    while let Some((key, after)) = key(rest) {
        let (value, next) = match after.strip_prefix('\'') {
            Some(quoted) => split_quoted(quoted),
            None => split_bare(after),
        };
        insert(configuration, key, value.trim_ascii());
        rest = next;
    }
}

/// The key a text begins with, past commas and blanks, and what follows its `=`.
fn key(text: &str) -> Option<(&str, &str)> {
    // Never more than a few blanks stand before a key; the bound keeps a hostile line from costing more than one walk.
    let blanks = text.bytes().take(8).take_while(|byte| b" ,\t".contains(byte)).count();
    let text = &text[blanks..];
    let length =
        text.bytes().take(LONGEST_KEY + 1).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let (key, rest) = text.split_at(length);
    let rest = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix('=')?;
    (length > 0 && length <= LONGEST_KEY).then_some((key, rest))
}

/// Splits at the quote that ends a value: the first behind which the line ends or another key stands.
fn split_quoted(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('\'') {
        let rest = &text[at + 1..];
        if matches!(rest, "" | ",") || key(rest).is_some_and(|_| rest.starts_with([' ', ','])) {
            return (&text[..at], rest);
        }
    }
    (text, "")
}

/// Splits at the comma or blank that ends a value: the first behind which another key stands, or the line's end.
fn split_bare(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        let divides = b" ,".contains(&bytes[at]) && !(at > 0 && bytes[at - 1] == b' ');
        if divides && key(&text[at..]).is_some() {
            return text.split_at(at);
        }
    }
    (text.strip_suffix(',').unwrap_or(text), "")
}

fn insert(configuration: &mut BTreeMap<String, String>, key: &str, value: &str) {
    configuration.entry(key.to_owned()).or_insert_with(|| value.to_owned());
}

fn append(configuration: &mut BTreeMap<String, String>, key: &str, more: &str) {
    let value = configuration.entry(key.to_owned()).or_default();
    if !value.is_empty() && !more.is_empty() {
        value.push(' ');
    }
    value.push_str(more);
}
