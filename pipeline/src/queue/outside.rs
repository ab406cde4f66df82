//! The queue in Redis: jobs are pushed after their reports are committed, and may be lost with it.
//!
//! The keys are those of apalis-redis, which takes the jobs. Three things are done otherwise than it does them. It puts
//! every job among the scheduled ones and moves all that are due by one call, which Redis refuses beyond some 8,000:
//! here, jobs for now wait at once, and those for later are in a set of their own that is emptied in portions. It keeps
//! jobs that are done for ever: [`OutsideQueue::forget_done`]. And its job ids say nothing: here, they name the group,
//! so that [`OutsideQueue::carried`] need not fetch every job.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apalis_redis::{Config, RedisStorage};
use futures::StreamExt;
use redis::{RedisResult, Script};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{BATCH, HEARTBEAT, MISSED_BEATS, ProcessGroup, QUEUE};
use crate::link::{self, LinkError, RedisLink};

/// Longest time for an answer. Lists of jobs may be long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest time for jobs to be taken: whoever pushes them has others to serve, and the sweep pushes what was not.
const PUSH_PATIENCE: Duration = Duration::from_millis(500);

/// Jobs pushed, moved or forgotten by one script, which nobody else's question gets in between.
const PORTION: usize = 500;

/// A queue that is not in the database: jobs are pushed after the commit, and may be lost.
#[derive(Clone, Debug)]
pub struct OutsideQueue {
    link: RedisLink,
    keys: Arc<Keys>,
}

/// What went wrong in a queue outside the database.
#[derive(Debug, thiserror::Error)]
#[error("the queue in Redis did not do as told")]
pub struct QueueError(#[from] LinkError);

impl QueueError {
    /// Whether Redis was left alone, since it did not answer a moment ago; then that has been logged.
    pub fn away(&self) -> bool {
        matches!(self.0, LinkError::Away)
    }
}

/// Names in Redis. Those without a field here are apalis' own.
#[derive(Debug)]
struct Keys {
    config: Config,
    /// Jobs for later, by the time from which on they may be begun, in milliseconds.
    later: String,
    /// Published when jobs were pushed.
    rung: String,
}

impl OutsideQueue {
    /// A queue at a `redis://` URL. Redis may be absent, now and later: each call tells. Queues whose URLs have different
    /// `?prefix=` have nothing in common.
    pub async fn connect(url: &str) -> Result<Self, QueueError> {
        let link = RedisLink::open(url, PATIENCE)?;
        let queue = format!("{}:{QUEUE}", link.prefix());
        let config = Config::default()
            .queue(&queue)
            .batch_size(BATCH)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_BEATS)
            // Jobs are short, and nobody listens.
            .lock_tasks(false)
            .emit_events(false);
        let keys = Keys { config, later: format!("{queue}:later"), rung: format!("{queue}:{}:rung", link.database()) };
        Ok(OutsideQueue { link, keys: Arc::new(keys) })
    }

    /// The same queue over a connection of its own, for a thread with a runtime of its own.
    pub fn of_this_thread(self) -> Result<Self, QueueError> {
        Ok(OutsideQueue { link: self.link.another()?, ..self })
    }

    /// Pushes jobs, each to be begun not before so long from now.
    ///
    /// While Redis is away this fails soon, and mostly at once. The groups are then for the sweep to push.
    pub async fn push(&self, jobs: &[(ProcessGroup, Duration)]) -> Result<(), QueueError> {
        for portion in jobs.chunks(PORTION) {
            let Keys { config, later, rung } = &*self.keys;
            let mut pushing = PUSH.key(config.job_data_hash());
            pushing.key(config.job_meta_hash()).key(config.active_jobs_list()).key(later).arg(rung);
            for (job, pause) in portion {
                let arguments = serde_json::to_string(job).expect("a job is plain numbers");
                let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                pushing.arg(job_id(job)).arg(arguments).arg(pause);
            }
            let push = async |mut connection| pushing.invoke_async::<()>(&mut connection).await;
            self.link.ask_within(PUSH_PATIENCE, push).await?;
        }
        Ok(())
    }

    /// Groups of all jobs that wait, are scheduled or are in a live worker's hands.
    pub async fn carried(&self) -> Result<HashSet<i64>, QueueError> {
        let config = &self.keys.config;
        let mut asking = CARRIED.key(config.active_jobs_list());
        asking.key(&self.keys.later).key(config.scheduled_jobs_set());
        asking.key(config.workers_set()).key(config.inflight_jobs_set());
        asking.arg(seconds_now().saturating_sub(config.orphaned_duration().as_secs()));
        let lists: Vec<Vec<String>> =
            self.link.ask(async |mut connection| asking.invoke_async(&mut connection).await).await?;
        Ok(lists.iter().flatten().filter_map(|id| group_of(id)).collect())
    }

    /// Jobs that wait, those for later among them.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        let config = &self.keys.config;
        let mut asking = redis::pipe();
        asking.llen(config.active_jobs_list()).zcard(&self.keys.later).zcard(config.scheduled_jobs_set());
        let (waiting, later, scheduled): (u64, u64, u64) =
            self.link.ask(async |mut connection| asking.query_async(&mut connection).await).await?;
        Ok(waiting + later + scheduled)
    }

    /// Removes jobs that are done, or have failed for good: apalis keeps them, assay keeps their outcome itself.
    pub async fn forget_done(&self) -> Result<(), QueueError> {
        let config = &self.keys.config;
        for ended in [config.done_jobs_set(), config.dead_jobs_set()] {
            loop {
                let mut forgetting = FORGET.key(&ended);
                forgetting.key(config.job_data_hash()).key(config.job_meta_hash()).arg(PORTION);
                let forgotten: usize =
                    self.link.ask(async |mut connection| forgetting.invoke_async(&mut connection).await).await?;
                if forgotten < PORTION {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Lets others fetch the jobs that a worker has fetched and not done, and tells how many. The worker is gone then: a
    /// fetch of it that is still under way finds nothing.
    pub async fn give_back(&self, worker: &str) -> Result<u64, QueueError> {
        let config = &self.keys.config;
        let mut giving = GIVE_BACK.key(format!("{}:{worker}", config.inflight_jobs_set()));
        giving.key(config.active_jobs_list()).key(config.workers_set()).arg(PORTION).arg(&self.keys.rung).arg(worker);
        let mut given = 0;
        loop {
            let portion: u64 = self.link.ask(async |mut connection| giving.invoke_async(&mut connection).await).await?;
            given += portion;
            if portion == 0 {
                return Ok(given);
            }
        }
    }

    /// Whether Redis answers.
    pub async fn alive(&self) -> bool {
        self.link.alive().await
    }

    /// The link that pushing uses, to see how it is.
    pub fn link(&self) -> &RedisLink {
        &self.link
    }

    /// Where apalis takes jobs from, by a connection of its own: an answer to it may be long in coming.
    pub(super) fn storage(&self) -> Result<RedisStorage<ProcessGroup>, QueueError> {
        let connection = link::lazy_manager(self.link.client(), PATIENCE).map_err(LinkError::Refused)?;
        Ok(RedisStorage::new(connection).with_config(self.keys.config.clone()))
    }

    /// Rings whenever jobs were pushed, by any process, and brings forward those whose time has come. Without end, and
    /// without a word: while Redis is away, apalis tells.
    pub(super) async fn attend(&self, worker: &str, wake: &Notify) {
        futures::join!(self.listen(wake), self.bring_forward(worker, wake));
    }

    async fn listen(&self, wake: &Notify) {
        loop {
            let subscribing = async {
                let mut subscription = self.link.client().get_async_pubsub().await?;
                subscription.subscribe(&self.keys.rung).await?;
                RedisResult::Ok(subscription.into_on_message())
            };
            if let Ok(Ok(mut rings)) = tokio::time::timeout(PATIENCE, subscribing).await {
                while rings.next().await.is_some() {
                    wake.notify_one();
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn bring_forward(&self, worker: &str, wake: &Notify) {
        let metadata = format!("{}:workers:metadata:{worker}", self.keys.config.queue);
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let mut bringing = BRING_FORWARD.key(&self.keys.later);
            // apalis keeps what it says of a worker for ever.
            bringing.key(self.keys.config.active_jobs_list()).key(&metadata).arg(PORTION).arg(3600);
            let brought: Result<usize, _> =
                self.link.ask(async |mut connection| bringing.invoke_async(&mut connection).await).await;
            if brought.is_ok_and(|brought| brought > 0) {
                wake.notify_one();
            }
        }
    }
}

/// An id of its own for each job, with the group in it.
fn job_id(job: &ProcessGroup) -> String {
    format!("{}-{}", job.group, Uuid::new_v4().simple())
}

/// The group of one of our jobs.
fn group_of(id: &str) -> Option<i64> {
    id.split_once('-')?.0.parse().ok()
}

/// As apalis tells the time of its beats.
fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Pushes jobs: KEYS data, metadata's prefix, waiting, later; ARGV a channel, and id, job, pause in ms for each job.
static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for i = 2, #ARGV, 3 do
    local id, pause = ARGV[i], tonumber(ARGV[i + 2])
    redis.call('HSET', KEYS[1], id, ARGV[i + 1])
    redis.call('HSET', KEYS[2] .. ':' .. id, 'attempts', 0, 'max_attempts', 25, 'status', 'Pending')
    if pause == 0 then
        redis.call('RPUSH', KEYS[3], id)
    else
        redis.call('ZADD', KEYS[4], now + pause, id)
    end
end
redis.call('PUBLISH', ARGV[1], '')",
    )
});

/// Moves jobs whose time has come to those that wait: KEYS later, waiting, a worker's metadata; ARGV how many at most,
/// and how many seconds the metadata is kept.
static BRING_FORWARD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
redis.call('EXPIRE', KEYS[3], ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
if #due > 0 then
    redis.call('RPUSH', KEYS[2], unpack(due))
    redis.call('ZREM', KEYS[1], unpack(due))
end
return #due",
    )
});

/// Ids of jobs: KEYS waiting, later, scheduled, workers, prefix of what each has in hand; ARGV the oldest beat of a
/// live worker.
static CARRIED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
local lists = {
    redis.call('LRANGE', KEYS[1], 0, -1), redis.call('ZRANGE', KEYS[2], 0, -1), redis.call('ZRANGE', KEYS[3], 0, -1)
}
for _, worker in ipairs(redis.call('ZRANGE', KEYS[4], ARGV[1], '+inf', 'BYSCORE')) do
    table.insert(lists, redis.call('SMEMBERS', KEYS[5] .. ':' .. worker))
end
return lists",
    )
});

/// Puts what a worker has in hand before those that wait: KEYS in hand, waiting, workers; ARGV how many at most,
/// a channel, and the worker.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
redis.call('ZREM', KEYS[3], ARGV[3])
local given = redis.call('SPOP', KEYS[1], ARGV[1])
if #given > 0 then
    redis.call('LPUSH', KEYS[2], unpack(given))
    redis.call('PUBLISH', ARGV[2], '')
end
return #given",
    )
});

/// Removes jobs that have ended: KEYS ended, data, metadata's prefix; ARGV how many at most.
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "\
local ended = redis.call('SPOP', KEYS[1], ARGV[1])
for _, id in ipairs(ended) do
    redis.call('HDEL', KEYS[2], id)
    redis.call('DEL', KEYS[3] .. ':' .. id)
end
return #ended",
    )
});
