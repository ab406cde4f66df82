//! What a sender is told about a submission that the spool has, or had.

use schemas::ids::ReportId;
use schemas::views::{ReceiptView, RefusalView, State};

use super::file::Refusal;
use super::{Spool, SpoolError};
use crate::readers::fresh_receipt;

impl Spool {
    /// The receipt of the newest submission that is kept under an id. `None`: none is.
    pub async fn receipt(&self, id: ReportId) -> Result<Option<ReceiptView>, SpoolError> {
        if !self.holds(id) {
            return Ok(None);
        }
        let waiting = self.shared.file.waiting(id).await?;
        Ok(waiting.map(|waiting| ReceiptView {
            reason: waiting.held,
            ahead: Some(waiting.ahead),
            ..fresh_receipt(id, State::Spooled, waiting.digest, waiting.received_at)
        }))
    }

    /// Adds what was refused under an id to the receipt that the database has for it, or makes one of it.
    pub async fn with_refusals(
        &self,
        id: ReportId,
        stored: Option<ReceiptView>,
    ) -> Result<Option<ReceiptView>, SpoolError> {
        let refusals = self.shared.file.refusals(id).await?;
        let Some(newest) = refusals.last() else { return Ok(stored) };
        let mut view = stored.unwrap_or_else(|| ReceiptView {
            reason: Some(newest.reason.clone()),
            ..fresh_receipt(id, State::Rejected, newest.digest, newest.received_at)
        });
        view.refused = refusals.into_iter().map(refusal_view).collect();
        Ok(Some(view))
    }
}

fn refusal_view(refusal: Refusal) -> RefusalView {
    RefusalView {
        digest: refusal.digest.to_string(),
        received_at: refusal.received_at,
        refused_at: refusal.refused_at,
        reason: refusal.reason,
    }
}
