//! What is counted about the spool, for `/metrics`.

use prometheus::{IntCounterVec, IntGauge, Registry};

use crate::measures::{counters, gauge};

#[derive(Clone, Debug)]
pub(super) struct SpoolMeasures {
    pub reports: IntGauge,
    pub bytes: IntGauge,
    pub age: IntGauge,
    pub away: IntGauge,
    outcomes: IntCounterVec,
}

impl SpoolMeasures {
    pub fn new(registry: &Registry) -> Self {
        let measures = SpoolMeasures {
            reports: gauge(registry, "assay_spooled_reports", "Reports in the spool, waiting for the database."),
            bytes: gauge(registry, "assay_spooled_bytes", "Bytes of reports in the spool, as they are stored."),
            age: gauge(registry, "assay_spooled_age_seconds", "Age of the oldest report in the spool."),
            away: gauge(
                registry,
                "assay_database_away",
                "1 while the database does not answer and reports are spooled.",
            ),
            outcomes: counters(
                registry,
                "assay_spool_total",
                "Reports that came to the spool or left it: kept, full (turned away), stored, refused.",
                &["outcome"],
            ),
        };
        measures.away.set(1);
        measures
    }

    pub fn count(&self, outcome: &str, reports: usize) {
        self.outcomes.with_label_values(&[outcome]).inc_by(reports as u64);
    }
}
