//! Why an attempt at a group failed, what kind of failure that is, and when it is tried again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemas::views::jobs::FailureClass;

use crate::store::StoreError;

/// An attempt at a group failed.
#[derive(Debug, thiserror::Error)]
#[error("the group could not be processed")]
pub struct ProcessError {
    #[source]
    pub failure: Failure,
    /// When a job that is queued already tries it again; `None`: nobody but the caller will.
    pub retry_at: Option<DateTime<Utc>>,
}

/// What went wrong in an attempt.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("counting broke off in a way assay does not know, please tell its authors: {0}")]
    Defect(String),
}

impl Failure {
    pub fn class(&self) -> FailureClass {
        match self {
            Failure::Store(error) if error.transient() => FailureClass::Transient,
            Failure::Store(_) | Failure::Defect(_) => FailureClass::Permanent,
        }
    }

    /// Why, as one word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Store(error) => error.reason(),
            Failure::Defect(_) => "defect",
        }
    }

    /// What a panic said.
    pub(crate) fn panicked(cause: &(dyn std::any::Any + Send)) -> Failure {
        let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
        Failure::Defect(text.unwrap_or("a panic without words").to_owned())
    }
}

impl From<StoreError> for ProcessError {
    fn from(error: StoreError) -> Self {
        ProcessError { failure: Failure::Store(error), retry_at: None }
    }
}

/// Longest wait after a first transient failure; it doubles with each one.
const BASE: Duration = Duration::from_secs(1);

/// Longest wait of all: what was wanting may come back at any time.
const CAP: Duration = Duration::from_secs(60);

/// How long to wait after the `attempt`th attempt (from 1) has failed for want of something. `chance`, from 0 to 1,
/// spreads groups that failed together over the second half of the wait. In whole microseconds, as databases keep times.
pub fn pause(attempt: i64, chance: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 16)).expect("from 0 to 16");
    let longest = BASE.saturating_mul(1 << doublings).min(CAP);
    let wait = longest.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
    wait - Duration::from_nanos(u64::from(wait.subsec_nanos() % 1000))
}

/// A number from 0 to 1 that looks like chance, and is the same each time for one attempt at one group.
pub(crate) fn chance(group: i64, attempt: i64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (group, attempt).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::events::Events;
    use crate::measures::Measures;
    use crate::process::{Again, Process};
    use crate::store::{AttemptOutcome, Store};

    #[tokio::test]
    async fn a_panic_ends_the_attempt_as_a_defect() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("assay.db")).await.unwrap();
        store.migrate().await.unwrap();
        let clock = Clock::fixed("2026-11-21T08:00:00Z".parse().unwrap());
        let process = Process { store, clock, events: Events::new(0), measures: Measures::new() };
        let mut tx = process.store.begin().await.unwrap();
        let group = tx.open_group(1, process.clock.now()).await.unwrap();
        let attempt = tx.begin_attempt(group, "test", process.clock.now()).await.unwrap();
        tx.commit().await.unwrap();

        let tried = async { panic!("a number of {}", "no kind") };
        let error = process.noted::<()>(&[(group, attempt)], Again::Queued, tried).await.unwrap_err();
        assert_eq!((error.failure.reason(), error.retry_at), ("defect", None));
        let noted = process.store.attempts(group).await.unwrap().remove(0);
        assert_eq!(noted.outcome, Some(AttemptOutcome::Failed(FailureClass::Permanent)));
        assert_eq!((noted.reason.as_deref(), noted.ended_at), (Some("defect"), Some(process.clock.now())));
        assert!(noted.text.is_some_and(|text| text.ends_with("a number of no kind")));
    }

    #[test]
    fn waits_double_from_half_a_second_up_to_a_minute() {
        let millis = |attempt, chance| pause(attempt, chance).as_millis();
        assert_eq!([1, 2, 3, 4].map(|attempt| millis(attempt, 0.0)), [500, 1_000, 2_000, 4_000]);
        assert_eq!([1, 2, 3, 4].map(|attempt| millis(attempt, 1.0)), [1_000, 2_000, 4_000, 8_000]);
        for attempt in [7, 8, 20, 1_000_000, i64::MAX] {
            assert_eq!((millis(attempt, 0.0), millis(attempt, 1.0)), (30_000, 60_000), "after attempt {attempt}");
        }
        for odd in [0, -1, i64::MIN] {
            assert_eq!(millis(odd, 0.0), 500, "after attempt {odd}");
        }
        assert_eq!((millis(1, -7.0), millis(1, 7.0)), (500, 1_000));
    }

    #[test]
    fn groups_that_fail_together_come_back_apart() {
        let mut waits: Vec<u128> = (0..100).map(|group| pause(3, chance(group, 3)).as_millis()).collect();
        assert!(waits.iter().all(|wait| (2_000..=4_000).contains(wait)), "{waits:?}");
        waits.sort_unstable();
        // Evenly spread, ten would fall into each tenth.
        let first = waits.iter().filter(|wait| **wait < 2_500).count();
        let last = waits.iter().filter(|wait| **wait > 3_500).count();
        assert!((10..=45).contains(&first) && (10..=45).contains(&last), "{waits:?}");
        assert_eq!(chance(7, 3), chance(7, 3));
        assert_ne!(chance(7, 3), chance(7, 4));
    }
}
