//! A queue in Redis that a test has to itself, behind apalis' back: to look, and to do damage.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pipeline::queue::{OutsideQueue, ProcessGroup};
use redis::Commands;
use uuid::Uuid;

/// Keys of one test on the Redis that all share; they go with this value.
#[derive(Debug)]
pub struct TestQueue {
    url: String,
    prefix: String,
}

impl TestQueue {
    pub fn new(server: &str) -> TestQueue {
        let prefix = format!("test-{}", Uuid::new_v4().simple());
        TestQueue { url: format!("{}/0?prefix={prefix}", server.trim_end_matches('/')), prefix }
    }

    pub async fn connect(&self) -> OutsideQueue {
        OutsideQueue::connect(&self.url).await.unwrap()
    }

    /// Loses every job, as a Redis does that was emptied.
    pub fn lose_jobs(&self) {
        let mut connection = self.connection();
        let keys: Vec<String> = self.keys("*");
        if !keys.is_empty() {
            connection.del::<_, ()>(keys).unwrap();
        }
    }

    /// Jobs that Redis knows, done or not.
    pub fn jobs(&self) -> i64 {
        self.connection().hlen(self.key("data")).unwrap()
    }

    /// Jobs done that nobody has forgotten yet.
    pub fn done(&self) -> i64 {
        self.connection().scard(self.key("done")).unwrap()
    }

    /// Jobs in a worker's hands.
    pub fn fetched(&self) -> i64 {
        let mut connection = self.connection();
        self.keys("inflight:*").iter().map(|key| connection.scard::<_, i64>(key).unwrap()).sum()
    }

    /// Lets a worker, which is alive, take every job that waits.
    pub fn let_fetch(&self, worker: &str) {
        let mut connection = self.connection();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        connection.zadd::<_, _, _, ()>(self.key("workers"), worker, seconds).unwrap();
        while let Some(job) = connection.lpop::<_, Option<String>>(self.key("active"), None).unwrap() {
            connection.sadd::<_, _, ()>(self.key(&format!("inflight:{worker}")), job).unwrap();
        }
    }

    /// Lets every worker's last sign of life be long ago.
    pub fn age_workers(&self) {
        let mut connection = self.connection();
        let workers: Vec<String> = connection.zrange(self.key("workers"), 0, -1).unwrap();
        for worker in workers {
            connection.zadd::<_, _, _, ()>(self.key("workers"), worker, 0).unwrap();
        }
    }

    /// Seconds until the last of the jobs for later is due.
    pub fn longest_wait(&self) -> i64 {
        let mut connection = self.connection();
        let later: Vec<(String, f64)> = connection.zrevrange_withscores(self.key("later"), 0, 0).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        (later[0].1 as i64 - now as i64) / 1000
    }

    /// Puts something in the place of the waiting jobs that is no list.
    pub fn damage(&self) {
        self.connection().set::<_, _, ()>(self.key("active"), "no list").unwrap();
    }

    pub fn mend(&self) {
        self.connection().del::<_, ()>(self.key("active")).unwrap();
    }

    fn key(&self, name: &str) -> String {
        format!("{}:process-group:{name}", self.prefix)
    }

    fn keys(&self, names: &str) -> Vec<String> {
        let mut connection = self.connection();
        let keys = connection.scan_match::<_, String>(self.key(names)).unwrap();
        keys.map(Result::unwrap).collect()
    }

    fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap()
    }
}

impl Drop for TestQueue {
    fn drop(&mut self) {
        self.lose_jobs();
    }
}

#[tokio::test]
async fn queues_of_different_prefixes_have_nothing_in_common() {
    let Some(server) = services::redis() else { return };
    let (one, other) = (TestQueue::new(&server), TestQueue::new(&server));
    let (first, second) = (one.connect().await, other.connect().await);
    let job = |group| ProcessGroup { group };
    first.push(&[(job(1), Duration::ZERO), (job(2), Duration::from_secs(60))]).await.unwrap();
    second.push(&[(job(3), Duration::ZERO)]).await.unwrap();
    assert_eq!((first.depth().await.unwrap(), second.depth().await.unwrap()), (2, 1));
    assert_eq!(first.carried().await.unwrap(), [1, 2].into());
    other.lose_jobs();
    assert_eq!((first.depth().await.unwrap(), second.depth().await.unwrap()), (2, 0));
    assert_eq!(one.connect().await.carried().await.unwrap(), [1, 2].into(), "the name is all there is to it");
}

#[tokio::test]
async fn a_prefix_is_a_word() {
    for (url, sound) in [
        ("redis://127.0.0.1:1/0", true),
        ("redis://127.0.0.1:1?prefix=cpan-2.test_b", true),
        ("redis://127.0.0.1:1/0?protocol=resp3&prefix=b", true),
        ("redis://127.0.0.1:1/0?prefix=", false),
        ("redis://127.0.0.1:1/0?prefix=a:b", false),
        ("redis://127.0.0.1:1/0?prefix={a}", false),
    ] {
        assert_eq!(OutsideQueue::connect(url).await.is_ok(), sound, "{url}");
    }
}
