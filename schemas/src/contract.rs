//! Rows as the CPAN Testers contract has them on the wire (contract §1.2 to §1.4). Counts are integers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::grade::{Counts, Grade};

/// A release's counts over all partitions, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseRow {
    #[serde(flatten)]
    pub release: ReleaseCounts,
    /// Number of the upload; `null` while none is known.
    pub uploadid: Option<i64>,
    pub total: i64,
}

/// A release's counts over all partitions, by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseCounts {
    #[serde(rename = "dist")]
    pub distribution: String,
    pub version: String,
    pub pass: i64,
    pub fail: i64,
    pub na: i64,
    pub unknown: i64,
}

impl ReleaseRow {
    pub fn new(distribution: String, version: String, counts: Counts, upload: Option<i64>) -> Self {
        let total = counts.total();
        let Counts { pass, fail, na, unknown } = counts;
        ReleaseRow {
            release: ReleaseCounts { distribution, version, pass, fail, na, unknown },
            uploadid: upload,
            total,
        }
    }
}

/// An upload to CPAN. Also the text of a WebSocket frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadView {
    #[serde(rename = "dist")]
    pub distribution: String,
    pub version: String,
    /// CPAN id of the author.
    pub author: String,
    /// Without the author's directory.
    pub filename: String,
    #[serde(rename = "released", serialize_with = "seconds")]
    pub released_at: DateTime<Utc>,
}

/// One report as a row of `/v3/summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportRow {
    pub guid: String,
    /// When it was made, by the tester's clock, to the minute.
    #[serde(serialize_with = "minutes")]
    pub date: DateTime<Utc>,
    pub grade: Grade,
    /// See [`reporter`].
    pub reporter: String,
    #[serde(rename = "dist")]
    pub distribution: String,
    pub version: String,
    /// Architecture of the language.
    pub platform: String,
    pub perl: String,
    /// As reported.
    pub osname: String,
    pub osvers: String,
}

/// The tester as the contract writes them (§3.2): the name in quotes, every character beyond ASCII as `&#N;`, then the
/// address in angle brackets. Without an address the quoted name stands alone, which is the part that readers show.
pub fn reporter(name: &str, address: Option<&str>) -> String {
    let mut text = String::with_capacity(name.len() + 2 + address.map_or(0, |address| address.len() + 3));
    text.push('"');
    for character in name.chars() {
        match character.is_ascii() {
            true => text.push(character),
            false => text.push_str(&format!("&#{};", u32::from(character))),
        }
    }
    text.push('"');
    if let Some(address) = address {
        text.push_str(&format!(" <{address}>"));
    }
    text
}

fn seconds<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn minutes<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.format("%Y-%m-%dT%H:%M:00Z"))
}
