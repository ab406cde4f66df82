//! Latencies of a run, kept one by one, so that every percentile is exact.

use std::time::Duration;

/// Latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn merge(&mut self, other: Latencies) {
        self.micros.extend(other.micros);
    }

    pub fn count(&self) -> usize {
        self.micros.len()
    }

    /// The smallest latency that `percent` of all do not exceed, in milliseconds; `None` when there are none.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank.min(sorted.len()).checked_sub(1)?).map(|micros| f64::from(*micros) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|value| latencies.add(Duration::from_millis(value)));
        latencies
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let hundred = of((1..=100).rev());
        for (percent, wanted) in [(50.0, 50.0), (99.0, 99.0), (99.5, 100.0), (100.0, 100.0), (0.0, 1.0), (1.0, 1.0)] {
            assert_eq!(hundred.percentile(percent), Some(wanted), "p{percent}");
        }
    }

    #[test]
    fn one_slow_answer_in_ten_thousand_shows_in_the_maximum_only() {
        let mut latencies = of(std::iter::repeat_n(2, 9_999));
        latencies.merge(of([5_000]));
        assert_eq!(latencies.count(), 10_000);
        assert_eq!(latencies.percentile(99.0), Some(2.0));
        assert_eq!(latencies.percentile(100.0), Some(5_000.0));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Latencies::default().percentile(50.0), None);
        assert_eq!(of([3]).percentile(99.0), Some(3.0));
    }
}
