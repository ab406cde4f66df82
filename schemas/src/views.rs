//! What readers get: the answers of `/v4`, the arguments of pages, and what the command line prints.
//!
//! Times are RFC 3339 in UTC. Every answer that summarises carries `fresh_at`: the moment up to which all accepted
//! reports are in it, and `head`, the newest change number it can contain.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub mod jobs;

use crate::extract::Details;
use crate::grade::{Counts, Grade};
use crate::reason::Reason;
use crate::retention::DroppedView;
use crate::withdrawal::WithdrawnView;

/// How up to date an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Freshness {
    /// All reports received before this moment are in the answer.
    pub fresh_at: DateTime<Utc>,
    /// Newest change number when the answer was made.
    pub head: i64,
    /// Reports accepted and not yet processed.
    pub waiting: i64,
}

/// One processed report as a row: what `/v4/results` lists and the change feed carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResultView {
    /// The report's id, a UUID in lower case.
    #[schema(value_type = String, format = "uuid")]
    pub id: String,
    /// Grows with each report received; never given twice. The numeric id of the CPAN Testers contract.
    pub number: i64,
    pub distribution: String,
    pub version: String,
    /// CPAN author id, when the report names the archive.
    pub author: Option<String>,
    pub grade: Grade,
    /// `perl` or `raku`.
    pub language: String,
    /// As reported, without leading `v`: `5.36.0`, `5.16.0 RC0`.
    pub language_version: String,
    /// Canonical operating system name: `linux`, `mswin32`, `darwin`.
    pub os: String,
    /// The operating system name as reported.
    pub osname: String,
    /// The operating system's version as reported.
    pub os_version: String,
    pub architecture: String,
    /// Public id of the tester.
    pub tester_id: String,
    /// The tester's name, never an address.
    pub tester: String,
    /// When the report was made, by the tester's clock.
    pub created_at: DateTime<Utc>,
    /// When the report was accepted here.
    pub received_at: DateTime<Utc>,
    /// Why it is not a pass, where that could be told.
    pub reason: Option<Reason>,
    /// Test programs and tests run, where the report tells.
    pub suite: Option<SuiteView>,
}

/// Figures of a test suite's run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SuiteView {
    /// Test programs run.
    pub files: Option<i64>,
    /// Single tests run.
    pub tests: Option<i64>,
    pub failures: Option<i64>,
    pub skipped: Option<i64>,
    /// Seconds of wall clock time.
    pub duration: Option<f64>,
}

/// A page of a list; `next` is the cursor of the following page, absent on the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// Counts of one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SummaryView {
    pub language: String,
    pub distribution: String,
    pub version: String,
    pub author: Option<String>,
    /// `stable`, or `developer` when the version has an underscore or ends in `-TRIAL`.
    pub maturity: String,
    #[serde(flatten)]
    pub counts: Counts,
    /// Number of the newest change to these counts.
    pub number: i64,
    pub changed_at: DateTime<Utc>,
}

/// One release: its counts, their partitions, and where else to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    #[serde(flatten)]
    pub summary: SummaryView,
    /// Counts by language maturity and patch state (contract §4.3).
    pub partitions: Vec<PartitionView>,
    /// Path of the archive below the author's directory, when a report named it.
    pub archive: Option<String>,
    pub released_at: Option<DateTime<Utc>>,
    /// Number of different testers.
    pub testers: i64,
    pub first_report_at: Option<DateTime<Utc>>,
    pub last_report_at: Option<DateTime<Utc>>,
    pub links: BTreeMap<String, String>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// Part of a release's counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartitionView {
    /// `stable` or `development` language version.
    pub language_maturity: String,
    /// Whether the language version is patched or a release candidate.
    pub patched: bool,
    #[serde(flatten)]
    pub counts: Counts,
}

/// A distribution and all its releases, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DistributionView {
    pub distribution: String,
    pub language: String,
    pub author: Option<String>,
    /// Over all releases.
    #[serde(flatten)]
    pub counts: Counts,
    pub releases: Vec<SummaryView>,
    pub links: BTreeMap<String, String>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// An author's distributions, the newest release of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuthorView {
    pub author: String,
    /// Over the newest releases.
    #[serde(flatten)]
    pub counts: Counts,
    /// The newest release of each distribution, those with failures first.
    pub distributions: Vec<SummaryView>,
    pub links: BTreeMap<String, String>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// Who sends reports. Never carries an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TesterView {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub first_report_at: Option<DateTime<Utc>>,
    pub last_report_at: Option<DateTime<Utc>>,
    /// The newest reports.
    pub recent: Vec<ResultView>,
    pub links: BTreeMap<String, String>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// Grades of a distribution or release by one to three axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MatrixView {
    pub distribution: String,
    /// Absent when the matrix is over all versions.
    pub version: Option<String>,
    pub language: String,
    /// The axes asked for, of `version`, `language_version`, `os`, `architecture`.
    pub axes: Vec<String>,
    pub cells: Vec<CellView>,
    /// Over all cells.
    pub totals: Counts,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// One cell of a matrix: only the axes asked for are present.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// One report: its row, what was read out of it, and the report itself in its current shape without addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    pub id: String,
    pub number: i64,
    pub state: State,
    /// Present once the report is processed.
    pub result: Option<ResultView>,
    /// What the extractor read, each field with its source.
    pub details: Option<Details>,
    /// Which extractor read it.
    pub extractor: Option<i64>,
    /// The report as sent, upgraded to the current shape, addresses left out, extras kept.
    #[schema(value_type = Object)]
    pub report: Value,
    /// Door it came in by: `v4`, `v3` or `metabase`.
    pub door: String,
    /// SHA-256 of the bytes as they came, in hexadecimal.
    pub digest: String,
    /// Bytes as they came.
    pub size: i64,
    /// 1, and one more for each correction.
    pub revision: i64,
    pub received_at: DateTime<Utc>,
    /// Present for a report that is counted and listed nowhere because it was taken back. Once its bytes are purged,
    /// `report` is null, and there are no details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawnView>,
    /// Present for a report whose bytes are kept no longer: `result` stays as it is, `report` is null, `size` 0, and there
    /// are no details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DroppedView>,
    pub links: BTreeMap<String, String>,
}

/// Where a submission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Durable on this node, waiting for the database.
    Spooled,
    /// Durable in the database, waiting for a worker.
    Accepted,
    /// A worker has it.
    Processing,
    /// Done with: counted and readable, unless it was withdrawn.
    Processed,
    /// Not a report assay can count; the reason says why.
    Rejected,
    /// Processing failed for a reason the sender cannot mend; it is kept, and needs an operator.
    Parked,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Spooled => "spooled",
            State::Accepted => "accepted",
            State::Processing => "processing",
            State::Processed => "processed",
            State::Rejected => "rejected",
            State::Parked => "parked",
        }
    }

    /// Whether nothing more will happen by itself.
    pub fn settled(self) -> bool {
        matches!(self, State::Processed | State::Rejected | State::Parked)
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    pub id: String,
    pub state: State,
    /// Why it was rejected or parked.
    pub reason: Option<String>,
    /// The job it is processed in; absent in the answer that accepts it, which is given before that is known.
    #[serde(default)]
    pub job: Option<i64>,
    /// Each try at processing it, oldest first: those at jobs it was cut out of, then those at its own.
    pub attempts: Vec<AttemptView>,
    pub received_at: DateTime<Utc>,
    /// SHA-256 of the bytes as they came, in hexadecimal.
    pub digest: String,
    /// Counted from 1; 0 while that is not known yet.
    pub revision: i64,
    /// Present for a report that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawnView>,
    /// Present for a report whose bytes are kept no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DroppedView>,
    /// While it is spooled: how many submissions are handed over to the database before it, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<i64>,
    /// Submissions under this id that this node took in while the database was away, and that turned out not to be
    /// acceptable once it could be asked; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusalView>,
    pub links: BTreeMap<String, String>,
}

/// A submission that was refused after it had been spooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefusalView {
    /// SHA-256 of the bytes as they came, in hexadecimal.
    pub digest: String,
    pub received_at: DateTime<Utc>,
    pub refused_at: DateTime<Utc>,
    pub reason: String,
}

/// One try at processing a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// The job that was tried; its attempts are counted from 1.
    #[serde(default)]
    pub job: i64,
    pub attempt: i64,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    /// Absent while it runs, and for a worker that vanished until that is noticed.
    pub ended_at: Option<DateTime<Utc>>,
    /// `done` or `failed`; absent while it runs.
    pub outcome: Option<String>,
    /// What kind of failure it was.
    #[serde(default)]
    pub class: Option<jobs::FailureClass>,
    /// Why it failed, as one word: `database_busy`, `database_away`, `database_damaged`, `database_refused`,
    /// `disk_full`, `disk_failing`, `row_damaged`, `queue_away`, `worker_vanished`, `not_noted`, `defect`; for poison
    /// `cut_up` or `parked`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What went wrong.
    pub text: Option<String>,
}

/// The answer to one line of an NDJSON submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Line number in the submission, from 1.
    pub line: usize,
    /// `accepted`, `duplicate`, `corrected`, `rejected`, `conflict`.
    pub outcome: String,
    /// HTTP status the line would have got on its own.
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Path of the receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<crate::problem::Fault>,
}

/// A numbered change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    pub number: i64,
    /// `result` or `summary`.
    pub kind: String,
    /// A report's id, or `language/distribution/version`.
    pub key: String,
    /// True for what is no longer there; `value` is null then.
    pub removed: bool,
    /// A result or a summary, as `/v4/results` and `/v4/summaries` show them.
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
}

/// A page of the change feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangesView {
    pub changes: Vec<ChangeView>,
    /// Cursor to go on from; always present.
    pub next: String,
    /// Newest change number there is.
    pub head: i64,
}

/// Reports that match a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchView {
    /// The query as it was understood.
    pub query: String,
    /// Reports that match.
    pub total: i64,
    pub items: Vec<HitView>,
    pub next: Option<String>,
    /// Changes not yet in the index.
    pub lag: i64,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// One report found, with the places that matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HitView {
    #[serde(flatten)]
    pub result: ResultView,
    pub score: f32,
    pub highlights: Vec<Highlight>,
}

/// A piece of text with the matching parts in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Highlight {
    pub text: String,
    /// Start and end of each match, in bytes of `text`.
    pub marks: Vec<(usize, usize)>,
}

/// A bearer token as listed; its secret is shown only once, when it is issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub id: String,
    pub scopes: Vec<String>,
    /// Name of the tester whose reports it submits.
    pub tester: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}
