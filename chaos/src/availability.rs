//! Whether assay was there for its senders: how many tries each submission took until it was accepted, and how long.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::check::Check;

/// Rest of a sender between a try that failed and the next: what clients that do not look at `Retry-After` do.
pub const REST: Duration = Duration::from_secs(1);

/// Share of submissions that have to be accepted at the first try or after one retry.
const LEAST: f64 = 0.999;

/// Examples kept of submissions that took longer.
const EXAMPLES: usize = 8;

/// What senders have gone through so far.
#[derive(Debug, Default)]
pub struct Availability(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Submissions by the number of tries until they were accepted.
    tries: BTreeMap<u32, u64>,
    /// Tried at least twice in vain, and not accepted before the run ended.
    given_up: u64,
    /// Tried once in vain when the run ended: whether the retry would have been accepted, nobody knows.
    unknown: u64,
    /// How long the try took that was accepted, and how long it was since the first, in milliseconds.
    answers: Vec<u32>,
    whole: Vec<u32>,
    examples: Vec<String>,
}

/// One submission on its way, and what became of each try.
#[derive(Debug)]
pub struct Trail {
    begun: Instant,
    tried: Instant,
    failures: Vec<String>,
}

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Submissions whose end is known.
    pub submissions: u64,
    pub first_try: u64,
    pub one_retry: u64,
    /// Share of those two.
    pub share: f64,
    /// Submissions by the number of tries they took.
    pub tries: BTreeMap<u32, u64>,
    /// Tried at least twice in vain, and not accepted before the end.
    pub given_up: u64,
    /// Tried once in vain when the run ended.
    pub unknown: u64,
    /// Milliseconds of the try that was accepted.
    pub answer_ms: Spread,
    /// Milliseconds from the first try to the acceptance.
    pub whole_ms: Spread,
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    pub p50: u32,
    pub p99: u32,
    pub longest: u32,
}

impl Trail {
    pub fn begin() -> Self {
        let now = Instant::now();
        Trail { begun: now, tried: now, failures: Vec::new() }
    }

    /// A try begins.
    pub fn try_now(&mut self) {
        self.tried = Instant::now();
    }

    /// The try failed, and how; `meanwhile` says which fault was about.
    pub fn failed(&mut self, how: &str, meanwhile: &str) {
        self.failures.push(format!("{how} after {:.2} s, {meanwhile}", self.tried.elapsed().as_secs_f64()));
    }
}

impl Availability {
    /// So many submissions that went together were accepted.
    pub fn accepted(&self, trail: &Trail, submissions: u64) {
        let mut seen = self.seen();
        let tries = u32::try_from(trail.failures.len()).unwrap_or(u32::MAX).saturating_add(1);
        *seen.tries.entry(tries).or_default() += submissions;
        for _ in 0..submissions {
            seen.answers.push(milliseconds(trail.tried.elapsed()));
            seen.whole.push(milliseconds(trail.begun.elapsed()));
        }
        if tries > 2 {
            seen.example(format!("accepted at try {tries}: {}", trail.failures.join("; ")));
        }
    }

    /// So many submissions that went together were not accepted before the run ended.
    pub fn left(&self, trail: &Trail, submissions: u64) {
        let mut seen = self.seen();
        match trail.failures.len() {
            0 => {}
            1 => seen.unknown += submissions,
            tries => {
                seen.given_up += submissions;
                seen.example(format!("not accepted in {tries} tries: {}", trail.failures.join("; ")));
            }
        }
    }

    pub fn figures(&self) -> Figures {
        let seen = self.seen();
        let submissions = seen.tries.values().sum::<u64>() + seen.given_up;
        let [first_try, one_retry] = [1, 2].map(|tries| seen.tries.get(&tries).copied().unwrap_or_default());
        Figures {
            submissions,
            first_try,
            one_retry,
            share: (first_try + one_retry) as f64 / submissions.max(1) as f64,
            tries: seen.tries.clone(),
            given_up: seen.given_up,
            unknown: seen.unknown,
            answer_ms: Spread::of(&seen.answers),
            whole_ms: Spread::of(&seen.whole),
        }
    }

    pub fn check(&self) -> Check {
        let figures = self.figures();
        let claim = "at least 99.9 % of submissions are accepted at the first try or after one retry";
        let mut check = Check::new("available", claim);
        check.looked_at = figures.submissions;
        if figures.submissions == 0 || figures.share < LEAST {
            check.violations = (figures.submissions - figures.first_try - figures.one_retry).max(1);
            check.examples.clone_from(&self.seen().examples);
        }
        check
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().expect("no holder of the figures panics")
    }
}

impl Seen {
    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}

impl Spread {
    fn of(times: &[u32]) -> Spread {
        let mut times = times.to_vec();
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len() as f64 * share).ceil() as usize;
            times.get(place.clamp(1, times.len().max(1)) - 1).copied().unwrap_or_default()
        };
        Spread { p50: at(0.5), p99: at(0.99), longest: at(1.0) }
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: usize) -> Trail {
        let mut trail = Trail::begin();
        (0..failures).for_each(|_| trail.failed("503", "during a test"));
        trail
    }

    #[test]
    fn one_in_a_thousand_may_take_longer_and_no_more() {
        let availability = Availability::default();
        availability.accepted(&after(0), 1990);
        availability.accepted(&after(1), 8);
        availability.accepted(&after(2), 2);
        assert!(availability.check().passed());
        availability.left(&after(2), 1);
        let check = availability.check();
        assert_eq!((check.violations, check.looked_at, check.examples.len()), (3, 2001, 2));
    }

    #[test]
    fn a_run_that_saw_nothing_shows_nothing() {
        let availability = Availability::default();
        availability.left(&after(0), 5);
        availability.left(&after(1), 3);
        assert!(!availability.check().passed());
        assert_eq!(availability.figures().unknown, 3);
    }

    #[test]
    fn times_are_told_by_their_middle_and_their_end() {
        let Spread { p50, p99, longest } = Spread::of(&(1..=200).collect::<Vec<u32>>());
        assert_eq!((p50, p99, longest), (100, 198, 200));
        assert_eq!(Spread::of(&[]).longest, 0);
    }
}
