//! Texts that came in a second encoding: bodies of mails, and texts whose line ends were escaped once too often.

use std::borrow::Cow;

/// How far into a text its encoding shows.
const OPENING: usize = 1_500;

/// The text as the client wrote it.
///
/// Mails of the years to 2010 were stored quoted-printable (contract §3.6), and some facts hold `\n` in two characters
/// for each line end. Everything else is returned as it is.
pub fn decoded(text: &str) -> Cow<'_, str> {
    if quoted_printable(text) {
        Cow::Owned(decode_quoted_printable(text))
    } else if escaped(text) {
        Cow::Owned(unescape(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a line of the client's opening ends as only quoted-printable lines do.
fn quoted_printable(text: &str) -> bool {
    let opening = opening(text);
    let greeted = || opening.contains("This is a computer-generated") || opening.contains("has been tested as part of");
    opening.contains("=20\n") && greeted() || opening.contains("=0D\n") && greeted()
}

/// Whether a client's opening has `\n` where lines should end.
fn escaped(text: &str) -> bool {
    let opening = opening(text);
    opening.len() > 200 && !opening.contains('\n') && opening.contains("\\n\\n")
}

fn opening(text: &str) -> &str {
    &text[..text.floor_char_boundary(OPENING)]
}

fn decode_quoted_printable(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (taken, decoded) = match (byte, bytes.get(at + 1), bytes.get(at + 2)) {
            (b'=', Some(b'\n'), _) => (2, None),
            (b'=', Some(b'\r'), Some(b'\n')) => (3, None),
            (b'=', Some(high), Some(low)) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (3, Some(high * 16 + low)),
                _ => (1, Some(b'=')),
            },
            (byte, _, _) => (1, Some(*byte)),
        };
        plain.extend(decoded);
        at += taken;
    }
    match String::from_utf8(plain) {
        Ok(text) => text,
        // Older mails are Latin-1, in which each byte is a character.
        Err(latin) => latin.into_bytes().into_iter().map(char::from).collect(),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some(other) if "\\\"/'".contains(other) => plain.push(other),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}
