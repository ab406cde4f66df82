//! From a query to tantivy's own.

use schemas::query::{Query, WordField};
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, PhraseQuery, TermQuery};
use tantivy::{DocId, SegmentReader, Term};
use tantivy::schema::{Field, IndexRecordOption};

use super::fields::{self, Fields};

/// What every part of a query becomes.
type Engine = Box<dyn tantivy::query::Query>;

/// Translates a query. Only words of the text count for relevance; conditions let through or not.
pub(super) fn translate(query: &Query, fields: &Fields) -> Engine {
    match query {
        Query::Words { field: WordField::Text, words } => phrase(fields.words(WordField::Text), words),
        Query::Words { field, words } => unscored(phrase(fields.words(*field), words)),
        Query::Key { field, key } => unscored(term(fields.key(*field), key)),
        Query::Version(span) => unscored(range(fields::LANGUAGE_NUMBER, span.bounds())),
        Query::Time { field, span } => unscored(range(fields::time(*field), span.bounds())),
        Query::Not(_) => all(std::slice::from_ref(query), fields),
        Query::All(parts) => all(parts, fields),
        Query::Any(parts) => {
            Box::new(BooleanQuery::from(parts.iter().map(|part| (Occur::Should, translate(part, fields))).collect::<Vec<_>>()))
        }
    }
}

/// The parts together. Tantivy takes away from something, so without a part that finds there has to be everything.
fn all(parts: &[Query], fields: &Fields) -> Engine {
    let mut clauses: Vec<(Occur, Engine)> = Vec::new();
    if parts.iter().all(|part| matches!(part, Query::Not(_))) {
        clauses.push((Occur::Must, unscored(Box::new(AllQuery))));
    }
    clauses.extend(parts.iter().map(|part| match part {
        Query::Not(inner) => (Occur::MustNot, translate(inner, fields)),
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

/// Documents whose number in this column lies between the two, both included. Tantivy's `RangeQuery` is not used: of
/// 0.27, it underflows where a conjunction with a range in it is excluded and is asked for documents before its first.
fn range(column: &'static str, (least, greatest): (i64, i64)) -> Engine {
    let predicate = FunctionPredicate::from(move |segment: &SegmentReader| {
        let numbers = segment.fast_fields().i64(column)?;
        Ok(move |document: DocId| numbers.first(document).is_some_and(|number| (least..=greatest).contains(&number)))
    });
    Box::new(DocPredicateQuery::from(predicate))
}

fn unscored(query: Engine) -> Engine {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
