//! How many reports a sender may send, over time: a bucket for each address and each tester.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use pipeline::store::TesterNumber;

use super::shared::SharedBuckets;
use crate::config::{Intake, Rate};

/// Buckets kept at most, whoever sends. Who has been silent longest loses theirs, which does them no harm.
const MOST_BUCKETS: u64 = 65_536;

/// Whose reports are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    Address(IpAddr),
    /// A tester who has shown to be the one.
    Tester(TesterNumber),
    /// A tester as the report says, sent from an address.
    Claimed(TesterNumber, IpAddr),
    /// A tester who cannot be looked up now: a digest of what was said, sent from an address.
    Said([u8; 32], IpAddr),
}

/// The buckets in use.
pub struct Rates {
    address: Limit,
    tester: Limit,
    /// `None`: this node counts for itself.
    shared: Option<SharedBuckets>,
    buckets: Cache<Bucket, Arc<DefaultDirectRateLimiter>>,
    clock: DefaultClock,
}

impl Rates {
    pub fn new(intake: &Intake, shared: Option<SharedBuckets>) -> Self {
        let [address, tester] = [intake.address_rate, intake.tester_rate].map(Limit::new);
        // A bucket that has filled up again is as good as a new one.
        let quotas = [address.quota, tester.quota].into_iter().flatten();
        let longest = quotas.map(|quota| quota.burst_size_replenished_in()).max();
        let buckets = Cache::builder()
            .max_capacity(MOST_BUCKETS)
            .time_to_idle(longest.unwrap_or_default() + Duration::from_secs(1))
            .build();
        Rates { address, tester, shared, buckets, clock: DefaultClock::default() }
    }

    /// Takes reports out of a bucket, all or none. Else: the time after which there will be enough.
    ///
    /// More than a bucket holds is counted as a full one; nobody could send it otherwise.
    pub async fn take(&self, bucket: Bucket, reports: usize) -> Result<(), Duration> {
        let limit = self.limit(bucket);
        if let (Some(shared), Some(_), 1..) = (&self.shared, limit.quota, reports) {
            let reports = u32::try_from(reports).unwrap_or(u32::MAX).min(limit.rate.burst);
            if let Some(taken) = shared.take(bucket, limit.rate, reports).await {
                return taken;
            }
        }
        self.take_here(bucket, reports)
    }

    fn limit(&self, bucket: Bucket) -> Limit {
        match bucket {
            Bucket::Address(_) => self.address,
            Bucket::Tester(_) | Bucket::Claimed(..) | Bucket::Said(..) => self.tester,
        }
    }

    /// As `take`, out of this node's own bucket.
    fn take_here(&self, bucket: Bucket, reports: usize) -> Result<(), Duration> {
        let Some(quota) = self.limit(bucket).quota else { return Ok(()) };
        let reports = u32::try_from(reports).unwrap_or(u32::MAX).min(quota.burst_size().get());
        let Some(reports) = NonZeroU32::new(reports) else { return Ok(()) };
        let limiter = self.buckets.get_with(bucket, || Arc::new(RateLimiter::direct(quota)));
        match limiter.check_n(reports) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Ok(Ok(())) => Ok(()),
            // The request was cut to what a bucket holds.
            Err(_) => Ok(()),
        }
    }
}

/// What a kind of sender may send.
#[derive(Clone, Copy)]
struct Limit {
    rate: Rate,
    /// `None`: no limit.
    quota: Option<Quota>,
}

impl Limit {
    fn new(rate: Rate) -> Self {
        let [a_minute, burst] = [rate.a_minute, rate.burst].map(NonZeroU32::new);
        let quota = a_minute.zip(burst).map(|(a_minute, burst)| Quota::per_minute(a_minute).allow_burst(burst));
        Limit { rate, quota }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipeline::store::TesterNumber;

    use super::{Bucket, DefaultClock, Limit, MOST_BUCKETS, Rates};
    use crate::config::Rate;

    fn rates(a_minute: u32, burst: u32) -> Rates {
        let limit = Limit::new(Rate { a_minute, burst });
        let buckets = moka::sync::Cache::builder().max_capacity(MOST_BUCKETS).build();
        Rates { address: limit, tester: limit, shared: None, buckets, clock: DefaultClock::default() }
    }

    #[test]
    fn a_full_bucket_is_given_out_and_then_fills_slowly() {
        let rates = rates(1, 100);
        let bucket = Bucket::Address("192.0.2.1".parse().unwrap());
        assert_eq!(rates.take_here(bucket, 60), Ok(()));
        let wait = rates.take_here(bucket, 60).unwrap_err();
        assert!(wait > Duration::from_secs(60 * 19) && wait <= Duration::from_secs(60 * 20), "{wait:?}");
        assert_eq!(rates.take_here(bucket, 40), Ok(()), "what was refused was not taken");
        assert_eq!(rates.take_here(Bucket::Address("192.0.2.2".parse().unwrap()), 100), Ok(()));
        assert_eq!(rates.take_here(Bucket::Tester(TesterNumber(1)), 100), Ok(()));
    }

    #[test]
    fn more_than_a_bucket_holds_empties_it() {
        let rates = rates(1, 100);
        let bucket = Bucket::Tester(TesterNumber(1));
        assert_eq!(rates.take_here(bucket, 5_000), Ok(()));
        assert!(rates.take_here(bucket, 1).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(rates(0, 1).take_here(Bucket::Tester(TesterNumber(1)), 1_000_000), Ok(()));
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let rates = rates(1, 1);
        for number in 0..300_000_u32 {
            let address = std::net::Ipv4Addr::from_bits(number).into();
            assert_eq!(rates.take_here(Bucket::Address(address), 1), Ok(()));
        }
        rates.buckets.run_pending_tasks();
        assert!(rates.buckets.entry_count() <= MOST_BUCKETS, "{}", rates.buckets.entry_count());
    }
}
