//! From a query to the engine's own.

use schemas::query::{Query, WordField};
use serde_json::{Value, json};

use super::layout;

/// Translates a query. Only words of the text count for relevance; conditions let through or not.
pub(super) fn translate(query: &Query) -> Value {
    match query {
        Query::Words { field: WordField::Text, .. } => leaf(query),
        Query::Any(options) => any(options),
        Query::All(parts) => all(parts),
        Query::Not(_) => all(std::slice::from_ref(query)),
        _ => json!({ "constant_score": { "filter": leaf(query), "boost": 0 } }),
    }
}

/// A part with none inside.
fn leaf(query: &Query) -> Value {
    match query {
        Query::Words { field, words } => phrase(layout::name(*field), words),
        Query::Key { field, key } => term(field.name(), key),
        Query::Version(span) => range(layout::LANGUAGE_NUMBER, span.bounds()),
        Query::Time { field, span } => range(field.name(), span.bounds()),
        Query::Not(_) | Query::All(_) | Query::Any(_) => translate(query),
    }
}

fn any(options: &[Query]) -> Value {
    json!({ "bool": { "should": translated(options), "minimum_should_match": 1 } })
}

/// All parts in one clause, the deepest of the choices among them too: engines bound how deep a query may be.
fn all(parts: &[Query]) -> Value {
    let deepest = parts.iter().filter(|part| matches!(part, Query::Any(_))).max_by_key(|part| depth(part));
    let (mut must, mut filter, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
    let mut clause = json!({});
    for part in parts {
        match part {
            Query::Any(options) if deepest.is_some_and(|deepest| std::ptr::eq(deepest, part)) => {
                clause["should"] = translated(options).into();
                clause["minimum_should_match"] = 1.into();
            }
            Query::Words { field: WordField::Text, .. } | Query::Any(_) | Query::All(_) => must.push(translate(part)),
            Query::Not(inner) => match &**inner {
                Query::Any(options) => must_not.extend(options.iter().map(leaf)),
                inner => must_not.push(leaf(inner)),
            },
            condition => filter.push(leaf(condition)),
        }
    }
    for (occurrence, clauses) in [("must", must), ("filter", filter), ("must_not", must_not)] {
        if !clauses.is_empty() {
            clause[occurrence] = clauses.into();
        }
    }
    json!({ "bool": clause })
}

fn translated(parts: &[Query]) -> Vec<Value> {
    parts.iter().map(translate).collect()
}

fn depth(query: &Query) -> usize {
    match query {
        Query::Not(inner) => 1 + depth(inner),
        Query::All(parts) | Query::Any(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The words are cut and folded already, so nothing but spaces is between them.
fn phrase(field: &str, words: &[String]) -> Value {
    match words {
        [word] => term(field, word),
        _ => json!({ "match_phrase": { field: words.join(" ") } }),
    }
}

fn term(field: &str, key: &str) -> Value {
    json!({ "term": { field: key } })
}

fn range(field: &str, (least, greatest): (i64, i64)) -> Value {
    json!({ "range": { field: { "gte": least, "lte": greatest } } })
}
