//! Bytes of a report that are kept no longer, as readers are told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That the bytes of a report were dropped with all others of its month of receipt. What was read out of them stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedView {
    /// Month of receipt, in UTC: `2026-11`.
    pub month: String,
    pub at: DateTime<Utc>,
}
