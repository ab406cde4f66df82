//! Puts reports into a server before a measurement, and asks how far it is with them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::generator::Generator;
use crate::http::{Answer, Connection, get, head};

/// Bytes of one batch, about.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Most reports in one batch.
const BATCH_REPORTS: usize = 1_000;
const SENDERS: usize = 4;

/// Sends reports `0..count` as batches of lines, to all addresses in turn, and returns when all are accepted.
pub async fn load(addresses: &[SocketAddr], generator: &Arc<Generator>, count: u64) -> anyhow::Result<()> {
    let batch = (BATCH_BYTES / generator.report(0).len()).clamp(20, BATCH_REPORTS) as u64;
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = JoinSet::new();
    for address in addresses.iter().copied().cycle().take(SENDERS) {
        let (generator, next) = (generator.clone(), next.clone());
        senders.spawn(async move {
            let mut connection = Connection::open(address).await.context("could not connect")?;
            loop {
                let from = next.fetch_add(batch, Ordering::Relaxed);
                if from >= count {
                    return anyhow::Ok(());
                }
                send_batch(&mut connection, &generator, from..(from + batch).min(count)).await?;
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.context("a sender ended early")??;
    }
    Ok(())
}

async fn send_batch(
    connection: &mut Connection,
    generator: &Generator,
    numbers: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let wanted = numbers.end - numbers.start;
    let mut lines = String::new();
    for number in numbers {
        generator.write(number, &mut lines);
        lines.push('\n');
    }
    let mut request = Vec::with_capacity(lines.len() + 200);
    head(&mut request, "POST", "/v4/reports", "content-type: application/x-ndjson\r\n", Some(lines.len()));
    request.extend_from_slice(lines.as_bytes());
    loop {
        let answer = connection.send(&request).await.context("could not send a batch")?;
        if matches!(answer.status, 429 | 503) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        let text = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!((200..300).contains(&answer.status), "a batch was answered {}: {text}", answer.status);
        let accepted = text.lines().filter(|line| taken(line)).count() as u64;
        anyhow::ensure!(
            accepted == wanted,
            "of {wanted} reports {accepted} were accepted: {}",
            text.lines().next().unwrap_or_default()
        );
        return Ok(());
    }
}

/// Whether a result line says that its report is stored.
fn taken(line: &str) -> bool {
    let result: Value = serde_json::from_str(line).unwrap_or_default();
    matches!(result["outcome"].as_str(), Some("accepted" | "duplicate"))
}

/// Asks one server questions over one connection.
pub struct Probe {
    connection: Connection,
}

impl Probe {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Probe { connection: Connection::open(address).await.context("could not connect")? })
    }

    pub async fn get(&mut self, path: &str, extra: &str) -> anyhow::Result<&Answer> {
        self.connection.send(&get(path, extra)).await.with_context(|| format!("could not get {path}"))
    }

    pub async fn json(&mut self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path, "cache-control: no-cache\r\n").await?;
        let text = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!(answer.status == 200, "{path} was answered {}: {text}", answer.status);
        serde_json::from_slice(&answer.body).with_context(|| format!("{path} is no JSON"))
    }

    /// Sends one report, and fails unless it is accepted.
    pub async fn post(&mut self, body: &[u8], extra: &str) -> anyhow::Result<()> {
        let mut request = Vec::with_capacity(body.len() + 200);
        let headers = format!("content-type: application/json\r\n{extra}");
        head(&mut request, "POST", "/v4/reports", &headers, Some(body.len()));
        request.extend_from_slice(body);
        let answer = self.connection.send(&request).await.context("could not send a report")?;
        let text = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!((200..300).contains(&answer.status), "a report was answered {}: {text}", answer.status);
        Ok(())
    }

    /// The sum of a metric over its labels; `None` when the server has no such metric.
    pub async fn metric(&mut self, name: &str) -> anyhow::Result<Option<f64>> {
        let answer = self.get("/metrics", "").await?;
        anyhow::ensure!(answer.status == 200, "/metrics was answered {}", answer.status);
        Ok(metric(&String::from_utf8_lossy(&answer.body), name))
    }

    /// Reports accepted and not yet processed.
    pub async fn waiting(&mut self) -> anyhow::Result<u64> {
        if let Some(waiting) = self.metric("assay_reports_waiting").await? {
            return Ok(waiting as u64);
        }
        let page = self.json("/v4/results?limit=1").await?;
        page["waiting"].as_u64().context("neither /metrics nor /v4/results tells how many reports wait")
    }

    /// Changes not yet in the index.
    pub async fn index_lag(&mut self) -> anyhow::Result<u64> {
        if let Some(lag) = self.metric("assay_index_lag").await? {
            return Ok(lag as u64);
        }
        let page = self.json("/v4/search?q=grade:pass&limit=1").await?;
        page["lag"].as_u64().context("neither /metrics nor /v4/search tells how far the index is behind")
    }

    /// Waits until no report waits; fails after `patience`.
    pub async fn until_processed(&mut self, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let waiting = self.waiting().await?;
            if waiting == 0 {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < patience, "{waiting} reports still wait after {} s", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the index holds every change; fails after `patience`.
    pub async fn until_indexed(&mut self, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let lag = self.index_lag().await?;
            if lag == 0 {
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < patience,
                "the index is still {lag} changes behind after {} s",
                patience.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How long `count` reports may take to be processed or indexed before a run is given up.
pub fn patience(count: u64) -> Duration {
    Duration::from_secs(60 + count / 200)
}

fn metric(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    samples.reduce(|sum, sample| sum + sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_over_its_labels_and_no_longer_name_is_taken_for_it() {
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{door=\"v4\",x=\"}\"} 3\na_total{door=\"v3\"} 4\n\
                    a_total_more 100\nb 2.5 1700000000\n";
        assert_eq!(metric(text, "a_total"), Some(7.0));
        assert_eq!(metric(text, "b"), Some(2.5));
        assert_eq!(metric(text, "a"), None);
    }

    #[test]
    fn a_line_counts_when_its_report_is_stored() {
        assert!(taken(r#"{"line":1,"outcome":"accepted","status":202}"#));
        assert!(taken(r#"{"line":1,"outcome":"duplicate","status":202}"#));
        assert!(!taken(r#"{"line":1,"outcome":"rejected","status":400}"#));
        assert!(!taken("not json"));
    }
}
