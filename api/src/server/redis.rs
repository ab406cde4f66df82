//! Redis as this process uses it: the bridge to other processes, and whether Redis answers.

use std::time::Duration;

use anyhow::Context;
use pipeline::events::bridge::{Bridge, Carrier};
use pipeline::link::RedisLink;
use pipeline::measures::gauge;
use pipeline::process::Process;
use prometheus::IntGauge;

use crate::config::{Queue, Secret, Settings};

/// Longest time to find out whether Redis answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// The Redis servers in use, and the bridge. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Redis {
    links: Vec<RedisLink>,
    pub bridge: Bridge,
    /// `None`: there is no Redis to reach.
    gauges: Option<Gauges>,
}

#[derive(Clone, Debug)]
struct Gauges {
    reachable: IntGauge,
    bridge: IntGauge,
}

impl Redis {
    /// Redis may be absent, now and later.
    pub fn new(settings: &Settings, process: &Process) -> anyhow::Result<Self> {
        let open = |url: &Secret| RedisLink::open(&url.0, PATIENCE).context("no connection to Redis can be made");
        let events = settings.events.as_ref().map(open).transpose()?;
        let queue = match &settings.queue {
            Queue::Redis(url) if settings.events.as_ref() != Some(url) => Some(open(url)?),
            _ => None,
        };
        let registry = &process.measures.registry;
        let gauges = (events.is_some() || queue.is_some()).then(|| Gauges {
            reachable: gauge(registry, "assay_redis_reachable", "1 while Redis answers, 0 while it does not."),
            bridge: gauge(
                registry,
                "assay_events_bridge_open",
                "1 while news goes straight to other processes, 0 while they ask the database once a second.",
            ),
        });
        let database = || process.store.postgres_pool().cloned().map(Carrier::Postgres);
        let carrier = events.clone().map(Carrier::Redis).or_else(database);
        let bridge = Bridge::new(carrier, process.events.clone(), process.store.clone());
        Ok(Redis { links: events.into_iter().chain(queue).collect(), bridge, gauges })
    }

    /// Whether every Redis in use answers. `None`: none is in use.
    pub async fn answers(&self) -> Option<bool> {
        if self.links.is_empty() {
            return None;
        }
        Some(futures::future::join_all(self.links.iter().map(RedisLink::alive)).await.into_iter().all(|alive| alive))
    }

    /// Shows the metrics how things stand.
    pub async fn show(&self) {
        if let (Some(gauges), Some(answers)) = (&self.gauges, self.answers().await) {
            gauges.reachable.set(i64::from(answers));
            gauges.bridge.set(i64::from(self.bridge.open()));
        }
    }
}
