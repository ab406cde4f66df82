//! The queue of jobs, which apalis keeps: in the database, so that a job and its reports are committed together, or in
//! Redis, where jobs are pushed after the commit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::{PgListener, PostgresStorage};
use apalis_sqlite::SqliteStorage;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::store::GroupNumber;

mod gate;
mod outside;
mod pulses;

pub use gate::{Gate, MOST_WORKERS};
pub use outside::{OutsideQueue, QueueError};

use gate::GateLayer;
use pulses::pulses;

/// Name of the one queue.
pub const QUEUE: &str = "process-group";

/// Jobs fetched at a time.
const BATCH: usize = 32;

/// How often a worker shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Beats that a live worker may leave out, where several share a queue; beyond, what it has in hand is taken for lost.
const MISSED_BEATS: usize = 3;

/// An order to process the reports of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    pub group: i64,
}

impl ProcessGroup {
    pub fn new(group: GroupNumber) -> Self {
        ProcessGroup { group: group.0 }
    }
}

/// Where a worker takes its jobs from.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The pool that writes: the queue takes its turn with all others.
    Sqlite(SqlitePool),
    Postgres(PgPool),
    Redis(Box<OutsideQueue>),
}

/// Runs `work` for each queued job until `stop` resolves; jobs running then are waited for.
///
/// A job is done when `work` returns: it has put what became of it into the store. One that has been fetched but not
/// begun when `stop` comes may end without having begun; its group stays open.
///
/// `wake` cuts the wait for the next poll short: whoever queues a job in this process rings it.
pub async fn run<W, F>(
    backend: Backend,
    worker: &str,
    gate: &Gate,
    wake: Arc<Notify>,
    work: W,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WorkerError>
where
    W: Fn(GroupNumber) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let stopping = Stopping::default();
    let gated = GateLayer { gate: gate.clone(), stopping: stopping.asked.clone() };
    let job = stopping.runner(gate.clone(), work);
    let ending = async move {
        stop.await;
        stopping.drain().await;
        Ok::<(), WorkerError>(())
    };
    let pulses = pulses(Arc::clone(&wake));
    let builder = WorkerBuilder::new(worker);
    match backend {
        Backend::Sqlite(pool) => {
            let config = apalis_sqlite::Config::default().queue(QUEUE).batch_size(BATCH);
            let config = config.heartbeat_interval(HEARTBEAT).lock_tasks(false);
            let jobs = SqliteStorage::<ProcessGroup>::new(&pool).with_config(config).poll_with_stream(pulses);
            builder.backend(jobs).layer(gated).build(job).run_until(ending).await
        }
        Backend::Postgres(pool) => {
            let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(BATCH);
            let config = config.heartbeat_interval(HEARTBEAT).missed_heartbeats(MISSED_BEATS).lock_tasks(false);
            let jobs = PostgresStorage::<ProcessGroup>::new(&pool).with_config(config).poll_with_stream(pulses);
            tokio::select! {
                ended = builder.backend(jobs).layer(gated).build(job).run_until(ending) => ended,
                () = ring_at_inserts(&pool, &wake) => Ok(()),
            }
        }
        Backend::Redis(queue) => {
            let jobs = queue.storage().map_err(|error| WorkerError::BackendError(error.into()))?;
            let jobs = jobs.poll_with_stream(pulses);
            tokio::select! {
                ended = builder.backend(jobs).layer(gated).build(job).run_until(ending) => ended,
                () = queue.attend(worker, &wake) => Ok(()),
            }
        }
    }
}

/// Rings whenever a job was queued, by any process. Without end, and without a word: while the database is away, apalis
/// tells.
async fn ring_at_inserts(pool: &PgPool, wake: &Notify) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(pool).await
            // apalis notifies of each job it is given.
            && listener.listen("apalis::job::insert").await.is_ok()
        {
            while listener.recv().await.is_ok() {
                wake.notify_one();
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// How a run comes to its end: no more jobs are let through, those that run end, and only then apalis is told.
///
/// Told while jobs run, apalis waits for them and lets lie what it has begun itself: a fetch or a heartbeat in the
/// middle of its transaction, with the one connection that writes and that the jobs need to end.
#[derive(Clone, Default)]
struct Stopping {
    asked: CancellationToken,
    jobs: TaskTracker,
    ended: CancellationToken,
}

impl Stopping {
    /// What apalis is to do with a job: `work`, in a task of its own so that jobs run on all cores.
    fn runner<W, F>(&self, gate: Gate, work: W) -> impl Fn(ProcessGroup) -> JoinHandle<()> + Clone + use<W, F>
    where
        W: Fn(GroupNumber) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = self.clone();
        move |job: ProcessGroup| {
            let (gate, stopping, work) = (gate.clone(), stopping.clone(), work.clone());
            stopping.jobs.clone().spawn(async move {
                if !stopping.ended.is_cancelled() && gate.opened(&stopping.asked).await {
                    work(GroupNumber(job.group)).await;
                }
            })
        }
    }

    async fn drain(&self) {
        self.asked.cancel();
        self.jobs.close();
        self.jobs.wait().await;
        self.ended.cancel();
    }
}
