//! What a word of a text is, the same for indexing, searching and highlighting.

use std::ops::Range;

/// Longest word that is indexed, in bytes before folding. Longer ones (encoded blobs, mostly) keep their place in
/// the text, so that their neighbours do not become neighbours of each other.
pub const MAX_WORD: usize = 64;
/// Bytes searched at the beginning of a text.
pub const SEARCHED_HEAD: usize = 256 * 1024;
/// Bytes searched at the end of a text that is longer than head and tail together.
pub const SEARCHED_TAIL: usize = 64 * 1024;

/// The words of a text, in order, without those too long to be indexed. A word begins with a letter or digit and
/// goes on through letters, digits and underscores; everything else separates, so `Foo::Bar`, `t/foo.t` and
/// `key=value` are several words each.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    runs(text).filter(|word| word.range.len() <= MAX_WORD)
}

/// All words of a text, however long.
pub fn runs(text: &str) -> Runs<'_> {
    Runs { text, at: 0, position: 0 }
}

/// The parts of a text that are searched: all of it, or the first [`SEARCHED_HEAD`] and the last [`SEARCHED_TAIL`]
/// bytes. A phrase is never found across the two. The second part is empty when the first is everything.
pub fn searched(text: &str) -> (&str, &str) {
    if text.len() <= SEARCHED_HEAD + SEARCHED_TAIL {
        return (text, "");
    }
    let head = text.floor_char_boundary(SEARCHED_HEAD);
    let tail = text.ceil_char_boundary(text.len() - SEARCHED_TAIL);
    (&text[..head], &text[tail..])
}

/// Lower case, character by character: no rule depends on neighbours or on a language, and each character stays one.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// [`fold`] into a buffer that is emptied first, for loops over many words.
pub fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        // Only İ has a lower case of two characters; the second, a combining dot, is no part of a word.
        folded.extend(text.chars().filter_map(|character| character.to_lowercase().next()));
    }
}

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// How many words precede it, those too long to be indexed included.
    pub position: usize,
}

/// Iterator over all words of a text, see [`runs`].
#[derive(Clone, Debug)]
pub struct Runs<'t> {
    text: &'t str,
    at: usize,
    position: usize,
}

impl Iterator for Runs<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let start = skip(self.text, self.at, |kind| matches!(kind, Kind::Separator | Kind::Underscore));
        self.at = skip(self.text, start, |kind| kind != Kind::Separator);
        if start == self.at {
            return None;
        }
        let position = self.position;
        self.position += 1;
        Some(Word { range: start..self.at, position })
    }
}

/// First byte at or after `at` whose character does not pass; the text's length when all do.
fn skip(text: &str, mut at: usize, pass: impl Fn(Kind) -> bool) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let (kind, length) = match KINDS[usize::from(byte)] {
            Kind::Beyond => beyond(text, at),
            kind => (kind, 1),
        };
        if !pass(kind) {
            break;
        }
        at += length;
    }
    at
}

/// The kind and length of a character that is not ASCII.
#[cold]
fn beyond(text: &str, at: usize) -> (Kind, usize) {
    let character = text[at..].chars().next().unwrap_or(' ');
    let kind = if character.is_alphanumeric() { Kind::Letter } else { Kind::Separator };
    (kind, character.len_utf8())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Separator,
    Underscore,
    /// Or digit.
    Letter,
    /// Beyond ASCII: the whole character decides.
    Beyond,
}

/// The kind of each byte. A table, because indexing looks at every byte of every report.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Separator; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Kind::Letter,
            b'_' => Kind::Underscore,
            0x80..=0xff => Kind::Beyond,
            _ => Kind::Separator,
        };
        byte += 1;
    }
    kinds
};
