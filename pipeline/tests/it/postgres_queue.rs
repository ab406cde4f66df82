//! Jobs in a real PostgreSQL get done, each once, by workers that share them and by those that come after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apalis::prelude::TaskSink;
use apalis_postgres::PostgresStorage;
use pipeline::queue::{self, Backend, Gate, ProcessGroup, QUEUE};
use pipeline::store::GroupNumber;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Barrier, Notify};
use tokio_util::sync::CancellationToken;

use crate::queue::{PATIENCE, eventually};

/// A database of its own with apalis' tables.
async fn database() -> Option<services::Database> {
    let make = || Some(services::fresh_database(&services::postgres()?));
    let database = tokio::task::spawn_blocking(make).await.unwrap()?;
    let pool = connect(&database).await;
    PostgresStorage::setup(&pool).await.unwrap();
    Some(database)
}

async fn connect(database: &services::Database) -> PgPool {
    PgPoolOptions::new().max_connections(6).connect(database.url()).await.unwrap()
}

async fn push(pool: &PgPool, groups: std::ops::Range<i64>) {
    let config = apalis_postgres::Config::default().queue(QUEUE);
    let mut jobs = PostgresStorage::<ProcessGroup>::new(pool).with_config(config);
    jobs.push_bulk(groups.map(|group| ProcessGroup::new(GroupNumber(group))).collect()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_jobs_and_a_gate_holds_them() {
    let Some(database) = database().await else { return };
    let pool = connect(&database).await;
    let done: Arc<Mutex<HashMap<i64, usize>>> = Arc::default();
    let (both, stop, gate) = (Arc::new(Barrier::new(2)), CancellationToken::new(), Gate::new(0));
    let workers = ["one", "two"].map(|name| {
        let (pool, gate, stop) = (pool.clone(), gate.clone(), stop.clone());
        let (done, both, first) = (Arc::clone(&done), Arc::clone(&both), Arc::new(AtomicUsize::new(0)));
        let work = move |group: GroupNumber| {
            let (done, both, first) = (Arc::clone(&done), Arc::clone(&both), Arc::clone(&first));
            async move {
                // The first job of each worker waits for that of the other, so that neither can do all.
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    both.wait().await;
                }
                *done.lock().unwrap().entry(group.0).or_default() += 1;
            }
        };
        tokio::spawn(async move {
            let wake = Arc::new(Notify::new());
            queue::run(Backend::Postgres(pool), name, &gate, wake, work, stop.cancelled_owned()).await
        })
    });
    push(&pool, 0..500).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(done.lock().unwrap().len(), 0);
    gate.resize(4);
    eventually("500 jobs done", async || done.lock().unwrap().len() == 500).await;
    stop.cancel();
    for worker in workers {
        tokio::time::timeout(PATIENCE, worker).await.expect("the worker ends in time").unwrap().unwrap();
    }
    assert!(done.lock().unwrap().values().all(|runs| *runs == 1));
    let ended: i64 =
        sqlx::query_scalar("SELECT count(*) FROM apalis.jobs WHERE status = 'Done'").fetch_one(&pool).await.unwrap();
    assert_eq!(ended, 500);
}

#[test]
fn jobs_of_a_worker_that_vanished_are_taken_by_another() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = runtime();
    let Some(database) = first.block_on(async {
        let database = database().await?;
        let pool = connect(&database).await;
        push(&pool, 0..50).await;
        let taken = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&taken);
        tokio::spawn(async move {
            let work = move |_| {
                seen.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            };
            let (gate, wake) = (Gate::new(2), Arc::new(Notify::new()));
            queue::run(Backend::Postgres(pool), "one", &gate, wake, work, std::future::pending()).await
        });
        eventually("two jobs taken", async || taken.load(Ordering::SeqCst) == 2).await;
        Some(database)
    }) else {
        return;
    };
    first.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(async {
        let pool = connect(&database).await;
        let done: Arc<Mutex<Vec<i64>>> = Arc::default();
        let noting = Arc::clone(&done);
        let work = move |group: GroupNumber| {
            noting.lock().unwrap().push(group.0);
            std::future::ready(())
        };
        let (gate, wake, stop) = (Gate::new(2), Arc::new(Notify::new()), CancellationToken::new());
        let running = tokio::spawn({
            let (pool, stop) = (pool.clone(), stop.clone());
            async move { queue::run(Backend::Postgres(pool), "two", &gate, wake, work, stop.cancelled_owned()).await }
        });
        let end = Instant::now() + Duration::from_secs(90);
        while done.lock().unwrap().len() < 50 {
            assert!(Instant::now() < end, "in vain waited for the jobs of the dead worker");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        tokio::time::timeout(PATIENCE, running).await.expect("the worker ends in time").unwrap().unwrap();
    });
}
