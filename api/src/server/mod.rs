//! The HTTP server: doors, readers, pages, operations.

mod asking;
mod away;
mod cache;
mod connections;
mod contract;
mod demo;
mod health;
mod intake;
mod jobs;
mod limits;
mod observe;
mod openapi;
pub mod outside;
mod pages;
mod problems;
mod reading;
mod redis;
mod releases_poll;
mod routes;
mod run;
pub mod spooling;
mod testers;
mod tokens;
mod www;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pipeline::events::Events;
use pipeline::identify::Identify;
use pipeline::index::DocumentIndex;
use pipeline::intake::Intake;
use pipeline::measures::{Measures, gauge};
use pipeline::publish::Artefacts;
use pipeline::queue::Gate;
use pipeline::readers::Readers;
use pipeline::store::Store;
use prometheus::{IntGauge, Registry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use intake::withdrawals::InvalidationOrder;
pub use reading::status::StatusView;
pub use run::{Role, run};

use cache::Answers;
use limits::Limits;
use observe::RequestMeasures;
use problems::ApiError;
use redis::Redis;

/// All that handlers use.
pub struct App {
    pub readers: Readers,
    pub intake: Intake,
    pub identify: Identify,
    pub events: Events,
    pub redis: Redis,
    pub measures: Measures,
    pub index: Option<Arc<dyn DocumentIndex>>,
    pub gate: Gate,
    pub answers: Answers,
    pub artefacts: Artefacts,
    /// One permit for each feed that may be open.
    feeds: Arc<Semaphore>,
    pub rules: Rules,
    pub limits: Limits,
    /// This process was told to stop and goes on for a while: see `server.notice`.
    pub leaving: CancellationToken,
    /// This process is to end: who waits for news gets what there is.
    pub stop: CancellationToken,
    pub sizes: tokio::sync::Mutex<run::Sizes>,
    pub requests: RequestMeasures,
    pub gauges: Gauges,
    pub started_at: DateTime<Utc>,
}

impl App {
    /// Opens a feed for as long as the permit is kept, unless too many are open.
    pub fn feed(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = Arc::clone(&self.feeds).try_acquire_owned();
        permit.map_err(|_| ApiError::unavailable("as many feeds are open as this server allows; please try again"))
    }
}

/// What the operator allows.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Reports without a credential are taken.
    pub anonymous: bool,
    /// Every address is loopback, and no public one leads here: who can ask is on this machine.
    pub local: bool,
    /// Contract answers carry testers' addresses.
    pub addresses: bool,
    /// Bytes of a body, after decompression.
    pub body_limit: usize,
    /// Items on a page.
    pub page_limit: usize,
    /// Longest time for the reader of a feed to take what is sent.
    pub feed_patience: Duration,
    /// Where readers reach this server, when that is not where it listens.
    pub public_url: Option<String>,
}

/// What is read when `/metrics` is asked for.
pub struct Gauges {
    waiting: IntGauge,
    waiting_age: IntGauge,
    head: IntGauge,
    workers: IntGauge,
    index_lag: IntGauge,
    resident: IntGauge,
    database: IntGauge,
}

impl Gauges {
    pub fn new(registry: &Registry) -> Self {
        let new = |name, help| gauge(registry, name, help);
        Gauges {
            waiting: new("assay_reports_waiting", "Reports accepted and not yet processed."),
            waiting_age: new("assay_queue_age_seconds", "Age of the oldest report that waits."),
            head: new("assay_feed_head", "Newest change number."),
            workers: new("assay_workers", "Jobs that may run at the same time."),
            index_lag: new("assay_index_lag", "Changes the document index has still to take in."),
            resident: new("process_resident_memory_bytes", "Memory this process holds."),
            database: new("assay_database_bytes", "Size of the database."),
        }
    }

    /// Notes what database and index tell at this moment. What they do not tell stays as it was.
    async fn read_database(&self, store: &Store, now: DateTime<Utc>, index: &Option<Arc<dyn DocumentIndex>>) {
        if let Some(freshness) = away::briefly(store.freshness(now)).await {
            self.waiting.set(freshness.waiting);
            self.waiting_age.set((now - freshness.fresh_at).num_seconds().max(0));
            self.head.set(freshness.head);
            if let Some(Some(mark)) = asking::ask(index, |index| index.mark()).await {
                self.index_lag.set((freshness.head - mark).max(0));
            }
        }
        if let Some(bytes) = away::briefly(store.size()).await {
            self.database.set(bytes);
        }
    }

    /// Notes what this process knows of itself.
    fn read_process(&self, gate: &Gate) {
        self.workers.set(i64::try_from(gate.workers()).unwrap_or(i64::MAX));
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
    }
}

/// Memory this process holds. `None` where the system does not tell it in /proc.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
