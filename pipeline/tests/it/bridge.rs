//! News from one process is told in the others, over a real Redis or PostgreSQL, and round them when they are away.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pipeline::events::bridge::{Bridge, Carrier};
use pipeline::events::{Events, Processed};
use pipeline::link::RedisLink;
use pipeline::store::Store;
use schemas::contract::UploadView;
use schemas::extract::Language;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::outside::RedisServer;
use crate::queue::{PATIENCE, eventually};
use crate::stack::{Stack, id, report};

/// A process, as far as news goes: a board, and its end of the bridge.
struct Node {
    events: Events,
    bridge: Bridge,
    heard: Receiver<Arc<Processed>>,
    _running: AbortOnDropHandle<()>,
}

impl Node {
    fn start(carrier: Option<Carrier>, store: &Store, events: Events) -> Node {
        let heard = events.processed();
        let bridge = Bridge::new(carrier, events.clone(), store.clone());
        let running = AbortOnDropHandle::new(tokio::spawn(bridge.clone().run(CancellationToken::new())));
        Node { events, bridge, heard, _running: running }
    }

    async fn open(&self) {
        eventually("the bridge open", async || self.bridge.open()).await;
    }

    async fn hears(&mut self) -> Processed {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
        Processed::clone(&heard.expect("news comes in time").unwrap())
    }

    /// The next news that says that everything may have changed.
    async fn hears_of_everything(&mut self) -> Processed {
        loop {
            let news = self.hears().await;
            if news.everything {
                return news;
            }
        }
    }
}

fn news(head: i64, names: usize) -> Processed {
    Processed {
        head,
        releases: (0..names).map(|name| (Language::Perl, format!("Foo-{name}"), "1.0".to_owned())).collect(),
        testers: vec!["T1".to_owned()],
        authors: vec!["AUTHOR".to_owned()],
        everything: false,
    }
}

fn upload() -> UploadView {
    UploadView {
        distribution: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        author: "AUTHOR".to_owned(),
        filename: "Foo-Bar-1.0.tar.gz".to_owned(),
        released_at: "2026-11-21T08:00:00Z".parse::<DateTime<Utc>>().unwrap(),
    }
}

fn redis(server: &RedisServer) -> Option<Carrier> {
    Some(Carrier::Redis(RedisLink::open(&server.url(), Duration::from_secs(1)).unwrap()))
}

async fn postgres() -> Option<(services::Database, PgPool)> {
    let database =
        tokio::task::spawn_blocking(|| Some(services::fresh_database(&services::postgres()?))).await.unwrap()?;
    let pool = PgPoolOptions::new().max_connections(8).connect(database.url()).await.unwrap();
    Some((database, pool))
}

/// Each hears the other's news once, and not its own again.
async fn news_goes_both_ways(store: &Store, carrier: Option<Carrier>) {
    let [mut one, mut other] = [0, 0].map(|head| Node::start(carrier.clone(), store, Events::new(head)));
    one.open().await;
    other.open().await;
    let mut uploads = other.events.uploads();
    let mut identities = other.events.identities();

    one.events.announce(news(7, 3));
    assert_eq!(other.hears().await, news(7, 3));
    assert_eq!(*other.events.head().borrow(), 7);
    other.events.announce(news(9, 1));
    one.events.announce_upload(upload());
    assert_eq!([one.hears().await, one.hears().await], [news(7, 3), news(9, 1)]);
    assert_eq!(other.hears().await, news(9, 1));
    let told = tokio::time::timeout(PATIENCE, uploads.recv()).await.expect("the upload is told of").unwrap();
    assert_eq!(*told, upload());
    one.events.announce_identities();
    tokio::time::timeout(PATIENCE, identities.changed()).await.expect("the change is told of").unwrap();
    // What comes back of one's own words would have come by now, the connection keeping their order.
    one.events.announce(news(10, 1));
    assert_eq!([one.hears().await, other.hears().await], [news(10, 1), news(10, 1)]);
    assert!(one.heard.is_empty() && other.heard.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_goes_over_redis() {
    let Some(server) = RedisServer::start().await else { return };
    let stack = Stack::new().await;
    news_goes_both_ways(stack.store(), redis(&server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_goes_over_postgresql_and_what_is_too_long_for_it_is_everything() {
    let Some((_database, pool)) = postgres().await else { return };
    let stack = Stack::new().await;
    let carrier = Some(Carrier::Postgres(pool));
    news_goes_both_ways(stack.store(), carrier.clone()).await;
    let (one, mut other) = (
        Node::start(carrier.clone(), stack.store(), Events::new(0)),
        Node::start(carrier, stack.store(), Events::new(0)),
    );
    one.open().await;
    other.open().await;
    one.events.announce(news(12, 5_000));
    assert_eq!(other.hears().await, Processed::everything(12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_bridge_is_led_round_and_built_again() {
    let Some(server) = RedisServer::start().await else { return };
    let stack = Stack::new().await;
    let one = Node::start(redis(&server), stack.store(), stack.process.events.clone());
    let mut other = Node::start(redis(&server), stack.store(), Events::new(0));
    one.open().await;
    other.open().await;
    let count = async |number: usize| {
        stack.accept(&id(number), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
        stack.work_off().await;
        stack.store().head().await.unwrap()
    };
    let head = count(1).await;
    let heard = other.hears().await;
    assert_eq!((heard.head, heard.everything, heard.releases.len()), (head, false, 1));

    server.kill();
    eventually("the bridge broken", async || !one.bridge.open() && !other.bridge.open()).await;
    let head = count(2).await;
    assert_eq!(other.hears_of_everything().await, Processed::everything(head));
    assert_eq!(*other.events.head().borrow(), head);

    server.revive().await;
    one.open().await;
    other.open().await;
    let head = count(3).await;
    while other.hears().await != (Processed { head, ..heard.clone() }) {}

    // A Redis that says nothing is as good as none.
    server.pause();
    let head = count(4).await;
    assert_eq!(other.hears_of_everything().await.head, head);
    server.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_may_be_built_before_its_redis_is_there() {
    let Some(server) = RedisServer::start().await else { return };
    server.kill();
    let stack = Stack::new().await;
    let [one, mut other] = [0, 0].map(|head| Node::start(redis(&server), stack.store(), Events::new(head)));
    one.events.announce(news(5, 1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!one.bridge.open() && other.heard.is_empty());
    server.revive().await;
    other.open().await;
    one.open().await;
    one.events.announce(news(6, 1));
    while other.hears().await != news(6, 1) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_carrier_the_database_tells() {
    let stack = Stack::new().await;
    let mut other = Node::start(None, stack.store(), Events::new(0));
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let head = stack.store().head().await.unwrap();
    assert_eq!(other.hears().await, Processed::everything(head));
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    tracker.spawn(other.bridge.clone().run(stop.clone()));
    tracker.close();
    stop.cancel();
    tokio::time::timeout(PATIENCE, tracker.wait()).await.expect("a bridge ends when told to");
}
