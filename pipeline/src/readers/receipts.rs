//! What became of a submission.

use schemas::ids::ReportId;
use schemas::views::{AttemptView, ReceiptView, State};

use super::{Readers, links};
use crate::store::{Attempt, AttemptOutcome, StoreError, StoredReport};

impl Readers {
    /// The receipt of a report. `None`: never accepted here.
    pub async fn receipt(&self, id: ReportId) -> Result<Option<ReceiptView>, StoreError> {
        let Some(report) = self.store.report(id).await? else { return Ok(None) };
        let attempts = self.store.attempts(report.group).await?;
        let withdrawal = self.store.withdrawal(report.number).await?;
        let id = report.id.to_string();
        Ok(Some(ReceiptView {
            state: state(&report, &attempts),
            reason: report.reason,
            job: Some(report.group.0),
            attempts: attempts.into_iter().map(attempt_view).collect(),
            received_at: report.received_at,
            digest: report.digest.to_string(),
            revision: report.revision,
            withdrawn: withdrawal.map(|withdrawal| withdrawal.view()),
            links: links([
                ("page", format!("/status/{id}")),
                ("report", format!("/v4/reports/{id}")),
                ("self", format!("/v4/reports/{id}/receipt")),
            ]),
            id,
        }))
    }

    pub(super) async fn state(&self, report: &StoredReport) -> Result<State, StoreError> {
        match report.state {
            State::Accepted => Ok(state(report, &self.store.attempts(report.group).await?)),
            settled => Ok(settled),
        }
    }
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
