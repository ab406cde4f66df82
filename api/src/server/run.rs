//! Starts the parts of a process, and ends them again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pipeline::accept::Acceptor;
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::identify::Identify;
use pipeline::index::DocumentIndex;
use pipeline::measures::Measures;
use pipeline::process::Process;
use pipeline::publish::Publish;
use pipeline::queue::Gate;
use pipeline::readers::Readers;
use pipeline::worker::Worker;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::cache::Answers;
use super::connections::Connections;
use super::limits::{Limits, pressure};
use super::observe::RequestMeasures;
use super::{App, Gauges, Rules, demo, releases_poll, routes};
use crate::config::{Index, Listen, Settings};
use crate::embedded;
use crate::upstream::Upstream;

/// Which parts a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Doors, readers, pages and workers.
    Everything,
    /// Doors, readers and pages.
    Api,
    /// Workers alone.
    Worker,
}

/// Longest time for what was cut off to end, and again for the database to be closed.
const CLOSE: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(settings: Settings, role: Role, demo: bool) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let cut = CancellationToken::new();
    let tracker = TaskTracker::new();
    embedded::prepare(&settings)?;
    // An api and a worker may share a directory; one who does everything has it alone.
    let _hold = match role {
        Role::Everything => Some(embedded::hold(&settings, "serve")?),
        Role::Worker => Some(embedded::hold(&settings, "worker")?),
        Role::Api => None,
    };
    let store = embedded::open(&settings).await?;
    let process = Process {
        events: Events::new(store.head().await.context("the database cannot be read")?),
        store: store.clone(),
        clock: Clock::System,
        measures: Measures::new(),
    };
    let gate = Gate::new(settings.workers);
    let index = match (role, &settings.index) {
        // tantivy has one writer, so the index belongs to whoever holds the directory.
        (Role::Api, Index::Directory(_)) => None,
        _ => index(&settings),
    };
    if role != Role::Api {
        let worker = Worker {
            process: process.clone(),
            index: index.clone(),
            gate: gate.clone(),
            name: format!("{}-{}", std::process::id(), &Uuid::new_v4().simple().to_string()[..8]),
        };
        worker.start(stop.clone(), &tracker).await.context("the worker could not start")?;
        tracker.spawn(Publish::new(process.clone(), embedded::artefacts(&settings)).run(stop.clone()));
        if let Some(url) = &settings.uploads.upstream {
            let upstream = Upstream::new(url.clone()).context("no client for uploads.upstream could be made")?;
            tracker.spawn(releases_poll::poll(upstream, settings.uploads.every, process.clone(), stop.clone()));
        }
    }
    if role != Role::Worker {
        let app = Arc::new(app(&settings, process, index, gate, stop.clone()));
        tracker.spawn(pressure::watch(Arc::clone(&app), stop.clone()));
        tracker.spawn(pressure::watch_disk(Arc::clone(&app), stop.clone()));
        let bases = listen(&settings, app, &cut, &tracker).await?;
        if demo {
            demo::load(&bases[0]).await?;
        }
    }
    tracker.close();
    stop.cancelled().await;
    if tokio::time::timeout(settings.bounds.drain, tracker.wait()).await.is_err() {
        tracing::warn!("some work did not end in time; requests are cut off, jobs go on at the next start");
        cut.cancel();
        drop(tokio::time::timeout(CLOSE, tracker.wait()).await);
    }
    // Closing waits for every connection, and what did not end in time may hold one for ever.
    if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
        tracing::warn!("the database was not closed in time; it recovers at the next start");
    }
    Ok(())
}

/// The document index; without it, reports are accepted and counted all the same.
fn index(settings: &Settings) -> Option<Arc<dyn DocumentIndex>> {
    embedded::index(settings).unwrap_or_else(|error| {
        tracing::error!(error = %format!("{error:#}"), "there is no search until this is mended and assay started again");
        None
    })
}

fn app(
    settings: &Settings,
    process: Process,
    index: Option<Arc<dyn DocumentIndex>>,
    gate: Gate,
    stop: CancellationToken,
) -> App {
    let Process { store, clock, events, measures } = process;
    let intake = &settings.intake;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    App {
        readers: Readers { store: store.clone(), clock: clock.clone() },
        acceptor: Acceptor::start(store.clone(), clock.clone(), events.clone(), measures.clone(), intake.group_limit),
        identify: Identify::new(store, clock.clone()),
        answers: Answers::start(settings.read.cache.bytes(), &events),
        artefacts: embedded::artefacts(settings),
        feeds: Arc::new(Semaphore::new(settings.read.feeds)),
        index,
        gate,
        rules: Rules {
            anonymous: intake.anonymous,
            local: settings.public_url.is_none() && settings.listen.iter().all(Listen::loopback),
            addresses: settings.privacy.addresses,
            body_limit: size(intake.body_limit.bytes()),
            page_limit: settings.read.page_limit,
            feed_patience: settings.read.feed_patience,
            public_url: settings.public_url.as_ref().map(|url| url.to_string().trim_end_matches('/').to_owned()),
        },
        limits: Limits::new(settings, embedded::database_directory(settings), &measures.registry),
        stop,
        sizes: tokio::sync::Mutex::new(None),
        requests: RequestMeasures::new(&measures.registry),
        gauges: Gauges::new(&measures.registry),
        started_at: clock.now(),
        events,
        measures,
    }
}

/// Begins to answer on each address, says so, and gives each as a URL.
async fn listen(
    settings: &Settings,
    app: Arc<App>,
    cut: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<Vec<String>> {
    let proxies = app.limits.proxies.clone();
    let (stop, registry) = (app.stop.clone(), app.measures.registry.clone());
    let connections = Connections::new(routes::router(app), &settings.bounds, proxies, &registry, stop, cut.clone());
    let mut bases = Vec::new();
    for address in &settings.listen {
        let listener = TcpListener::bind((address.host.as_str(), address.port))
            .await
            .with_context(|| format!("{address} cannot be listened on; choose another with --listen HOST:PORT"))?;
        let base = format!("http://{}", listener.local_addr().context("a listener has an address")?);
        tracker.spawn(connections.clone().serve(listener, tracker.clone()));
        bases.push(base);
    }
    for base in &bases {
        println!("listening on {base}");
    }
    Ok(bases)
}

/// Cancelled by SIGTERM or Ctrl-C.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be listened for")?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; requests and jobs under way are finished first");
        stopping.cancel();
    });
    Ok(stop)
}

impl App {
    /// How many distributions, releases and testers there are, as of a quarter of a minute ago: counting takes time.
    pub async fn sizes(&self) -> Result<(i64, i64, i64), pipeline::store::StoreError> {
        let mut kept = self.sizes.lock().await;
        match *kept {
            Some((at, sizes)) if at.elapsed() < Duration::from_secs(15) => Ok(sizes),
            _ => {
                let sizes = self.readers.store.sizes().await?;
                *kept = Some((std::time::Instant::now(), sizes));
                Ok(sizes)
            }
        }
    }
}

/// When counts were taken, and the counts of distributions, releases and testers.
pub type Sizes = Option<(std::time::Instant, (i64, i64, i64))>;
