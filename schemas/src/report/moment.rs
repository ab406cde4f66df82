//! Moments as testers' machines spell them.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer};

/// Reads RFC 3339, with a blank for the `T`, with an offset without its colon, or with none at all, which is taken
/// as UTC (contract §3.1). Cut to microseconds, which both databases keep.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let moment = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .map(|moment| moment.to_utc())
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|moment| moment.and_utc()))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|moment| moment.and_utc()))
        .ok()?;
    DateTime::from_timestamp_micros(moment.timestamp_micros()).filter(|moment| in_range(*moment))
}

/// Four-digit years, which every consumer of the contract can read.
fn in_range(moment: DateTime<Utc>) -> bool {
    (1970..=9999).contains(&moment.year())
}

/// For `created`: absent, or a moment.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    match read(&text) {
        Some(moment) => Ok(Some(moment)),
        None => Err(serde::de::Error::custom("not a date and time such as 2026-11-20T22:19:33Z")),
    }
}
