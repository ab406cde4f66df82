//! What an engine holds: the numbers of all documents, page by page.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::client::{Client, Failure, Request};
use super::layout::NUMBER;

/// Documents in one answer.
const PAGE: usize = 10_000;

/// A number for each document in these indices, ascending; twice where two documents have it.
pub(super) fn numbers(client: &Client, indices: &str) -> Result<Vec<i64>, Failure> {
    let mut numbers: Vec<i64> = Vec::new();
    loop {
        // Others with the last number may be on the next page, so that number is read again.
        let last = numbers.last().copied();
        while last.is_some() && numbers.last().copied() == last {
            numbers.pop();
        }
        let hits = hits(client, indices, &json!({ "match_all": {} }), last.map(|last| last - 1))?;
        let full = hits.len() == PAGE;
        numbers.extend(hits.iter().map(|(number, _)| *number));
        if !full {
            return Ok(numbers);
        }
    }
}

/// Where the documents with these numbers are: of each, its number and its index.
pub(super) fn places(client: &Client, indices: &str, wanted: &[i64]) -> Result<Vec<(i64, String)>, Failure> {
    let mut places = Vec::new();
    // Far fewer than a page, so that all are in it even if some are there twice.
    for wanted in wanted.chunks(1000) {
        places.extend(hits(client, indices, &json!({ "terms": { NUMBER: wanted } }), None)?);
    }
    Ok(places)
}

/// The first documents after a number: each with its index.
fn hits(client: &Client, indices: &str, query: &Value, after: Option<i64>) -> Result<Vec<(i64, String)>, Failure> {
    let mut body = json!({
        "query": { "bool": { "filter": query } },
        "size": PAGE,
        "sort": [{ NUMBER: "asc" }],
        "stored_fields": "_none_",
    });
    if let Some(after) = after {
        body["search_after"] = json!([after]);
    }
    let options = "ignore_unavailable=true&allow_partial_search_results=false";
    let path = format!("{indices}/_search?{options}");
    let answer = client.call(Request::read(Method::Post, path).json(&body))?.done()?.body;
    let hits = answer.pointer("/hits/hits").and_then(Value::as_array);
    let hits = hits.ok_or_else(|| Failure::Partly { reason: "an answer without hits".to_owned() })?;
    let hit = |hit: &Value| Some((hit.pointer("/sort/0")?.as_i64()?, hit["_index"].as_str()?.to_owned()));
    Ok(hits.iter().filter_map(hit).collect())
}
