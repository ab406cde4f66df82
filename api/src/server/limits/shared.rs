//! Buckets that all nodes share, in Redis: each is one key, which says when the bucket will be full again.

use std::sync::LazyLock;
use std::time::Duration;

use pipeline::link::{LinkError, RedisLink, Script};
use schemas::ids::Digest;

use super::rates::Bucket;
use crate::config::Rate;

/// Longest time that a request waits for Redis. Without an answer, the node's own buckets count.
const PATIENCE: Duration = Duration::from_millis(50);

/// The buckets in a Redis.
pub struct SharedBuckets {
    link: RedisLink,
}

impl SharedBuckets {
    pub fn new(url: &str) -> Result<Self, LinkError> {
        Ok(SharedBuckets { link: RedisLink::open(url, PATIENCE)? })
    }

    /// Takes reports out of a bucket, all or none, as [`super::rates::Rates::take`] does. `None`: Redis does not
    /// answer, and is not asked again for a while.
    ///
    /// `rate` is a limit, and `reports` no more than its burst.
    pub async fn take(&self, bucket: Bucket, rate: Rate, reports: u32) -> Option<Result<(), Duration>> {
        let interval = 60_000_000.0 / f64::from(rate.a_minute);
        let arguments = [interval.to_string(), rate.burst.to_string(), reports.to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        let wait = self.link.run(&TAKE, &[&self.key(bucket)], &arguments).await.ok()?;
        Some(match u64::try_from(wait) {
            Ok(wait) if wait > 0 => Err(Duration::from_micros(wait)),
            _ => Ok(()),
        })
    }

    fn key(&self, bucket: Bucket) -> String {
        let name = match bucket {
            Bucket::Address(address) => format!("address:{address}"),
            Bucket::Tester(tester) => format!("tester:{}", tester.0),
            Bucket::Said(said, address) => format!("said:{}:{address}", Digest(said)),
            Bucket::Claimed(tester, address) => format!("claimed:{}:{address}", tester.0),
        };
        format!("{}:rate:{name}", self.link.prefix())
    }
}

/// The generic cell rate algorithm, by Redis' clock, in microseconds. KEYS: the bucket; ARGV: the time that one report
/// takes to be filled up, how many a full bucket has, how many to take. Gives the time to wait; 0: they are taken.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + ARGV[1] * ARGV[3]
local wait = full_at - ARGV[1] * ARGV[2] - now
if wait > 0 then
    return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', string.format('%.0f', math.ceil((full_at - now) / 1000)))
return 0",
    )
});
