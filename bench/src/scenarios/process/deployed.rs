//! `process` where assay is deployed: a backlog worked off by one worker process and by several, beside PostgreSQL, the
//! search engine and Redis taking the same rows, documents and jobs from their own programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::REPORTS;
use crate::cpu::CpuUse;
use crate::floor;
use crate::floor::bulk::Recorder;
use crate::generator::Generator;
use crate::intake::{self, patience};
use crate::measurement::{Floor, Measurement};
use crate::options::Options;
use crate::testbed::{Assay, Deployed, Testbed};

/// Growth of the rate from one worker process to two.
const GROWTH: f64 = 1.7;
/// How often one and several are compared, in turn: a machine's moods last as long as such a measurement. An odd number.
const ROUNDS: usize = 5;
/// Jobs that `redis-benchmark` pushes at least: with fewer, it measures its own start.
const JOBS: u64 = 10_000;

/// One way of working the backlog off.
struct Worked {
    rate: f64,
    /// Until the index has them too.
    indexed_rate: Option<f64>,
    used: CpuUse,
    rss_mb: Option<f64>,
    database_bytes: u64,
}

impl Worked {
    /// Says at once what came of it: there are minutes between one and the next.
    fn tell(&self, of: &str) {
        let busy = self.used.cores_busy().unwrap_or_default();
        eprintln!("{of}rate: {:.0}, {busy:.2} cores busy", self.indexed_rate.unwrap_or(self.rate));
    }
}

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let several = options.worker_processes.max(2);
    let jobs = jobs(several);
    let mut measurement = Measurement::new("process", "reports/s", options, Some(count));
    let mut rss_mb = None;
    let mut growths = Vec::new();
    for _ in 1..ROUNDS {
        growths.push(growth(options, count, several, &jobs).await?);
    }
    for indexed in [false, true] {
        let with = if indexed { "_with_index" } else { "" };
        let mut rates = Vec::new();
        for processes in [1, several] {
            let testbed = Testbed::open(options).await?;
            let worked = work_off(&testbed, options, count, processes, &jobs, indexed).await?;
            let of = format!("processes_{processes}{with}_");
            worked.tell(&of);
            rates.push(worked.indexed_rate.unwrap_or(worked.rate));
            measurement.figure(format!("{of}rate"), worked.indexed_rate.unwrap_or(worked.rate));
            if indexed {
                measurement.figure(format!("{of}rate_of_counts"), worked.rate);
            }
            worked.used.show(&mut measurement, &of);
            measurement.figure(format!("{of}rss_mb"), worked.rss_mb);
            rss_mb = worked.rss_mb.into_iter().chain(rss_mb).reduce(f64::max);
            match indexed {
                false => measurement.rate = worked.rate,
                true => measurement.figure("rate_with_index", worked.indexed_rate),
            }
            if !indexed && processes == several {
                measurement.bytes_per_report = Some(worked.database_bytes as f64 / count as f64);
                growths.push(rates[1] / rates[0]);
                judge(&mut measurement, &mut growths, several, &worked.used);
            }
            if processes == several
                && let Some(deployed) = testbed.deployed()
            {
                match indexed {
                    false => floors_of_rows(&mut measurement, &testbed, deployed, count).await?,
                    true => floor_of_documents(&mut measurement, &testbed, deployed).await?,
                }
            }
            if let Some(deployed) = testbed.deployed() {
                deployed.tidy().await?;
            }
        }
        measurement.figure(format!("scaling{with}"), rates[1] / rates[0]);
    }
    measurement.rss_mb = rss_mb;
    Ok(measurement)
}

/// Jobs that each process does at a time: one for each core over all, so that one process leaves room for the others.
fn jobs(processes: u16) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("workers={}", (cores / usize::from(processes)).max(1))
}

/// What several processes do in the time in which one does one report.
async fn growth(options: &Options, count: u64, several: u16, jobs: &str) -> anyhow::Result<f64> {
    let mut rates = Vec::new();
    for processes in [1, several] {
        let testbed = Testbed::open(options).await?;
        let worked = work_off(&testbed, options, count, processes, jobs, false).await?;
        worked.tell(&format!("processes_{processes}_"));
        rates.push(worked.rate);
        if let Some(deployed) = testbed.deployed() {
            deployed.tidy().await?;
        }
    }
    Ok(rates[1] / rates[0])
}

/// Two processes are held to their growth, the median of those measured, where the machine had room for it: one that had
/// no core left while they worked says nothing about them.
fn judge(measurement: &mut Measurement, growths: &mut [f64], several: u16, used: &CpuUse) {
    growths.sort_by(f64::total_cmp);
    let growth = growths[growths.len() / 2];
    measurement.figure("growths", growths.iter().map(|one| format!("{one:.2}")).collect::<Vec<_>>().join(", "));
    let cores = measurement.run.cores as f64;
    let full = used.cores_busy().is_some_and(|busy| busy > 0.9 * cores);
    if several == 2 && (growth >= GROWTH || !full) {
        measurement.at_least("growth from one worker process to two", GROWTH, growth);
    } else if several == 2 {
        measurement.figure("growth", "not judged: the two had all cores busy");
    }
}

async fn work_off(
    testbed: &Testbed<'_>,
    options: &Options,
    count: u64,
    processes: u16,
    jobs: &str,
    indexed: bool,
) -> anyhow::Result<Worked> {
    let index: &[&str] = if indexed { &[] } else { &["index=none"] };
    let generator = Arc::new(Generator::new(options.seed, options.size));
    let held = testbed.start(&[index, &["workers=0"]].concat()).await?;
    intake::load(&held.addresses(), &generator, count).await?;
    held.stop()?;

    let workers = testbed.start_workers(processes, &[index, &[jobs]].concat()).await?;
    let (rate, indexed_rate, used) = rates(testbed, &workers, count, indexed).await?;
    let rss_mb = workers.peak_memory();
    workers.stop()?;
    Ok(Worked { rate, indexed_rate, used, rss_mb, database_bytes: testbed.database_bytes().await? })
}

/// Reports a second from the first look at the queue on, when all workers have begun, so that starting up is left out of
/// the time and of the count; and what was used meanwhile.
async fn rates(
    testbed: &Testbed<'_>,
    workers: &Assay,
    count: u64,
    indexed: bool,
) -> anyhow::Result<(f64, Option<f64>, CpuUse)> {
    let deployed = testbed.deployed().expect("the profile is a deployed one");
    let mut database = deployed.connect().await?;
    let before = testbed.cpu_times(workers).await?;
    let began = Instant::now();
    let waiting = deployed.waiting(&mut database).await?;
    anyhow::ensure!(
        waiting * 2 > count,
        "only {waiting} of {count} reports waited still at the first look; take more reports"
    );
    let mut rate = None;
    let deadline = began + patience(count);
    loop {
        if rate.is_none() && deployed.waiting(&mut database).await? == 0 {
            rate = Some(waiting as f64 / began.elapsed().as_secs_f64());
        }
        let indexed_rate = match rate {
            Some(_) if indexed && deployed.index_lag(&mut database).await? <= 0 => {
                Some(waiting as f64 / began.elapsed().as_secs_f64())
            }
            _ => None,
        };
        if let Some(rate) = rate.filter(|_| !indexed || indexed_rate.is_some()) {
            return Ok((rate, indexed_rate, testbed.cpu_times(workers).await?.since(&before)));
        }
        anyhow::ensure!(Instant::now() < deadline, "the backlog was not worked off in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The same rows copied by `psql`, and as many jobs pushed into Redis.
async fn floors_of_rows(
    measurement: &mut Measurement,
    testbed: &Testbed<'_>,
    deployed: &Deployed,
    count: u64,
) -> anyhow::Result<()> {
    let mut database = deployed.connect().await?;
    match floor::postgres::copy_in(deployed.database(), &mut database, "extracts", testbed.scratch()).await? {
        Some(copied) => {
            measurement.floor("psql, COPY of the rows", count as f64 / copied.bare);
            measurement.floor("psql, COPY with the same indexes", count as f64 / copied.indexed);
        }
        None => measurement.figure("psql", "not installed"),
    }
    let jobs = deployed.number("SELECT count(*) FROM groups").await?;
    measurement.figure("jobs", jobs);
    let Some(redis) = &deployed.servers.redis else { return Ok(()) };
    match floor::redis::push_rate(redis, JOBS.max(jobs.unsigned_abs()))? {
        Some(rate) => measurement.floor("redis-benchmark, jobs' reports", rate * count as f64 / jobs as f64),
        None => measurement.figure("redis_benchmark", "not installed"),
    }
    Ok(())
}

/// The documents that assay sends when it fills an index anew, sent again without it.
async fn floor_of_documents(
    measurement: &mut Measurement,
    testbed: &Testbed<'_>,
    deployed: &Deployed,
) -> anyhow::Result<()> {
    let recorder = Recorder::before(&deployed.engine).await?;
    let index = deployed.index_at(&recorder.url);
    tokio::task::block_in_place(|| testbed.command("rebuild --index", &[&index]))?;
    let rate = floor::bulk::index_rate(&deployed.engine, deployed.prefix(), &recorder.bodies()).await?;
    // This floor is one for the rate with the index.
    let beside = measurement.figures["rate_with_index"].as_f64().unwrap_or_default();
    measurement.floors.push(Floor { name: "bulk, with index".to_owned(), rate, ratio: beside / rate });
    Ok(())
}
