//! What a run has done so far, counted by everyone who takes part in it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

use crate::trouble::Trouble;

/// A number that many add to.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of a run.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: Number,
    pub pauses: Number,
    pub disk_fills: Number,
    pub index_breaks: Number,
    pub mirror_kills: Number,
    /// Faults of the deployed profile, each by what was done to whom.
    pub outages: Mutex<BTreeMap<&'static str, u64>>,
    pub trouble: Trouble,
    /// Requests with a report, and lines of requests with many.
    pub sends: Number,
    pub acknowledged: Number,
    /// Those acknowledged that were kept in a node's spool, as the database was away.
    pub spooled: Number,
    /// Requests without an answer, and those answered by a server's failure.
    pub unanswered: Number,
    /// Answered 429 or 503: not now.
    pub turned_away: Number,
    /// Reports whose sending has begun.
    pub reports: Number,
    pub corrections: Number,
    pub conflicts: Number,
    pub retractions: Number,
    ended: AtomicBool,
}

impl Tally {
    /// Counts a fault by its name.
    pub fn count(&self, outage: &'static str) {
        *self.outages.lock().expect("no holder of the counts panics").entry(outage).or_default() += 1;
    }

    /// Tells everyone to come to an end.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The numbers as they are printed.
    pub fn survived(&self, changes: i64) -> Survived {
        Survived {
            kills: self.kills.get(),
            pauses: self.pauses.get(),
            disk_fills: self.disk_fills.get(),
            index_breaks: self.index_breaks.get(),
            mirror_kills: self.mirror_kills.get(),
            reports: self.reports.get(),
            sends: self.sends.get(),
            acknowledged: self.acknowledged.get(),
            spooled: self.spooled.get(),
            unanswered: self.unanswered.get(),
            turned_away: self.turned_away.get(),
            corrections: self.corrections.get(),
            conflicts: self.conflicts.get(),
            retractions: self.retractions.get(),
            changes,
            outages: self.outages.lock().expect("no holder of the counts panics").clone(),
        }
    }
}

/// What assay went through in a run.
#[derive(Clone, Debug, Serialize)]
pub struct Survived {
    pub kills: u64,
    pub pauses: u64,
    pub disk_fills: u64,
    pub index_breaks: u64,
    pub mirror_kills: u64,
    pub reports: u64,
    pub sends: u64,
    pub acknowledged: u64,
    pub spooled: u64,
    pub unanswered: u64,
    pub turned_away: u64,
    pub corrections: u64,
    pub conflicts: u64,
    pub retractions: u64,
    /// Newest change number.
    pub changes: i64,
    /// What the kills and the other faults of the deployed profile were.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outages: BTreeMap<&'static str, u64>,
}

impl Survived {
    /// Names and values, in the order they are printed.
    pub fn rows(&self) -> [(&'static str, u64); 15] {
        [
            ("kills", self.kills),
            ("pauses", self.pauses),
            ("disk fills", self.disk_fills),
            ("index breaks", self.index_breaks),
            ("mirror kills", self.mirror_kills),
            ("reports", self.reports),
            ("sends", self.sends),
            ("acknowledged", self.acknowledged),
            ("spooled", self.spooled),
            ("unanswered", self.unanswered),
            ("turned away", self.turned_away),
            ("corrections", self.corrections),
            ("conflicts", self.conflicts),
            ("retractions", self.retractions),
            ("changes", self.changes.unsigned_abs()),
        ]
    }
}
