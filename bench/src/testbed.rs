//! Where the assay of a scenario lives: a data directory of its own, or a fresh database on real servers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use services::Database;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::child::Process;
use crate::cpu::{self, CpuTimes};
use crate::engine::Engine;
use crate::floor;
use crate::options::{Options, Profile};
use crate::server::{Server, assay, database_bytes, sizes};
use crate::servers::Servers;

/// How long workers may take to show that they are there.
const START: Duration = Duration::from_secs(60);

/// A place for assay to live in, which goes with this value.
pub struct Testbed<'o> {
    options: &'o Options,
    scratch: TempDir,
    deployed: Option<Deployed>,
}

/// What is a scenario's own on the servers.
pub struct Deployed {
    pub servers: Servers,
    pub engine: Engine,
    database: Database,
    /// What all names in Redis and in the search engine begin with.
    prefix: String,
}

/// A running assay: everything in one process, or nodes and workers.
pub struct Assay {
    servers: Vec<Server>,
    workers: Vec<Process>,
}

impl<'o> Testbed<'o> {
    /// A place for the profile of the run: empty, its schema made.
    pub async fn open(options: &'o Options) -> anyhow::Result<Self> {
        let scratch = options.scratch()?;
        let deployed = match options.profile {
            Profile::Embedded => None,
            profile => Some(Deployed::fresh(Servers::of(profile).await?)?),
        };
        let testbed = Testbed { options, scratch, deployed };
        if testbed.deployed.is_some() {
            testbed.command("migrate", &[])?;
        }
        Ok(testbed)
    }

    /// A directory that goes with the testbed.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The data directory of the embedded profile.
    pub fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// What is on the servers, where the profile has some.
    pub fn deployed(&self) -> Option<&Deployed> {
        self.deployed.as_ref()
    }

    /// Starts assay: where it is deployed, as many nodes and workers as the command line says. `workers=0` among the
    /// settings leaves the workers out.
    pub async fn start(&self, settings: &[&str]) -> anyhow::Result<Assay> {
        if self.deployed.is_none() {
            let server = Server::assay(self.options, &self.data(), settings)?;
            return Ok(Assay { servers: vec![server], workers: Vec::new() });
        }
        let held = settings.contains(&"workers=0");
        let workers = if held { 0 } else { self.options.worker_processes };
        let mut assay = Assay { servers: Vec::new(), workers: self.workers(workers, settings).await? };
        let all = self.all_settings(settings);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for number in 1..=self.options.apis {
            let data = self.scratch().join(format!("api_{number}"));
            assay.servers.push(Server::api(self.options, &data, &all)?);
        }
        Ok(assay)
    }

    /// Starts so many workers and no node, and returns when all have begun to work.
    pub async fn start_workers(&self, count: u16, settings: &[&str]) -> anyhow::Result<Assay> {
        Ok(Assay { servers: Vec::new(), workers: self.workers(count, settings).await? })
    }

    async fn workers(&self, count: u16, settings: &[&str]) -> anyhow::Result<Vec<Process>> {
        let Some(deployed) = &self.deployed else { anyhow::bail!("only a deployed profile has workers of their own") };
        let all = self.all_settings(settings);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut workers = Vec::new();
        for number in 1..=count {
            let data = self.scratch().join(format!("worker_{number}"));
            let command = assay(self.options, "worker", &data, &all)?;
            workers.push(Process::start(command, &data.with_extension("log"))?);
        }
        let began = Instant::now();
        let mut database = deployed.connect().await?;
        while deployed.living_workers(&mut database).await? < i64::from(count) {
            if let Some(ended) = workers.iter_mut().find_map(|worker| worker.ended().then(|| worker.log())) {
                anyhow::bail!("a worker did not start; its log ends with:\n{ended}");
            }
            anyhow::ensure!(began.elapsed() < START, "the workers did not begin within {} s", START.as_secs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(workers)
    }

    /// Runs a command of assay on the testbed to its end.
    pub fn command(&self, command: &str, settings: &[&str]) -> anyhow::Result<()> {
        let mut words = command.split(' ');
        let all = self.all_settings(settings);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut running = assay(self.options, words.next().unwrap_or(command), &self.data(), &all)?;
        let output = running.args(words).output().with_context(|| format!("could not run assay {command}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "assay {command} failed, {}:\n{said}", output.status);
        Ok(())
    }

    /// Where the servers are, and then what the scenario says.
    fn all_settings(&self, settings: &[&str]) -> Vec<String> {
        let servers = self.deployed.as_ref().map_or(Vec::new(), Deployed::settings);
        servers.into_iter().chain(settings.iter().map(|setting| (*setting).to_owned())).collect()
    }

    /// Bytes of the database.
    pub async fn database_bytes(&self) -> anyhow::Result<u64> {
        let Some(deployed) = &self.deployed else { return Ok(database_bytes(&self.data())) };
        let bytes = deployed.number("SELECT pg_database_size(current_database())").await?;
        Ok(u64::try_from(bytes)?)
    }

    /// Bytes of the document index.
    pub async fn index_bytes(&self) -> anyhow::Result<u64> {
        match &self.deployed {
            Some(deployed) => deployed.engine.bytes(&deployed.prefix).await,
            None => {
                let index = sizes(&self.data()).into_iter().filter(|(name, _)| name.contains("index"));
                Ok(index.map(|(_, size)| size).sum())
            }
        }
    }

    /// The CPU time of everything that works for the scenario.
    pub async fn cpu_times(&self, assay: &Assay) -> anyhow::Result<CpuTimes> {
        let mut parts = vec![("bench".to_owned(), cpu::of_process(std::process::id()))];
        let alone = self.deployed.is_none();
        let name = |number: usize| if alone { "assay".to_owned() } else { format!("api_{}", number + 1) };
        let servers = assay.servers.iter().enumerate();
        parts.extend(servers.map(|(number, server)| (name(number), server.process().cpu_seconds())));
        let workers = assay.workers.iter().enumerate();
        parts.extend(workers.map(|(number, worker)| (format!("worker_{}", number + 1), worker.cpu_seconds())));
        if let Some(deployed) = &self.deployed {
            parts.extend(deployed.cpu_seconds().await?);
        }
        Ok(CpuTimes::now(parts))
    }
}

impl Deployed {
    fn fresh(servers: Servers) -> anyhow::Result<Self> {
        let engine = Engine::at(&servers.elasticsearch)?;
        let database = services::fresh_database(&servers.postgres);
        let prefix = format!("bench{}", &Uuid::new_v4().simple().to_string()[..12]);
        Ok(Deployed { servers, engine, database, prefix })
    }

    fn settings(&self) -> Vec<String> {
        let queue = self.servers.redis.as_ref().map(|redis| format!("queue={redis}?prefix={}", self.prefix));
        let database = format!("database={}", self.database.url());
        [database, self.index_at(&self.servers.elasticsearch)].into_iter().chain(queue).collect()
    }

    /// The setting for this testbed's index, by way of a server at `url`.
    pub fn index_at(&self, url: &str) -> String {
        format!("index={}/{}", url.trim_end_matches('/'), self.prefix)
    }

    pub fn database(&self) -> &str {
        self.database.url()
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(self.database.url()).await.context("could not connect to the database")
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &'static str) -> anyhow::Result<i64> {
        let mut database = self.connect().await?;
        sqlx::query_scalar(sql).fetch_one(&mut database).await.with_context(|| format!("could not ask {sql}"))
    }

    async fn living_workers(&self, database: &mut PgConnection) -> anyhow::Result<i64> {
        let living = sqlx::query_scalar("SELECT count(*) FROM heartbeats").fetch_one(database).await;
        living.context("the workers could not be counted")
    }

    /// Reports accepted and not yet processed.
    pub async fn waiting(&self, database: &mut PgConnection) -> anyhow::Result<u64> {
        let waiting = "SELECT CAST(COALESCE(sum(reports), 0) AS BIGINT) FROM groups WHERE settled_at IS NULL";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(database).await.context("the queue was not told")?;
        Ok(u64::try_from(waiting)?)
    }

    /// Changes that the index has still to take in.
    pub async fn index_lag(&self, database: &mut PgConnection) -> anyhow::Result<i64> {
        let head = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'changes'").fetch_one(database).await;
        let head: i64 = head.context("the newest change was not told")?;
        Ok(head - self.engine.mark(&self.prefix).await?)
    }

    async fn cpu_seconds(&self) -> anyhow::Result<Vec<(String, Option<f64>)>> {
        // The process that serves this connection is a child of the server's first one.
        let served = u32::try_from(self.number("SELECT CAST(pg_backend_pid() AS BIGINT)").await?)?;
        let postgres = cpu::parent_of(served).and_then(cpu::of_family);
        let engine = self.engine.cpu_seconds().await?;
        let mut told = vec![("postgres".to_owned(), postgres), ("elasticsearch".to_owned(), Some(engine))];
        if let Some(redis) = &self.servers.redis {
            told.push(("redis".to_owned(), floor::redis::cpu_seconds(redis)?));
        }
        Ok(told)
    }

    /// Takes away what is left of the scenario on servers that go on; the database goes by itself.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        self.engine.remove(&self.prefix).await?;
        self.servers.redis.as_ref().map_or(Ok(()), |redis| floor::redis::remove(redis, &self.prefix))
    }
}

impl Assay {
    /// Where it answers; the first node where there are several.
    pub fn address(&self) -> SocketAddr {
        self.servers[0].address
    }

    /// Where all its nodes answer.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// The most memory that its processes have had together, in MB of 1,000,000 bytes; `None` where there is no `/proc`.
    pub fn peak_memory(&self) -> Option<f64> {
        let processes = self.servers.iter().map(Server::process).chain(&self.workers);
        processes.map(Process::peak_memory).sum()
    }

    /// Asks all of it to end, and waits until it has.
    pub fn stop(self) -> anyhow::Result<()> {
        self.servers.into_iter().try_for_each(Server::stop)?;
        self.workers.into_iter().try_for_each(Process::stop)
    }
}
