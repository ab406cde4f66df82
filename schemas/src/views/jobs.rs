//! What readers get about jobs: groups of reports that are processed together, and each attempt at one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AttemptView, State};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nobody works on it now.
    Waiting,
    /// A worker has it.
    Running,
    /// Each of its reports has an outcome, or has gone on to a later job.
    Done,
    /// Reports of it are parked.
    Parked,
}

impl JobState {
    pub const ALL: [JobState; 4] = [JobState::Waiting, JobState::Running, JobState::Done, JobState::Parked];

    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Parked => "parked",
        }
    }
}

/// What kind of failure an attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// Something was wanting that comes back: it is tried again later.
    Transient,
    /// Trying the same again is of no use: it speaks against the reports of the job.
    Permanent,
    /// Enough spoke against the reports: the job was cut up, or its report parked.
    Poison,
}

impl FailureClass {
    pub const ALL: [FailureClass; 3] = [FailureClass::Transient, FailureClass::Permanent, FailureClass::Poison];

    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::Transient => "transient",
            FailureClass::Permanent => "permanent",
            FailureClass::Poison => "poison",
        }
    }
}

/// A job: reports that were accepted together and are processed together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Grows with each job opened.
    pub number: i64,
    pub state: JobState,
    /// Reports it was opened with, those left out that a correction has taken away.
    pub size: i64,
    /// Reports of it that are parked now.
    pub parked: i64,
    /// How often it was tried, attempts at the jobs before it left out.
    pub tries: i64,
    /// The job it came out of: that was cut up, or its parked reports are tried again.
    pub parent: Option<i64>,
    /// When its oldest report was accepted, or when it was opened to try again.
    pub created_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    /// When it is tried again after a transient failure.
    pub retry_at: Option<DateTime<Utc>>,
    /// Reason code of its newest attempt, when that failed.
    pub reason: Option<String>,
}

/// A job with its attempts and reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetailView {
    #[serde(flatten)]
    pub job: JobView,
    /// Jobs that came out of it, oldest first; the reports that are no longer here are there.
    pub children: Vec<i64>,
    /// Attempts at it and at the jobs before it, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Its reports, oldest first.
    pub reports: Vec<JobReportView>,
    pub links: BTreeMap<String, String>,
}

/// A report of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobReportView {
    /// The report's id, a UUID in lower case.
    pub id: String,
    pub state: State,
    /// Why it was rejected or parked.
    pub reason: Option<String>,
}

/// How much an order to try parked reports again has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetriedView {
    /// Reports that are tried again.
    pub reports: i64,
    /// Jobs opened for them.
    pub jobs: i64,
}
