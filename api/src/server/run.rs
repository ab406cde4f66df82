//! Starts the parts of a process, and ends them again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pipeline::accept::{Acceptor, chain};
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::identify::Identify;
use pipeline::index::DocumentIndex;
use pipeline::intake::Intake;
use pipeline::measures::Measures;
use pipeline::process::Process;
use pipeline::publish::Publish;
use pipeline::queue::Gate;
use pipeline::readers::Readers;
use pipeline::retention::{self, Pace};
use pipeline::spool::Spool;
use pipeline::store::Store;
use pipeline::worker::Worker;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::cache::Answers;
use super::connections::Connections;
use super::health::{self, Health};
use super::limits::sender::Proxies;
use super::limits::{Limits, pressure};
use super::observe::RequestMeasures;
use super::redis::Redis;
use super::{App, Gauges, Rules, demo, releases_poll, routes, spooling};
use crate::config::{Database, Index, Listen, Settings};
use crate::installation;
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
    let leaving = CancellationToken::new();
    // A worker alone has no door that anybody would have to be told of.
    let notice = if role == Role::Worker { Duration::ZERO } else { settings.bounds.notice };
    let stop = stop_signal(leaving.clone(), notice)?;
    let cut = CancellationToken::new();
    let tracker = TaskTracker::new();
    installation::prepare(&settings)?;
    // An api and a worker may share a directory; one who does everything has it alone. Where it holds neither database
    // nor index, it is nobody's.
    let own = matches!(settings.database, Database::Sqlite(_)) || matches!(settings.index, Index::Directory(_));
    let _hold = match role {
        Role::Everything if own => Some(installation::hold(&settings, "serve")?),
        Role::Worker if own => Some(installation::hold(&settings, "worker")?),
        _ => None,
    };
    // Without a database, a node that takes reports can do so, and a worker can only wait.
    let (store, there) = match role {
        Role::Worker => match installation::open_when_there(&settings, &stop).await? {
            Some(store) => (store, true),
            None => return Ok(()),
        },
        Role::Everything | Role::Api => installation::open_if_there(&settings).await?,
    };
    let head = if there { head(&store).await? } else { 0 };
    let process =
        Process { events: Events::new(head), store: store.clone(), clock: Clock::System, measures: Measures::new() };
    let spooling = if role == Role::Worker { None } else { spooling::open(&settings, &process).await? };
    let spool = spooling.as_ref().map(|spooling| spooling.spool.clone());
    let redis = Redis::new(&settings, &process)?;
    tracker.spawn(redis.bridge.clone().run(stop.clone()));
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
        match spool.clone().filter(|_| !there) {
            None => worker.start(stop.clone(), &tracker).await.context("the worker could not start")?,
            Some(spool) => drop(tokio::spawn(start_later(worker, spool, stop.clone(), tracker.clone()))),
        }
        if let Some(url) = &settings.uploads.upstream {
            let upstream = Upstream::new(url.clone()).context("no client for uploads.upstream could be made")?;
            tracker.spawn(releases_poll::poll(upstream, settings.uploads.every, process.clone(), stop.clone()));
        }
        if !settings.retention.keeps_all() {
            tracker.spawn(retention::keep_up(process.clone(), settings.retention, Pace::default(), stop.clone()));
        }
    }
    // Artefacts are files: where the nodes share no disk, each publishes those it serves.
    let publisher = if store.shared() { role != Role::Worker } else { role != Role::Api };
    if publisher {
        tracker.spawn(Publish::new(process.clone(), installation::artefacts(&settings)).run(stop.clone()));
    }
    if role != Role::Worker {
        let intake = intake(&settings, &process, spool.clone(), there, &stop, &tracker);
        let app = Arc::new(app(&settings, process, redis, intake, index, gate, End { leaving, stop: stop.clone() }));
        tracker.spawn(pressure::watch(Arc::clone(&app), stop.clone()));
        tracker.spawn(pressure::watch_disk(Arc::clone(&app), stop.clone()));
        let (proxies, registry) = (app.limits.proxies.clone(), app.measures.registry.clone());
        let router = routes::router(app);
        let connections = Connections::new(router, &settings.bounds, proxies, &registry, stop.clone(), cut.clone());
        let bases = listen(&settings.listen, "--listen ", &connections, &tracker).await?;
        if demo {
            demo::load(&bases[0]).await?;
        }
    } else if let Some(address) = settings.worker_listen.clone() {
        let registry = process.measures.registry.clone();
        let gauges = Gauges::new(&registry);
        let router = health::router(Arc::new(Health { process, index, redis, gate, gauges, stop: stop.clone() }));
        let proxies = Proxies::new(settings.proxies.clone(), settings.intake.exempt.clone());
        let connections = Connections::new(router, &settings.bounds, proxies, &registry, stop.clone(), cut.clone());
        listen(&[address], "--set worker_listen=", &connections, &tracker).await?;
    }
    tracker.close();
    stop.cancelled().await;
    if tokio::time::timeout(settings.bounds.drain, tracker.wait()).await.is_err() {
        tracing::warn!("some work did not end in time; requests are cut off, jobs go on at the next start");
        cut.cancel();
        drop(tokio::time::timeout(CLOSE, tracker.wait()).await);
    }
    // What is in the spool stays there for the next start.
    if let Some(spool) = spool
        && tokio::time::timeout(CLOSE, spool.close()).await.is_err()
    {
        tracing::warn!("the spool was not closed in time; it recovers at the next start");
    }
    // Closing waits for every connection, and what did not end in time may hold one for ever.
    if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
        tracing::warn!("the database was not closed in time; it recovers at the next start");
    }
    Ok(())
}

/// The newest change number. Of a database that went away just now, 0: it is learnt when that is back.
async fn head(store: &Store) -> anyhow::Result<i64> {
    match store.head().await {
        Err(error) if store.shared() && error.transient() => Ok(0),
        head => head.context("the database cannot be read"),
    }
}

/// Starts a worker once the database, which was away at the start, answers.
async fn start_later(worker: Worker, spool: Spool, stop: CancellationToken, tracker: TaskTracker) {
    tokio::select! {
        () = spool.until(false) => {}
        () = stop.cancelled() => return,
    }
    if let Err(error) = worker.start(stop.clone(), &tracker).await {
        tracing::error!(error = %chain(&error), "the worker could not start; this process ends");
        stop.cancel();
    }
}

/// The document index; without it, reports are accepted and counted all the same.
fn index(settings: &Settings) -> Option<Arc<dyn DocumentIndex>> {
    installation::index(settings).unwrap_or_else(|error| {
        tracing::error!(error = %format!("{error:#}"), "there is no search until this is mended");
        installation::unopened_index(settings)
    })
}

/// Where doors hand submissions in, and what hands over what this node has spooled.
fn intake(
    settings: &Settings,
    process: &Process,
    spool: Option<Spool>,
    there: bool,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> Intake {
    let Process { store, clock, events, measures } = process.clone();
    let identify = Identify::new(store.clone(), clock.clone()).follow(&events);
    let acceptor = Acceptor::start(store, clock, events, measures, settings.intake.group_limit);
    spooling::begin(spool, there, process, identify, acceptor, stop, tracker)
}

/// How handlers hear that this process is to end.
struct End {
    /// Soon: whoever chooses among nodes had better choose another.
    leaving: CancellationToken,
    /// Now.
    stop: CancellationToken,
}

fn app(
    settings: &Settings,
    process: Process,
    redis: Redis,
    intake: Intake,
    index: Option<Arc<dyn DocumentIndex>>,
    gate: Gate,
    End { leaving, stop }: End,
) -> App {
    let Process { store, clock, events, measures } = process;
    let rules = &settings.intake;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    App {
        readers: Readers { store, clock: clock.clone() },
        identify: intake.identify.clone(),
        intake,
        answers: Answers::start(settings.read.cache.bytes(), &events),
        artefacts: installation::artefacts(settings),
        feeds: Arc::new(Semaphore::new(settings.read.feeds)),
        index,
        gate,
        rules: Rules {
            anonymous: rules.anonymous,
            local: settings.public_url.is_none() && settings.listen.iter().all(Listen::loopback),
            addresses: settings.privacy.addresses,
            body_limit: size(rules.body_limit.bytes()),
            page_limit: settings.read.page_limit,
            feed_patience: settings.read.feed_patience,
            public_url: settings.public_url.as_ref().map(|url| url.to_string().trim_end_matches('/').to_owned()),
        },
        limits: Limits::new(settings, installation::database_directory(settings), &measures.registry),
        leaving,
        stop,
        sizes: tokio::sync::Mutex::new(None),
        requests: RequestMeasures::new(&measures.registry),
        gauges: Gauges::new(&measures.registry),
        started_at: clock.now(),
        events,
        redis,
        measures,
    }
}

/// Begins to answer on each address, says so, and gives each as a URL. `flag` is how other addresses are said.
async fn listen(
    addresses: &[Listen],
    flag: &str,
    connections: &Connections,
    tracker: &TaskTracker,
) -> anyhow::Result<Vec<String>> {
    let mut bases = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind((address.host.as_str(), address.port))
            .await
            .with_context(|| format!("{address} cannot be listened on; choose another with {flag}HOST:PORT"))?;
        let base = format!("http://{}", listener.local_addr().context("a listener has an address")?);
        tracker.spawn(connections.clone().serve(listener, tracker.clone()));
        bases.push(base);
    }
    for base in &bases {
        println!("listening on {base}");
    }
    Ok(bases)
}

/// Cancelled by SIGTERM or Ctrl-C, `notice` after `leaving` is.
fn stop_signal(leaving: CancellationToken, notice: Duration) -> anyhow::Result<CancellationToken> {
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
        leaving.cancel();
        tokio::time::sleep(notice).await;
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
