//! Mail addresses in texts, and how they are kept from readers: testers' addresses stand in letters, in what a perl was
//! built with, and in the names of hosts.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

/// The text with `…` for the host of each mail address: `jane@…`.
pub fn hidden(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut from = 0;
    for place in places(text) {
        let host = text[place.clone()].find('@').map_or(place.end, |at| place.start + at + 1);
        shown.push_str(&text[from..host]);
        shown.push('…');
        from = place.end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

/// Hides the addresses in a text that is kept.
pub fn hide(text: &mut String) {
    if let Cow::Owned(shown) = hidden(text) {
        *text = shown;
    }
}

/// Hides the addresses in every text of a document.
pub fn hide_all(document: &mut Value) {
    match document {
        Value::String(text) => hide(text),
        Value::Array(items) => items.iter_mut().for_each(hide_all),
        Value::Object(fields) => fields.values_mut().for_each(hide_all),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where mail addresses stand: `name@host.example`.
pub fn places(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices('@').filter_map(|(at, _)| {
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
        let name = text.as_bytes()[..at].iter().rev().take_while(|byte| named(byte)).count();
        let host = text[at + 1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
        let host = &text[at + 1..][..host.unwrap_or(text.len() - at - 1)];
        let host = host.trim_end_matches(['.', '-']);
        let (_, last) = host.rsplit_once('.')?;
        let known = name > 0 && last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
        known.then(|| at - name..at + 1 + host.len())
    })
}
