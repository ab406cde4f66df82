//! The places of a text that a query's words were found in, cut out to be shown.

use std::ops::Range;

use super::{Query, WordField, words};
use crate::views::Highlight;

/// Most fragments shown of one text.
pub const FRAGMENTS: usize = 3;
/// Longest fragment, in bytes.
pub const FRAGMENT_BYTES: usize = 200;
/// Matches looked at. A word that stands in every line needs no better choice of lines.
const MATCHES: usize = 1_000;

/// The best places of a text: those with the most different phrases of the query, then with the most matches, then
/// the earlier; shown in the order of the text. A fragment is a line, or whole words of a longer one. Empty when the
/// query asks for no words of the text, or when they stand only in the distribution's name.
pub fn highlight(query: &Query, text: &str) -> Vec<Highlight> {
    let mut phrases = Vec::new();
    collect_phrases(query, true, &mut phrases);
    if phrases.is_empty() {
        return Vec::new();
    }
    let (head, tail) = words::searched(text);
    let mut candidates = candidates(head, &phrases);
    candidates.extend(self::candidates(tail, &phrases));
    best(candidates)
}

/// Phrases whose presence, not whose absence, makes a report match.
fn collect_phrases<'q>(query: &'q Query, wanted: bool, phrases: &mut Vec<&'q [String]>) {
    match query {
        Query::Words { field: WordField::Text, words } if wanted && !phrases.contains(&words.as_slice()) => {
            phrases.push(words);
        }
        Query::Not(inner) => collect_phrases(inner, !wanted, phrases),
        Query::All(parts) | Query::Any(parts) => {
            parts.iter().for_each(|part| collect_phrases(part, wanted, phrases));
        }
        _ => {}
    }
}

/// A place where a phrase stands.
struct Match {
    range: Range<usize>,
    /// Which phrase it is.
    phrase: usize,
}

/// A fragment before it is known whether it is among the best.
struct Candidate {
    phrases: usize,
    matches: usize,
    highlight: Highlight,
}

/// Fragments around all matches, in the order of the text, none overlapping another's matches.
fn candidates(text: &str, phrases: &[&[String]]) -> Vec<Candidate> {
    let matches = matches(text, phrases);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut from = 0;
    while let Some(first) = matches.get(from) {
        let window = window(text, &first.range);
        let inside = matches[from..].iter().take_while(|found| found.range.end <= window.end).count().max(1);
        candidates.push(candidate(text, window, &matches[from..from + inside]));
        from += inside;
    }
    candidates
}

fn candidate(text: &str, window: Range<usize>, matches: &[Match]) -> Candidate {
    let mut phrases: Vec<usize> = matches.iter().map(|found| found.phrase).collect();
    phrases.sort_unstable();
    phrases.dedup();
    let mut marks: Vec<(usize, usize)> = Vec::new();
    for found in matches {
        let start = found.range.start - window.start;
        let end = found.range.end.min(window.end) - window.start;
        match marks.last_mut() {
            // Two phrases may share words: a b and b c.
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => marks.push((start, end)),
        }
    }
    let highlight = Highlight { text: text[window].to_owned(), marks };
    Candidate { phrases: phrases.len(), matches: matches.len(), highlight }
}

fn best(candidates: Vec<Candidate>) -> Vec<Highlight> {
    let mut ranked: Vec<(usize, Candidate)> = candidates.into_iter().enumerate().collect();
    ranked.sort_by_key(|(_, candidate)| std::cmp::Reverse((candidate.phrases, candidate.matches)));
    let mut chosen: Vec<(usize, Highlight)> = Vec::new();
    for (place, Candidate { highlight, .. }) in ranked {
        // Logs repeat themselves; the same line twice says nothing new.
        if chosen.len() < FRAGMENTS && !chosen.iter().any(|(_, other)| other.text == highlight.text) {
            chosen.push((place, highlight));
        }
    }
    chosen.sort_by_key(|(place, _)| *place);
    chosen.into_iter().map(|(_, highlight)| highlight).collect()
}

/// Where the phrases stand, in the order of the text.
fn matches(text: &str, phrases: &[&[String]]) -> Vec<Match> {
    let words: Vec<words::Word> = words::words(text).collect();
    let mut matches = Vec::new();
    for first in 0..words.len() {
        for (phrase, wanted) in phrases.iter().enumerate() {
            if stands_at(text, &words, first, wanted) {
                let range = words[first].range.start..words[first + wanted.len() - 1].range.end;
                matches.push(Match { range, phrase });
            }
        }
        if matches.len() >= MATCHES {
            break;
        }
    }
    matches
}

fn stands_at(text: &str, words: &[words::Word], first: usize, wanted: &[String]) -> bool {
    let Some(found) = words.get(first..first + wanted.len()) else { return false };
    found.iter().zip(wanted).enumerate().all(|(step, (word, wanted))| {
        word.position == found[0].position + step && same(&text[word.range.clone()], wanted)
    })
}

/// Whether a word of the text, folded, is the wanted one.
fn same(word: &str, wanted: &str) -> bool {
    if word.is_ascii() { word.eq_ignore_ascii_case(wanted) } else { words::fold(word) == wanted }
}

/// The bytes to show around a match: the whole lines it stands on, or as many whole words of them as fit.
fn window(text: &str, found: &Range<usize>) -> Range<usize> {
    let start = text[..found.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[found.end..].find('\n').map_or(text.len(), |newline| found.end + newline);
    let line = if end - start <= FRAGMENT_BYTES { start..end } else { cut(text, start..end, found) };
    let shown = &text[line.clone()];
    let start = line.start + (shown.len() - shown.trim_start().len());
    start..start + shown.trim().len()
}

/// Cuts a line that is too long down to the words around a match.
fn cut(text: &str, line: Range<usize>, found: &Range<usize>) -> Range<usize> {
    if found.len() > FRAGMENT_BYTES {
        let end = text.floor_char_boundary(found.start + FRAGMENT_BYTES);
        return found.start..last_break(text, found.start, end).unwrap_or(end);
    }
    let before = (FRAGMENT_BYTES - found.len()) / 2;
    let end = line.end.min(found.start.saturating_sub(before).max(line.start) + FRAGMENT_BYTES);
    let start = text.ceil_char_boundary(end.saturating_sub(FRAGMENT_BYTES).max(line.start));
    let end = text.floor_char_boundary(end);
    let start = if start == line.start { start } else { first_break(text, start, found.start).unwrap_or(found.start) };
    let end = if end == line.end { end } else { last_break(text, found.end, end).unwrap_or(found.end) };
    start..end
}

/// Where the first word begins after white space in `from..to`.
fn first_break(text: &str, from: usize, to: usize) -> Option<usize> {
    let between = &text[from..to];
    let space = between.find(char::is_whitespace)?;
    Some(to - between[space..].trim_start().len())
}

/// Where the last white space begins in `from..to`.
fn last_break(text: &str, from: usize, to: usize) -> Option<usize> {
    let space = text[from..to].rfind(char::is_whitespace)?;
    Some(from + space)
}
