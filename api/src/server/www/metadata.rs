//! `GET /cgi-bin/reports-metadata.cgi`: rows in bulk by number, for those who keep a copy of all (contract §1.8, §7).

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{Days, NaiveDate, NaiveTime};
use schemas::feeds::Listed;
use serde::Deserialize;
use serde_json::json;

use crate::server::App;
use crate::server::problems::ApiError;
use crate::server::reading::JSON;

/// Rows of one answer at most. Readers take fewer as the end.
const MOST: i64 = 2_500;

/// The numbers or the day asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    range: Option<String>,
    date: Option<String>,
}

/// With `range`, rows under their numbers, by number: `A-B` the first of them, `A-` from A on, `-B` the last up to B,
/// `-` the last of all, `A` that one. With `date`, the numbers received on that day, for a range to follow.
pub async fn metadata(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    if let Some(range) = asked.range.as_deref().filter(|range| !range.is_empty()) {
        return match span(range) {
            Some(span) => rows(&app, span).await,
            None => Ok(refusal("range: expected two numbers with a hyphen between, of which either may be absent")),
        };
    }
    match asked.date.as_deref().and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()) {
        Some(day) => numbers(&app, day).await,
        None => Ok(refusal("expected range=A-B or date=YYYY-MM-DD")),
    }
}

/// First and last number of a range, where they are given.
fn span(range: &str) -> Option<(Option<i64>, Option<i64>)> {
    // A number beyond all numbers is one that no report will have.
    let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true if digits.is_empty() => Some(None),
        true => Some(Some(digits.parse().unwrap_or(i64::MAX))),
        false => None,
    };
    match range.split_once('-') {
        Some((from, to)) => Some((number(from)?, number(to)?)),
        None => number(range).map(|only| (only, only)),
    }
}

async fn rows(app: &App, span: (Option<i64>, Option<i64>)) -> Result<Response, ApiError> {
    let addresses = app.rules.addresses;
    let rows = match span {
        (Some(from), to) => app.readers.range(from, to.unwrap_or(i64::MAX), MOST, addresses).await?,
        (None, to) => app.readers.range_up_to(to.unwrap_or(i64::MAX), MOST, addresses).await?,
    };
    Ok(answer(by_number(&rows)))
}

/// One object with the rows under their numbers, in their order.
fn by_number(rows: &[Listed]) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * 400 + 2);
    for row in rows {
        text.push(if text.is_empty() { b'{' } else { b',' });
        text.extend_from_slice(format!("\"{}\":", row.result.number).as_bytes());
        serde_json::to_writer(&mut text, &row.metadata_row()).expect("a row is made of texts and numbers");
    }
    if text.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    text
}

async fn numbers(app: &App, day: NaiveDate) -> Result<Response, ApiError> {
    let begins = day.and_time(NaiveTime::MIN).and_utc();
    let Some(ends) = begins.checked_add_days(Days::new(1)) else { return Ok(refusal("date: beyond all dates")) };
    let list = app.readers.store.numbers_received(begins, ends).await?;
    let range = list.first().zip(list.last()).map(|(from, to)| format!("{from}-{to}"));
    let found = json!({"list": list, "from": list.first(), "to": list.last(), "range": range});
    Ok(answer(found.to_string().into_bytes()))
}

fn answer(body: Vec<u8>) -> Response {
    let head = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "public, max-age=0, must-revalidate")];
    (head, body).into_response()
}

fn refusal(error: &str) -> Response {
    let head = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::BAD_REQUEST, head, json!({"error": error}).to_string()).into_response()
}
