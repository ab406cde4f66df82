//! What became of a submission.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use schemas::retention::DroppedView;
use schemas::views::{AttemptView, ReceiptView, State};
use schemas::withdrawal::BodyFate;

use super::{Readers, links};
use crate::store::{Attempt, AttemptOutcome, StoreError, StoredReport};

impl Readers {
    /// The receipt of a report. `None`: never accepted here.
    pub async fn receipt(&self, id: ReportId) -> Result<Option<ReceiptView>, StoreError> {
        let Some(report) = self.store.report(id).await? else { return Ok(None) };
        let attempts = self.store.attempts(report.group).await?;
        let withdrawal = self.store.withdrawal(report.number).await?;
        let dropped = match &withdrawal {
            Some(withdrawal) if withdrawal.body == BodyFate::Purged => None,
            _ => self.dropped_unless_there(&report).await?,
        };
        Ok(Some(ReceiptView {
            state: state(&report, &attempts),
            reason: report.reason,
            job: Some(report.group.0),
            attempts: attempts.into_iter().map(attempt_view).collect(),
            received_at: report.received_at,
            digest: report.digest.to_string(),
            revision: report.revision,
            withdrawn: withdrawal.map(|withdrawal| withdrawal.view()),
            dropped,
            ahead: None,
            refused: Vec::new(),
            links: receipt_links(id),
            id: id.to_string(),
        }))
    }

    /// As [`Readers::dropped`], of a report whose bytes may be there: they may have come after the others of their month
    /// went.
    async fn dropped_unless_there(&self, report: &StoredReport) -> Result<Option<DroppedView>, StoreError> {
        let Some(dropped) = self.dropped(report).await? else { return Ok(None) };
        Ok(if self.store.has_body(report.number).await? { None } else { Some(dropped) })
    }

    pub(super) async fn state(&self, report: &StoredReport) -> Result<State, StoreError> {
        match report.state {
            State::Accepted => Ok(state(report, &self.store.attempts(report.group).await?)),
            settled => Ok(settled),
        }
    }
}

/// The receipt of a submission just taken in: known without a look into the database.
pub fn fresh_receipt(id: ReportId, state: State, digest: Digest, received_at: DateTime<Utc>) -> ReceiptView {
    ReceiptView {
        id: id.to_string(),
        state,
        reason: None,
        job: None,
        attempts: Vec::new(),
        received_at,
        digest: digest.to_string(),
        revision: 0,
        withdrawn: None,
        dropped: None,
        ahead: None,
        refused: Vec::new(),
        links: receipt_links(id),
    }
}

fn receipt_links(id: ReportId) -> BTreeMap<String, String> {
    links([
        ("page", format!("/status/{id}")),
        ("report", format!("/v4/reports/{id}")),
        ("self", format!("/v4/reports/{id}/receipt")),
    ])
}

/// An accepted report whose group has an attempt without an end is being processed, as far as anyone can tell.
fn state(report: &StoredReport, attempts: &[Attempt]) -> State {
    let running = attempts.last().is_some_and(|attempt| attempt.group == report.group && attempt.ended_at.is_none());
    match report.state {
        State::Accepted if running => State::Processing,
        other => other,
    }
}

pub(super) fn attempt_view(attempt: Attempt) -> AttemptView {
    let (outcome, class) = match attempt.outcome {
        None => (None, None),
        Some(AttemptOutcome::Done) => (Some("done"), None),
        Some(AttemptOutcome::Failed(class)) => (Some("failed"), Some(class)),
    };
    AttemptView {
        job: attempt.group.0,
        attempt: attempt.attempt,
        worker: attempt.worker,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        outcome: outcome.map(str::to_owned),
        class,
        reason: attempt.reason,
        text: attempt.text,
    }
}
