//! From a query to tantivy's own.

use std::ops::Bound;

use schemas::query::{Query, WordField};
use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, PhraseQuery, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::exclusion::Excluded;
use super::fields::Fields;

/// What every part of a query becomes.
type Engine = Box<dyn tantivy::query::Query>;

/// Translates a query. Only words of the text count for relevance; conditions let through or not.
pub(super) fn translate(query: &Query, fields: &Fields) -> Engine {
    match query {
        Query::Words { field: WordField::Text, words } => phrase(fields.words(WordField::Text), words),
        Query::Words { field, words } => unscored(phrase(fields.words(*field), words)),
        Query::Key { field, key } => unscored(term(fields.key(*field), key)),
        Query::Version(span) => unscored(range(fields.language_number, span.bounds())),
        Query::Time { field, span } => unscored(range(fields.time(*field), span.bounds())),
        Query::Not(_) => all(std::slice::from_ref(query), fields),
        Query::All(parts) => all(parts, fields),
        Query::Any(parts) => Box::new(BooleanQuery::from(
            parts.iter().map(|part| (Occur::Should, translate(part, fields))).collect::<Vec<_>>(),
        )),
    }
}

/// The parts together. Tantivy takes away from something, so without a part that finds there has to be everything.
fn all(parts: &[Query], fields: &Fields) -> Engine {
    let mut clauses: Vec<(Occur, Engine)> = Vec::new();
    if parts.iter().all(|part| matches!(part, Query::Not(_))) {
        clauses.push((Occur::Must, unscored(Box::new(AllQuery))));
    }
    clauses.extend(parts.iter().map(|part| match part {
        Query::Not(inner) => (Occur::MustNot, Box::new(Excluded(translate(inner, fields))) as Engine),
        part => (Occur::Must, translate(part, fields)),
    }));
    Box::new(BooleanQuery::from(clauses))
}

fn phrase(field: Field, words: &[String]) -> Engine {
    match words {
        [word] => Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs)),
        _ => Box::new(PhraseQuery::new(words.iter().map(|word| Term::from_field_text(field, word)).collect())),
    }
}

fn term(field: Field, key: &str) -> Engine {
    Box::new(TermQuery::new(Term::from_field_text(field, key), IndexRecordOption::Basic))
}

fn range(field: Field, (least, greatest): (i64, i64)) -> Engine {
    let bound = |number| Bound::Included(Term::from_field_i64(field, number));
    Box::new(RangeQuery::new(bound(least), bound(greatest)))
}

fn unscored(query: Engine) -> Engine {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
