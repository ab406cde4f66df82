//! How documents are laid out in the engine: what indices are called, their fields, and the words of texts.

use chrono::{DateTime, Utc};
use schemas::query::{KeyField, TimeField, WordField, words};
use serde_json::{Map, Value, json};

use super::address::Address;
use crate::index::{Document, MAX_WINDOW};

/// Number of the layout below. Raise it whenever the same document would be indexed otherwise.
pub(super) const FORMAT: u64 = 1;
/// The field documents are sorted by.
pub(super) const NUMBER: &str = "number";
pub(super) const LANGUAGE_NUMBER: &str = "language_number";
/// The one document that says how far a generation has come.
pub(super) const MARK: &str = "mark";
/// Longer keys than any query can ask for are left out.
const MAX_KEY: usize = schemas::query::MAX_LENGTH;

/// What assay's indices and aliases are called, all beginning with the prefix of the address.
///
/// | Name | What |
/// | --- | --- |
/// | `assay` | alias of all months that searches see |
/// | `assay-mark` | alias of the mark of the generation they belong to |
/// | `assay-1-2026.11` | reports received in a month, of generation 1 |
/// | `assay-1-mark` | how far generation 1 has come |
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

/// An index by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub generation: u64,
    pub mark: bool,
}

impl Names {
    pub(super) fn new(address: &Address) -> Names {
        Names { prefix: address.prefix.clone() }
    }

    pub(super) fn shown(&self) -> &str {
        &self.prefix
    }

    pub(super) fn shown_mark(&self) -> String {
        format!("{}-{MARK}", self.prefix)
    }

    pub(super) fn mark(&self, generation: u64) -> String {
        format!("{}-{generation}-{MARK}", self.prefix)
    }

    pub(super) fn month(&self, generation: u64, received_at: DateTime<Utc>) -> String {
        format!("{}-{generation}-{}", self.prefix, received_at.format("%Y.%m"))
    }

    /// All months of a generation. The mark has no dot in its name.
    pub(super) fn months(&self, generation: u64) -> String {
        format!("{}-{generation}-*.*", self.prefix)
    }

    /// All indices of all generations, and maybe of other prefixes: each is to be [read](Names::read).
    pub(super) fn all(&self) -> String {
        format!("{}-*", self.prefix)
    }

    /// What an index of this name is for; `None` when it is not one of ours.
    pub(super) fn read(&self, name: &str) -> Option<IndexName> {
        let (generation, rest) = name.strip_prefix(&self.prefix)?.strip_prefix('-')?.split_once('-')?;
        let mark = rest == MARK;
        let month = rest.split_once('.').is_some_and(|(year, month)| [year, month].iter().all(|part| digits(part)));
        if !digits(generation) || !(mark || month) {
            return None;
        }
        Some(IndexName { generation: generation.parse().ok()?, mark })
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The template that the indices of months are made from.
///
/// Nothing but the terms is kept: a hit is a number, the report is in the database.
pub(super) fn template(address: &Address) -> Value {
    let words = |scored: bool| {
        // The words are cut on our side, see `document`. Lengths (norms) matter only where relevance is judged.
        json!({ "type": "text", "analyzer": "whitespace", "norms": scored, "position_increment_gap": 1 })
    };
    let number = json!({ "type": "long" });
    let mut fields = Map::new();
    fields.insert(NUMBER.to_owned(), number.clone());
    fields.insert(name(WordField::Text).to_owned(), words(true));
    fields.insert(name(WordField::Tester).to_owned(), words(false));
    fields.insert(name(WordField::Architecture).to_owned(), words(false));
    for field in KeyField::ALL {
        fields.insert(field.name().to_owned(), json!({ "type": "keyword", "doc_values": false }));
    }
    for field in [LANGUAGE_NUMBER, TimeField::Received.name(), TimeField::Created.name()] {
        fields.insert(field.to_owned(), number.clone());
    }
    let mut settings = json!({
        "number_of_shards": address.options.shards,
        // A batch is shown when it is complete.
        "refresh_interval": "-1",
        "max_result_window": MAX_WINDOW,
        // How long the version of a removed document is remembered: an older write may still be under way.
        "gc_deletes": "10m",
    });
    match address.options.replicas {
        Some(replicas) => settings["number_of_replicas"] = replicas.into(),
        None => settings["auto_expand_replicas"] = "0-1".into(),
    }
    json!({
        "index_patterns": [format!("{}-*.*", address.prefix)],
        // Of two prefixes one may begin the other; the longer one is the one that is meant.
        "priority": 500 + address.prefix.len(),
        "template": {
            "settings": { "index": settings },
            "mappings": { "dynamic": "strict", "_source": { "enabled": false }, "properties": fields },
        },
    })
}

/// The index of a mark: one small document, with a copy on every second node there is.
pub(super) fn mark_index() -> Value {
    json!({
        "settings": { "index": { "number_of_shards": 1, "auto_expand_replicas": "0-1" } },
        "mappings": {
            "dynamic": "strict",
            "properties": { "format": { "type": "long", "index": false }, "mark": { "type": "long", "index": false } },
        },
    })
}

/// A document as the engine gets it.
///
/// The engine is given words rather than texts, so that it has the same ones as every other engine, whatever
/// analysers it has. Each run of neighbouring words is a value of its own, so that no phrase reaches further.
pub(super) fn document(document: &Document) -> Value {
    let mut fields = Map::new();
    fields.insert(NUMBER.to_owned(), document.number.into());
    for field in [WordField::Text, WordField::Tester, WordField::Architecture] {
        let runs: Vec<String> = document.texts(field).into_iter().flat_map(runs).collect();
        fields.insert(name(field).to_owned(), runs.into());
    }
    for field in KeyField::ALL {
        if let Some(key) = document.key(field).filter(|key| key.len() <= MAX_KEY) {
            fields.insert(field.name().to_owned(), key.into());
        }
    }
    if let Some(number) = document.language_number() {
        fields.insert(LANGUAGE_NUMBER.to_owned(), number.into());
    }
    for field in [TimeField::Received, TimeField::Created] {
        fields.insert(field.name().to_owned(), document.time(field).into());
    }
    Value::Object(fields)
}

/// The field of words in the engine.
pub(super) fn name(field: WordField) -> &'static str {
    field.name().unwrap_or("text")
}

/// The words of a text, folded, with a space between neighbours. A word that is too long ends a run.
fn runs(text: &str) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    let mut next = None;
    let mut folded = String::new();
    for word in words::words(text) {
        words::fold_into(&text[word.range], &mut folded);
        match runs.last_mut().filter(|_| next == Some(word.position)) {
            Some(run) => {
                run.push(' ');
                run.push_str(&folded);
            }
            None => runs.push(folded.clone()),
        }
        next = Some(word.position + 1);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_left_alone() {
        let address: Address = "http://host/assay".parse().unwrap();
        let names = Names::new(&address);
        let received_at = "2026-11-21T08:00:00Z".parse().unwrap();
        assert_eq!(names.month(12, received_at), "assay-12-2026.11");
        assert_eq!(names.read("assay-12-2026.11"), Some(IndexName { generation: 12, mark: false }));
        assert_eq!(names.read(&names.mark(3)), Some(IndexName { generation: 3, mark: true }));
        for other in ["assay", "assay-mark", "assay-live-1-2026.11", "assay-x-mark", "assay-1-2026", "essay-1-mark"] {
            assert_eq!(names.read(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_word_ends_a_run_and_words_are_folded() {
        let long = "x".repeat(words::MAX_WORD + 1);
        assert_eq!(runs(&format!("Foo::Bar t/01-a.t {long} ÄÖ_1\u{0} End")), ["foo bar t 01 a t", "äö_1 end"]);
        assert_eq!(runs(&format!("{long} {long}")), Vec::<String>::new());
    }
}
