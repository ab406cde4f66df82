//! What is counted about the movement of reports, for `/metrics`.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::accept::Acceptance;
use crate::store::{Body, Door};

/// The pipeline's counters, all registered in one registry. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Measures {
    pub registry: Registry,
    submissions: IntCounterVec,
    raw_bytes: IntCounter,
    body_bytes: IntCounter,
    pub processed: IntCounter,
    pub rejected: IntCounter,
    pub parked: IntCounter,
    pub withdrawn: IntCounter,
    pub attempts: IntCounterVec,
    pub accept_seconds: Histogram,
    pub read_seconds: Histogram,
    pub process_seconds: Histogram,
    pub index_seconds: Histogram,
    /// Seconds from the acceptance of a report to its counts.
    pub visible_seconds: Histogram,
    pub indexed: IntGauge,
    pub index_begun_anew: IntCounter,
    pub dropped_bodies: IntCounter,
    pub dropped_bytes: IntCounter,
}

impl Measures {
    pub fn new() -> Self {
        let registry = Registry::new();
        Measures {
            submissions: counters(
                &registry,
                "assay_submissions_total",
                "Submissions answered, by door and outcome.",
                &["door", "outcome"],
            ),
            raw_bytes: counter(&registry, "assay_raw_bytes_total", "Bytes of accepted bodies as they came."),
            body_bytes: counter(&registry, "assay_body_bytes_total", "Bytes of accepted bodies as they are stored."),
            processed: counter(&registry, "assay_processed_total", "Reports processed."),
            rejected: counter(&registry, "assay_rejected_total", "Accepted reports that turned out not to be reports."),
            parked: counter(&registry, "assay_parked_total", "Reports parked after failed attempts."),
            withdrawn: counter(&registry, "assay_withdrawn_total", "Reports taken back by testers and operators."),
            attempts: counters(&registry, "assay_attempts_total", "Attempts at groups of reports.", &["outcome"]),
            accept_seconds: seconds(&registry, "assay_accept_seconds", "Time to commit one group of submissions."),
            read_seconds: seconds(&registry, "assay_read_seconds", "Time to read the extracts of one group."),
            process_seconds: seconds(
                &registry,
                "assay_process_seconds",
                "Time to process one group, reading included.",
            ),
            index_seconds: seconds(&registry, "assay_index_seconds", "Time to index one batch of reports."),
            visible_seconds: seconds(
                &registry,
                "assay_visible_seconds",
                "Time from the acceptance of a group's oldest report to its counts.",
            ),
            index_begun_anew: counter(
                &registry,
                "assay_index_begun_anew_total",
                "Times the document index was found damaged while in use, and begun anew.",
            ),
            dropped_bodies: counter(&registry, "assay_dropped_bodies_total", "Bodies that retention has dropped."),
            dropped_bytes: counter(&registry, "assay_dropped_bytes_total", "Stored bytes that retention has dropped."),
            indexed: gauge(&registry, "assay_index_mark", "Change number up to which the document index is complete."),
            registry,
        }
    }

    pub fn count_acceptance(&self, door: Door, acceptance: &Acceptance, body: &Body) {
        let outcome = match acceptance {
            Acceptance::Accepted => "accepted",
            Acceptance::Duplicate => "duplicate",
            Acceptance::Corrected { .. } => "corrected",
            Acceptance::Conflict { .. } => "conflict",
            Acceptance::Withdrawn { .. } => "withdrawn",
        };
        self.submissions.with_label_values(&[door.as_str(), outcome]).inc();
        if matches!(acceptance, Acceptance::Accepted | Acceptance::Corrected { .. }) {
            self.raw_bytes.inc_by(u64::try_from(body.size).unwrap_or(0));
            self.body_bytes.inc_by(body.bytes.len() as u64);
        }
    }

    /// A submission that the door itself refused.
    pub fn count_refusal(&self, door: Door) {
        self.submissions.with_label_values(&[door.as_str(), "refused"]).inc();
    }
}

impl Default for Measures {
    fn default() -> Self {
        Measures::new()
    }
}

const DISTINCT: &str = "each name is registered once";

pub fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::new(name, help).expect(DISTINCT);
    registry.register(Box::new(counter.clone())).expect(DISTINCT);
    counter
}

pub fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), labels).expect(DISTINCT);
    registry.register(Box::new(counters.clone())).expect(DISTINCT);
    counters
}

pub fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect(DISTINCT);
    registry.register(Box::new(gauge.clone())).expect(DISTINCT);
    gauge
}

fn seconds(registry: &Registry, name: &str, help: &str) -> Histogram {
    let buckets = prometheus::exponential_buckets(0.0005, 2.0, 18).expect("a start above zero and a factor above one");
    let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)).expect(DISTINCT);
    registry.register(Box::new(histogram.clone())).expect(DISTINCT);
    histogram
}
