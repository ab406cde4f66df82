//! What a query means, in plain Rust over single documents: engines are compared with it.

use schemas::query::{Query, WordField, words};

use super::Document;

/// Whether a query finds a document.
pub(super) fn matches(query: &Query, document: &Document) -> bool {
    match query {
        Query::Words { field, words } => occurrences(*field, words, document) > 0,
        Query::Key { field, key } => document.key(*field).as_ref() == Some(key),
        Query::Version(span) => document.language_number().is_some_and(|number| span.contains(number)),
        Query::Time { field, span } => span.contains(document.time(*field)),
        Query::Not(inner) => !matches(inner, document),
        Query::All(parts) => parts.iter().all(|part| matches(part, document)),
        Query::Any(parts) => parts.iter().any(|part| matches(part, document)),
    }
}

/// How well a document's text matches: the more often the words asked for, and the shorter the text, the better.
pub(super) fn score(query: &Query, document: &Document) -> f32 {
    match query {
        Query::Words { field: WordField::Text, words } => {
            let length: usize = document.texts(WordField::Text).iter().map(|text| text.len()).sum();
            occurrences(WordField::Text, words, document) as f32 / (1 + length) as f32
        }
        Query::All(parts) | Query::Any(parts) => parts.iter().map(|part| score(part, document)).sum(),
        _ => 0.0,
    }
}

/// How often the words stand next to each other in a field.
fn occurrences(field: WordField, wanted: &[String], document: &Document) -> usize {
    document.texts(field).into_iter().map(|text| occurrences_in(text, wanted)).sum()
}

fn occurrences_in(text: &str, wanted: &[String]) -> usize {
    let mut places: Vec<Option<String>> = Vec::new();
    for word in words::words(text) {
        // Words too long to be indexed leave their place empty.
        places.resize(word.position, None);
        places.push(Some(words::fold(&text[word.range])));
    }
    places.windows(wanted.len()).filter(|window| window.iter().flatten().eq(wanted.iter())).count()
}
