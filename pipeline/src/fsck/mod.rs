//! Looks whether what is stored contradicts itself, and mends what can be made again from the rest.
//!
//! Each check looks first and changes nothing. When it is told to mend, what it found is made anew from what it is
//! derived from, under the write lock, and then it looks once more: what it still finds is not repaired. It works
//! beside a running server: what is only under way is no fault.

mod authors;
mod bodies;
mod changes;
mod counts;
mod index;
mod jobs;
mod orphans;
mod rows;

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use serde::Serialize;

use crate::accept::chain;
use crate::catch_up::CatchUpError;
use crate::index::{IndexError, Place};
use crate::process::Process;
use crate::store::StoreError;

/// What can be checked, in the order it is: each builds on those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Every body unpacks and has the digest its report promises, superseded ones too.
    Bodies,
    /// Bodies and rows have their reports, and reports their bodies.
    Orphans,
    /// Processed reports have the row that the extractor reads out of their bytes.
    Rows,
    /// Counts of releases equal a recount of the rows.
    Summaries,
    /// Counts by platform equal a recount of the rows.
    Matrix,
    /// Counts of testers equal a recount of the rows.
    Testers,
    /// The matrix of each release adds up to its summaries.
    Sums,
    /// Each release is whose its upload says, or else the first of its reports that says so.
    Authors,
    /// Change numbers are given once, and none is above the counter.
    Changes,
    /// What waits has a job, and jobs have something that waits.
    Jobs,
    /// The index holds the rows and nothing else.
    Index,
}

impl Check {
    pub const ALL: [Check; 11] = [
        Check::Bodies,
        Check::Orphans,
        Check::Rows,
        Check::Summaries,
        Check::Matrix,
        Check::Testers,
        Check::Sums,
        Check::Authors,
        Check::Changes,
        Check::Jobs,
        Check::Index,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Check::Bodies => "bodies",
            Check::Orphans => "orphans",
            Check::Rows => "rows",
            Check::Summaries => "summaries",
            Check::Matrix => "matrix",
            Check::Testers => "testers",
            Check::Sums => "sums",
            Check::Authors => "authors",
            Check::Changes => "changes",
            Check::Jobs => "jobs",
            Check::Index => "index",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a check: expected bodies, orphans, rows, summaries, matrix, testers, sums, authors, changes, jobs or index"
)]
pub struct NotACheck;

impl FromStr for Check {
    type Err = NotACheck;

    fn from_str(text: &str) -> Result<Self, NotACheck> {
        Check::ALL.into_iter().find(|check| check.as_str() == text).ok_or(NotACheck)
    }
}

/// How to check.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Mend what can be derived; otherwise nothing is changed.
    pub repair: bool,
    /// Read every report again, not only a sample.
    pub deep: bool,
    /// Only these; none means all.
    pub only: Vec<Check>,
    /// Where the index is. `None`: there is none, and it is not checked.
    pub index: Option<IndexPlace>,
}

/// An index, and what may be done to it.
#[derive(Clone, Debug)]
pub struct IndexPlace {
    pub place: Place,
    /// Whether this process may write it: an engine's always; one in a directory while nobody else works there.
    pub writable: bool,
}

/// What was found, check by check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// No fault is left, and every check could be made.
    pub clean: bool,
    pub repair: bool,
    pub deep: bool,
    pub seconds: f64,
    pub checks: Vec<Checked>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    pub name: Check,
    /// Things looked at: bodies, rows, places that are counted.
    pub checked: u64,
    pub faults: u64,
    /// Faults that were there no more when it was looked again.
    pub repaired: u64,
    /// The first few faults.
    pub examples: Vec<Fault>,
    /// Worth knowing, and no fault.
    pub notes: Vec<String>,
    /// Why it could not be checked, or not to its end.
    pub failure: Option<String>,
    pub seconds: f64,
}

impl Checked {
    /// Faults that are still there.
    pub fn left(&self) -> u64 {
        self.faults - self.repaired
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is about: `report 0b45…`, `release perl/Foo-Bar/1.0`, `group 7`.
    pub about: String,
    pub detail: String,
}

/// How far a check is, of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub check: Check,
    pub done: u64,
    pub total: u64,
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("the database could not be read or written")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
}

/// Faults told one by one; more are only counted.
const EXAMPLES: usize = 10;

/// Characters of a detail: a row that is wrong as a whole would be told as a whole.
const LONGEST: usize = 500;

/// Makes the checks that are ordered. `told` hears how each goes.
pub async fn fsck(process: &Process, order: &Order, mut told: impl FnMut(Progress) + Send) -> Report {
    let begun = Instant::now();
    let mut checks = Vec::new();
    for check in Check::ALL {
        let wanted = order.only.is_empty() || order.only.contains(&check);
        if wanted && (check != Check::Index || order.index.is_some()) {
            checks.push(make(process, order, check, &mut told).await);
        }
    }
    Report {
        clean: checks.iter().all(|one| one.left() == 0 && one.failure.is_none()),
        repair: order.repair,
        deep: order.deep,
        seconds: begun.elapsed().as_secs_f64(),
        checks,
    }
}

async fn make(process: &Process, order: &Order, check: Check, told: &mut (dyn FnMut(Progress) + Send)) -> Checked {
    let begun = Instant::now();
    let mut found = Found::default();
    let mut repaired = 0;
    let done = async {
        look(process, order, check, &mut found, told).await?;
        if order.repair && found.faults > 0 {
            mend(process, order, check).await?;
            let mut left = Found::default();
            look(process, order, check, &mut left, told).await?;
            repaired = found.faults.saturating_sub(left.faults);
            found.notes = left.notes;
            if left.faults > 0 {
                // What is still there is what an operator has to see.
                found.examples = left.examples;
            }
        }
        Ok::<(), CheckError>(())
    };
    let failure = done.await.err().map(|error| chain(&error));
    Checked {
        name: check,
        checked: found.checked,
        faults: found.faults,
        repaired,
        examples: found.examples,
        notes: found.notes,
        failure,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

async fn look(
    process: &Process,
    order: &Order,
    check: Check,
    found: &mut Found,
    told: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), CheckError> {
    let mut told = |done: u64, total: u64| told(Progress { check, done, total });
    match check {
        Check::Bodies => bodies::look(&process.store, found, &mut told).await?,
        Check::Orphans => orphans::look(&process.store, found).await?,
        Check::Rows => rows::look(process, order.deep, found, &mut told).await?,
        Check::Summaries => counts::look_at_summaries(&process.store, found, &mut told).await?,
        Check::Matrix => counts::look_at_matrix(&process.store, found, &mut told).await?,
        Check::Testers => counts::look_at_testers(&process.store, found, &mut told).await?,
        Check::Sums => counts::look_at_sums(&process.store, found, &mut told).await?,
        Check::Authors => authors::look(&process.store, found, &mut told).await?,
        Check::Changes => changes::look(&process.store, found).await?,
        Check::Jobs => jobs::look(process, found).await?,
        Check::Index => index::look(&process.store, order, found, &mut told).await?,
    }
    Ok(())
}

async fn mend(process: &Process, order: &Order, check: Check) -> Result<(), CheckError> {
    match check {
        // What senders gave us cannot be made again.
        Check::Bodies => {}
        Check::Orphans => orphans::mend(process).await?,
        Check::Rows => rows::mend(process, order.deep).await?,
        Check::Summaries => counts::mend_summaries(process).await?,
        Check::Matrix => counts::mend_matrix(process).await?,
        Check::Testers => counts::mend_testers(process).await?,
        Check::Sums => {
            counts::mend_summaries(process).await?;
            counts::mend_matrix(process).await?;
        }
        Check::Authors => authors::mend(process).await?,
        Check::Changes => changes::mend(process).await?,
        Check::Jobs => jobs::mend(process).await?,
        Check::Index => index::mend(process, order).await?,
    }
    Ok(())
}

/// Hears how far a check is, of how much.
type Told<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// What a look has found so far.
#[derive(Debug, Default)]
struct Found {
    checked: u64,
    faults: u64,
    examples: Vec<Fault>,
    notes: Vec<String>,
}

impl Found {
    /// Whether the next fault is one to tell of; its name need not be looked up otherwise.
    fn curious(&self) -> bool {
        self.examples.len() < EXAMPLES
    }

    fn add(&mut self, about: impl Into<String>, detail: impl Into<String>) {
        if self.curious() {
            let mut detail = detail.into();
            if let Some((end, _)) = detail.char_indices().nth(LONGEST) {
                detail.truncate(end);
                detail.push('…');
            }
            self.examples.push(Fault { about: about.into(), detail });
        }
        self.faults += 1;
    }
}

/// How many, as the reports of checks count.
fn many(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
