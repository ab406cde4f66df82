//! A submission: the bytes of one report with its id, its door and its tester; and how its bytes are read again.

use bytes::Bytes;
use schemas::addresses;
use schemas::cpanstats;
use schemas::ids::{Digest, ReportId};
use schemas::metabase;
use schemas::report::{Dialect, Invalid, Report, Reporter};
use serde_json::Value;

use crate::bodies;
use crate::store::{Door, Stored, Tester, TesterNumber};

/// What a door hands to [`crate::accept`]: checked, and not yet stored.
#[derive(Clone, Debug)]
pub struct Submission {
    pub id: ReportId,
    pub door: Door,
    pub tester: TesterNumber,
    pub digest: Digest,
    pub bytes: Bytes,
}

impl Submission {
    pub fn new(id: ReportId, door: Door, tester: &Tester, bytes: Bytes) -> Self {
        Submission { id, door, tester: tester.number, digest: Digest::of(&bytes), bytes }
    }
}

/// Why stored bytes are no report: only a newer, stricter reader can find that.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Report(#[from] Invalid),
    #[error(transparent)]
    Legacy(#[from] metabase::Refused),
    #[error(transparent)]
    Row(#[from] cpanstats::Unfit),
}

/// Reads stored bytes as the current shape, upgrading older ones. Pure.
pub fn read(door: Door, bytes: &[u8], reporter: Reporter) -> Result<Report, Unreadable> {
    match door {
        Door::V4 => Ok(Report::parse(bytes, Dialect::V4)?),
        Door::V3 => Ok(Report::parse(bytes, Dialect::V3)?),
        Door::Metabase => Ok(metabase::report(bytes)?.upgrade(reporter)?),
        Door::Cpanstats => Ok(cpanstats::parse(bytes)?.report),
    }
}

/// The text that is searched and shown in hits, addresses hidden. Empty for bytes that cannot be read any more.
pub fn searchable(stored: &Stored) -> String {
    bodies::unpack(&stored.body)
        .ok()
        .and_then(|bytes| read(stored.report.door, &bytes, Reporter::default()).ok())
        .map(|report| addresses::hidden(&report.text()).into_owned())
        .unwrap_or_default()
}

/// The report as readers get it: the current shape, extras kept, addresses left out.
pub fn readable(door: Door, id: ReportId, bytes: &[u8], name: &str) -> Result<Value, Unreadable> {
    match door {
        Door::V4 => Ok(schemas::report::without_addresses(bytes, Dialect::V4, Some(id))?),
        Door::V3 => Ok(schemas::report::without_addresses(bytes, Dialect::V3, Some(id))?),
        Door::Metabase | Door::Cpanstats => {
            let reporter = Reporter { name: Some(name.to_owned()), email: String::new() };
            Ok(read(door, bytes, reporter)?.without_addresses())
        }
    }
}
