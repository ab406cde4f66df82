//! What reads outside bytes at the doors, apart from the reports themselves: for the crate `fuzz`, which tries it out.
//!
//! Each function says what came of the bytes, in words; the same bytes always give the same words.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::intake::credentials::{Basic, basic};
use super::intake::{packed, v4};
use super::limits::sender::Proxies;
use super::problems::ApiError;
use super::reading::{changes, results, summaries};
use crate::config::Networks;
use crate::config::units::Setting as _;

/// Reads a body of many reports, one a line.
pub fn ndjson(bytes: &[u8]) -> Vec<String> {
    let lines = v4::parse_lines(&Bytes::copy_from_slice(bytes));
    lines.into_iter().map(|(view, _, _)| view.detail.unwrap_or(view.outcome)).collect()
}

/// Undoes a content coding, to at most `limit` bytes.
pub fn unpacked(coding: &str, bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    packed::unpack(coding, bytes, limit, |_| true).map_err(|fault| fault.to_string())
}

/// Reads the query of an address as each list of rows does, cursors, limits and moments with it. `None`: no HTTP
/// parser lets such an address through.
pub fn asked(query: &[u8]) -> Option<[Result<String, String>; 3]> {
    let address = [b"/v4/list?", query].concat();
    let uri = Uri::try_from(address).ok()?;
    let results = read(&uri, |asked: results::Asked| {
        let (filter, before) = (asked.filter()?, asked.before()?);
        Ok(format!("{filter:?} {before:?}"))
    });
    let summaries = read(&uri, |asked: summaries::Asked| Ok(format!("{:?}", asked.filter()?)));
    let changes = read(&uri, |asked: changes::Asked| Ok(format!("{asked:?}")));
    Some([results, summaries, changes])
}

fn read<T: DeserializeOwned>(uri: &Uri, told: impl Fn(T) -> Result<String, ApiError>) -> Result<String, String> {
    let Query(asked) = Query::<T>::try_from_uri(uri).map_err(|rejection| rejection.body_text())?;
    told(asked).map_err(|error| error.detail().to_owned())
}

/// Reads a header's value as credentials, as a wait, and as the addresses of proxies. `None`: no HTTP parser lets such
/// a value through.
pub fn header(value: &[u8]) -> Option<String> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let mut headers = HeaderMap::new();
    for name in [header::AUTHORIZATION, "prefer".parse().ok()?, "x-forwarded-for".parse().ok()?] {
        headers.append(name, value.clone());
    }
    let credentials = match basic(&headers) {
        Basic::Absent => "absent",
        Basic::Malformed => "malformed",
        Basic::Present { .. } => "present",
    };
    let everywhere = Networks::parse("0.0.0.0/0,::/0").ok()?;
    let proxies = Proxies::new(everywhere, Networks::default());
    let block = proxies.sender([127, 0, 0, 1].into(), &headers).block();
    Some(format!("{credentials} {:?} {block}", v4::wait_of(&headers)))
}
