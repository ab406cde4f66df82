//! `process` where assay is deployed: a backlog worked off by one worker process and by several, beside PostgreSQL, the
//! search engine and Redis taking the same rows, documents and jobs from their own programs.

use std::sync::Arc;

use super::{Left, REPORTS, Rates, rates};
use crate::cpu::CpuUse;
use crate::floor;
use crate::floor::bulk::Recorder;
use crate::generator::Generator;
use crate::intake;
use crate::measurement::{Floor, Measurement};
use crate::options::Options;
use crate::testbed::{Deployed, Testbed};

/// Growth of the rate from one worker process to two.
const GROWTH: f64 = 1.7;
/// How often one and several are compared, in turn: a machine's moods last as long as such a measurement. An odd number.
const ROUNDS: usize = 5;
/// Jobs that `redis-benchmark` pushes at least: with fewer, it measures its own start.
const JOBS: u64 = 10_000;

/// Reports to be worked off, again and again.
struct Backlog<'o> {
    options: &'o Options,
    count: u64,
    /// Processes that work it off when one does not.
    several: u16,
}

/// One way of working the backlog off.
struct Worked {
    processes: u16,
    rates: Rates,
    used: CpuUse,
    rss_mb: Option<f64>,
    database_bytes: u64,
}

/// The same backlog worked off by one process and by several.
struct Comparison<'o> {
    one: Worked,
    several: Worked,
    /// Where the several worked.
    testbed: Testbed<'o>,
}

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(REPORTS);
    let backlog = Backlog { options, count, several: options.worker_processes.max(2) };
    let mut measurement = Measurement::new("process", "reports/s", options, Some(count));

    let mut growths = Vec::new();
    for _ in 1..ROUNDS {
        let compared = backlog.compare(false).await?;
        growths.push(compared.growth());
        tidy(&compared.testbed).await?;
    }
    let counted = backlog.compare(false).await?;
    growths.push(counted.growth());
    counted.show(&mut measurement, "");
    measurement.rate = counted.several.rates.counted;
    measurement.bytes_per_report = Some(counted.several.database_bytes as f64 / count as f64);
    judge(&mut measurement, &mut growths, backlog.several, &counted.several.used);
    floors_of_rows(&mut measurement, &counted.testbed, count).await?;
    tidy(&counted.testbed).await?;

    let indexed = backlog.compare(true).await?;
    indexed.show(&mut measurement, "_with_index");
    for worked in [&indexed.one, &indexed.several] {
        measurement.figure(format!("processes_{}_with_index_rate_of_counts", worked.processes), worked.rates.counted);
    }
    measurement.figure("rate_with_index", indexed.several.rates.indexed);
    floor_of_documents(&mut measurement, &indexed.testbed, indexed.several.rates.indexed).await?;
    tidy(&indexed.testbed).await?;

    let all = [&counted.one, &counted.several, &indexed.one, &indexed.several];
    measurement.rss_mb = all.iter().filter_map(|worked| worked.rss_mb).reduce(f64::max);
    Ok(measurement)
}

impl<'o> Backlog<'o> {
    async fn compare(&self, indexed: bool) -> anyhow::Result<Comparison<'o>> {
        let (one, testbed) = self.work_off(1, indexed).await?;
        tidy(&testbed).await?;
        let (several, testbed) = self.work_off(self.several, indexed).await?;
        Ok(Comparison { one, several, testbed })
    }

    async fn work_off(&self, processes: u16, indexed: bool) -> anyhow::Result<(Worked, Testbed<'o>)> {
        let testbed = Testbed::open(self.options).await?;
        let deployed = deployed(&testbed);
        let index: &[&str] = if indexed { &[] } else { &["index=none"] };
        let generator = Arc::new(Generator::new(self.options.seed, self.options.size));
        let held = testbed.start(&[index, &["workers=0"]].concat()).await?;
        intake::load(&held.addresses(), &generator, self.count).await?;
        held.stop()?;

        let workers = testbed.start_workers(processes, &[index, &[&self.jobs()]].concat()).await?;
        let mut database = deployed.connect().await?;
        let before = testbed.cpu_times(&workers).await?;
        let rates = rates(self.count, async || {
            let waiting = deployed.waiting(&mut database).await?;
            let behind = indexed && (waiting > 0 || deployed.index_lag(&mut database).await? > 0);
            Ok(Left { waiting, behind })
        });
        let rates = rates.await?;
        let used = testbed.cpu_times(&workers).await?.since(&before);
        let rss_mb = workers.peak_memory();
        workers.stop()?;
        let worked = Worked { processes, rates, used, rss_mb, database_bytes: testbed.database_bytes().await? };
        worked.tell();
        Ok((worked, testbed))
    }

    /// Jobs that each process does at a time: one for each core over all, so that one process leaves room for the others.
    fn jobs(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!("workers={}", (cores / usize::from(self.several)).max(1))
    }
}

impl Worked {
    /// Says at once what came of it: there are minutes between one and the next.
    fn tell(&self) {
        let busy = self.used.cores_busy().unwrap_or_default();
        eprintln!("processes_{}_rate: {:.0}, {busy:.2} cores busy", self.processes, self.rates.indexed);
    }
}

impl Comparison<'_> {
    /// What several processes do in the time in which one does one report.
    fn growth(&self) -> f64 {
        self.several.rates.indexed / self.one.rates.indexed
    }

    fn show(&self, measurement: &mut Measurement, with: &str) {
        for worked in [&self.one, &self.several] {
            let of = format!("processes_{}{with}_", worked.processes);
            measurement.figure(format!("{of}rate"), worked.rates.indexed);
            worked.used.show(measurement, &of);
            measurement.figure(format!("{of}rss_mb"), worked.rss_mb);
        }
        measurement.figure(format!("scaling{with}"), self.growth());
    }
}

fn deployed<'t>(testbed: &'t Testbed) -> &'t Deployed {
    testbed.deployed().expect("the profile is a deployed one")
}

/// Takes what is left on the servers away, so that nothing of it is in the way of the next.
async fn tidy(testbed: &Testbed<'_>) -> anyhow::Result<()> {
    deployed(testbed).tidy().await
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

/// The same rows copied by `psql`, and as many jobs pushed into Redis.
async fn floors_of_rows(measurement: &mut Measurement, testbed: &Testbed<'_>, count: u64) -> anyhow::Result<()> {
    let deployed = deployed(testbed);
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

/// The documents that assay sends when it fills an index anew, sent again without it, beside assay's rate with an index.
async fn floor_of_documents(
    measurement: &mut Measurement,
    testbed: &Testbed<'_>,
    assays_rate: f64,
) -> anyhow::Result<()> {
    let deployed = deployed(testbed);
    let recorder = Recorder::before(&deployed.engine).await?;
    let index = deployed.index_at(&recorder.url);
    tokio::task::block_in_place(|| testbed.command("rebuild --index", &[&index]))?;
    let rate = floor::bulk::index_rate(&deployed.engine, deployed.prefix(), &recorder.bodies()).await?;
    measurement.floors.push(Floor { name: "bulk, with index".to_owned(), rate, ratio: assays_rate / rate });
    Ok(())
}
