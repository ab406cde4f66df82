//! `releases`: the whole list at `/v3/release`, out of the published file and out of the database, beside the `sqlite3`
//! shell writing the same rows.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::floor;
use crate::histogram::Latencies;
use crate::http::get;
use crate::intake::Probe;
use crate::measurement::Measurement;
use crate::options::Options;
use crate::testbed::{Deployed, Testbed};

const RELEASES: u64 = 400_000;
/// The list and the shell are read so often, in turn; the fastest reading of each counts.
const TURNS: u32 = 5;
/// Longest wait for the list to be published.
const PATIENCE: Duration = Duration::from_secs(120);

/// The rows of the list, as the shell writes them with `-json`.
const LIST: &str = "\
select distribution as dist, version, sum(pass) as pass, sum(fail) as fail, sum(na) as na, sum(unknown) as unknown, \
sum(pass + fail + na + unknown) as total from releases join summaries on summaries.release = releases.number \
where language = 'perl' group by releases.number order by releases.number";

pub async fn measure(options: &Options) -> anyhow::Result<Measurement> {
    let count = options.reports.unwrap_or(RELEASES);
    let mut measurement = Measurement::new("releases", "rows/s", options, Some(count));
    let testbed = Testbed::open(options).await?;
    let file = testbed.data().join("assay.db");
    // The server makes its tables; then the releases are put in, for only their list is measured here.
    testbed.start(&["index=none"]).await?.stop()?;
    match testbed.deployed() {
        None => fill(&file, count).await?,
        Some(deployed) => fill_deployed(deployed, count).await?,
    }

    let assay = testbed.start(&["index=none"]).await?;
    let began = Instant::now();
    until_published(assay.address()).await?;
    measurement.figure("published_after_ms", began.elapsed().as_secs_f64() * 1e3);
    let before = assay.peak_memory();

    let mut firsts = Latencies::default();
    let (mut published_seconds, mut database, mut shell) = (f64::INFINITY, f64::INFINITY, None);
    let mut streamed_first = Duration::ZERO;
    for _ in 0..TURNS {
        let published = Reading::of(assay.address(), "/v3/release", count).await?;
        firsts.add(published.first);
        published_seconds = published.whole.as_secs_f64().min(published_seconds);
        let streamed = Reading::of(assay.address(), "/v3/release?precache=1", count).await?;
        streamed_first = streamed_first.max(streamed.first);
        database = streamed.whole.as_secs_f64().min(database);
        measurement.figure("bytes", published.bytes);
        let seconds = match testbed.deployed() {
            None => floor::shell_seconds_of(&file, LIST)?,
            Some(deployed) => {
                let rows = format!("SELECT row_to_json(list) FROM ({LIST}) AS list");
                floor::postgres::copy_out_seconds(deployed.database(), &rows)?
            }
        };
        shell = seconds.into_iter().chain(shell).reduce(f64::min);
    }
    measurement.rate = count as f64 / published_seconds;
    measurement.latencies(&firsts);
    measurement.figure("from_the_database_rows_a_second", count as f64 / database);
    measurement.figure("from_the_database_first_byte_ms", streamed_first.as_secs_f64() * 1e3);
    measurement.rss_mb = assay.peak_memory();
    let growth = measurement.rss_mb.zip(before).map(|(after, before)| after - before);
    assay.stop()?;
    let (floor, absent, target) = match testbed.deployed() {
        None => ("sqlite3 shell writing the rows as JSON", "sqlite3_shell", "ratio to the sqlite3 shell"),
        Some(_) => ("psql, COPY of the rows as JSON", "psql", "ratio to psql"),
    };
    match shell {
        Some(seconds) => {
            measurement.floor(floor, count as f64 / seconds);
            measurement.at_least(target, 0.5, seconds / published_seconds);
            measurement.at_least("ratio to it from the database", 0.5, seconds / database);
        }
        None => measurement.figure(absent, "not installed"),
    }
    measurement.at_most("first byte ms", 100.0, measurement.max_ms);
    measurement.at_most("first byte from the database ms", 100.0, Some(streamed_first.as_secs_f64() * 1e3));
    measurement.at_most("MB of memory that reading takes", 32.0, growth);
    if let Some(deployed) = testbed.deployed() {
        deployed.tidy().await?;
    }
    Ok(measurement)
}

/// Puts in releases with counts, every third with a second partition.
async fn fill(file: &Path, count: u64) -> anyhow::Result<()> {
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
    for statement in statements(count, "") {
        connection.execute(AssertSqlSafe(statement)).await.context("the releases could not be put in")?;
    }
    Ok(connection.close().await?)
}

/// The same in PostgreSQL, which is told how many rows there are now.
async fn fill_deployed(deployed: &Deployed, count: u64) -> anyhow::Result<()> {
    let mut connection = deployed.connect().await?;
    let analyze = ["ANALYZE releases".to_owned(), "ANALYZE summaries".to_owned()];
    for statement in statements(count, "overriding system value").into_iter().chain(analyze) {
        connection.execute(AssertSqlSafe(statement)).await.context("the releases could not be put in")?;
    }
    Ok(connection.close().await?)
}

fn statements(count: u64, numbering: &str) -> [String; 4] {
    let numbers =
        format!("with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {count})");
    [
        format!(
            "{numbers} insert into releases (number, language, distribution, version, author, developer, \
             change_number, changed_at) {numbering} select n, 'perl', 'Some-Distribution-' || (n / 4), '1.' || (n % 4) || '01', \
             'AUTHOR', false, n, '2026-01-01T00:00:00+00:00' from numbers"
        ),
        format!(
            "{numbers} insert into summaries (release, development, patched, pass, fail, na, unknown) \
             select n, false, false, 1 + n % 400, n % 7, n % 2, n % 3 from numbers"
        ),
        format!(
            "{numbers} insert into summaries (release, development, patched, pass, fail, na, unknown) \
             select n, true, false, n % 40, 1, 0, 0 from numbers where n % 3 = 0"
        ),
        format!("update counters set value = {count} where name = 'changes'"),
    ]
}

/// Waits until the list comes out of the file, which alone has a length.
async fn until_published(address: SocketAddr) -> anyhow::Result<()> {
    let mut probe = Probe::open(address).await?;
    let began = Instant::now();
    while probe.get("/v3/release", "").await?.header("content-length").is_none() {
        anyhow::ensure!(began.elapsed() < PATIENCE, "the list was not published in {} s", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// One reading of the list on a connection of its own, kept by nobody.
struct Reading {
    /// Until the first byte of the answer's body.
    first: Duration,
    whole: Duration,
    bytes: u64,
}

impl Reading {
    async fn of(address: SocketAddr, path: &str, count: u64) -> anyhow::Result<Reading> {
        let mut stream = TcpStream::connect(address).await.context("could not connect")?;
        let began = Instant::now();
        stream.write_all(&get(path, "connection: close\r\n")).await?;
        let mut chunk = vec![0; 256 * 1024];
        let mut head = Vec::new();
        let (mut first, mut bytes, mut rows) = (None, 0, 0);
        loop {
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            rows += chunk[..read].iter().filter(|byte| **byte == b'{').count() as u64;
            if first.is_none() {
                head.extend_from_slice(&chunk[..read]);
                // After the head, or after the size of the first chunk.
                first = head.windows(3).any(|window| window == b"\r\n[").then(|| began.elapsed());
            }
        }
        anyhow::ensure!(head.starts_with(b"HTTP/1.1 200"), "{path} was not answered 200");
        anyhow::ensure!(rows == count, "{path} has {rows} rows of {count}");
        Ok(Reading { first: first.context("an answer without a body")?, whole: began.elapsed(), bytes })
    }
}
