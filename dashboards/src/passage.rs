//! Pieces of report texts made fit for a page: cut at safe places, terminal escapes removed, hidden characters shown,
//! mail addresses without their host.

use std::fmt;
use std::ops::Range;

use askama::filters::HtmlSafe;
use schemas::addresses;

/// Longest piece of a text a page shows whole, in bytes; the middle of a longer one is left out.
const LONGEST: usize = 192 * 1024;
/// What is shown of the end of a text too long to show whole, in bytes: where a suite says how it ended.
const TAIL: usize = 64 * 1024;

/// Text escaped for HTML, with terminal escapes removed, control characters shown by their numbers, and mail addresses
/// without their host.
#[derive(Clone, Copy)]
pub(crate) struct Passage<'a>(pub &'a str);

/// A [`Passage`] in which byte ranges are marked as `<mark>`.
#[derive(Clone, Copy)]
pub(crate) struct Marked<'a> {
    pub text: &'a str,
    pub marks: &'a [(usize, usize)],
}

/// The beginning and end of a long text, or the whole of a short one.
pub(crate) struct Excerpt<'a> {
    pub head: &'a str,
    pub tail: &'a str,
    /// Bytes left out between the two.
    pub omitted: usize,
}

impl HtmlSafe for Passage<'_> {}
impl HtmlSafe for Marked<'_> {}

/// The part of a text between two bytes. Places outside the text or inside a character move to the nearest
/// character's begin before them; an end before the start gives nothing.
pub(crate) fn slice(text: &str, range: Range<usize>) -> &str {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.floor_char_boundary(range.end.min(text.len()));
    text.get(start..end.max(start)).unwrap_or("")
}

/// Cuts a text to what a page can show.
pub(crate) fn excerpt(text: &str) -> Excerpt<'_> {
    if text.len() <= LONGEST {
        return Excerpt { head: text, tail: "", omitted: 0 };
    }
    let head = slice(text, 0..LONGEST - TAIL);
    let tail = slice(text, text.len() - TAIL..text.len());
    Excerpt { head, tail, omitted: text.len() - head.len() - tail.len() }
}

impl fmt::Display for Passage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = addresses::hidden(self.0);
        let mut rest = &*text;
        while let Some(character) = rest.chars().next() {
            if character == '\u{1b}' {
                rest = after_escape(rest);
                continue;
            }
            let plain = rest.find(needs_care).unwrap_or(rest.len());
            if plain > 0 {
                f.write_str(&rest[..plain])?;
                rest = &rest[plain..];
                continue;
            }
            rest = &rest[character.len_utf8()..];
            // A carriage return before a line feed is how one system ends lines; alone it is something to see.
            if character == '\r' && rest.starts_with('\n') {
                continue;
            }
            write_careful(f, character)?;
        }
        Ok(())
    }
}

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        let mut marks: Vec<(usize, usize)> = self.marks.to_vec();
        // A mark would cut an address in two, and neither half looks like one.
        let addresses: Vec<Range<usize>> = addresses::places(self.text).collect();
        marks.retain(|(start, end)| addresses.iter().all(|address| *end <= address.start || *start >= address.end));
        marks.sort_unstable();
        for (start, end) in marks {
            let start = self.text.floor_char_boundary(start.min(self.text.len())).max(shown);
            let end = self.text.floor_char_boundary(end.min(self.text.len()));
            if end <= start {
                continue;
            }
            let (before, marked) = (slice(self.text, shown..start), slice(self.text, start..end));
            write!(f, "{}<mark>{}</mark>", Passage(before), Passage(marked))?;
            shown = end;
        }
        Passage(slice(self.text, shown..self.text.len())).fmt(f)
    }
}

fn needs_care(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '"' | '\'') || hidden(character)
}

/// Characters that a reader does not see, or that change the order in which others are shown.
fn hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => true,
        _ => character.is_control(),
    }
}

fn write_careful(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '&' => f.write_str("&amp;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        _ => {
            f.write_str("<span class=\"hidden\">")?;
            match u32::from(character) {
                code @ 0..=0x7f => write!(f, "\\x{code:02x}")?,
                code => write!(f, "\\u{{{code:x}}}")?,
            }
            f.write_str("</span>")
        }
    }
}

/// What follows the terminal escape a text begins with (ECMA-48): `ESC [ … final`, `ESC ] … BEL`, or `ESC` and one
/// more character. An escape that never ends is taken as the one character, so that no text is lost behind it.
fn after_escape(text: &str) -> &str {
    let rest = text.strip_prefix('\u{1b}').unwrap_or(text);
    if let Some(body) = rest.strip_prefix('[') {
        let end = body.find(|c: char| !matches!(c, '\u{20}'..='\u{3f}'));
        return match end.and_then(|end| body[end..].chars().next().map(|last| (end, last))) {
            Some((end, '\u{40}'..='\u{7e}')) => &body[end + 1..],
            _ => body,
        };
    }
    if let Some(body) = rest.strip_prefix(']') {
        let line = body.find('\n').unwrap_or(body.len());
        let end = body[..line].find(['\u{7}', '\u{1b}']);
        return match end {
            Some(end) => body[end + 1..].strip_prefix('\\').unwrap_or(&body[end + 1..]),
            None => body,
        };
    }
    let mut characters = rest.chars();
    match characters.next() {
        Some('\u{20}'..='\u{7e}') => characters.as_str(),
        _ => rest,
    }
}
