//! `--demo`: a corpus of real reports, loaded through the same doors that testers use.

use anyhow::{Context, bail};
use serde_json::Value;

/// Report texts of one release on a hundred platforms, and the summary lines of a thousand reports of one day.
static REPORTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-reports.ndjson.zst"));

/// Whole requests as install clients sent them, one a line.
static CAPTURES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-captures.ndjson.zst"));

/// Sends the corpus to the server at `base`. Sent twice it is counted once.
pub async fn load(base: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build().context("no HTTP client can be made")?;
    let reports = zstd::decode_all(REPORTS).context("the demo's reports cannot be unpacked")?;
    let answer = client
        .post(format!("{base}/v4/reports"))
        .header("content-type", "application/x-ndjson")
        .body(reports)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .context("the demo's reports were not taken")?;
    let lines = answer.text().await?.lines().count();
    let captures = zstd::decode_all(CAPTURES).context("the demo's requests cannot be unpacked")?;
    let mut requests = 0;
    for line in captures.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        replay(&client, base, &serde_json::from_slice(line)?).await?;
        requests += 1;
    }
    tracing::info!(reports = lines, requests, "the demo corpus is loaded");
    Ok(())
}

/// Sends one request as it was captured.
async fn replay(client: &reqwest::Client, base: &str, request: &Value) -> anyhow::Result<()> {
    let text = |name: &str| request[name].as_str().with_context(|| format!("a demo request has no {name}"));
    let mut order = client.post(format!("{base}{}", text("path")?));
    for header in request["headers"].as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (header[0].as_str(), header[1].as_str()) else { continue };
        if ["authorization", "content-type", "accept"].contains(&name.to_lowercase().as_str()) {
            order = order.header(name, value);
        }
    }
    let answer = order.body(text("body")?.to_owned()).send().await.context("a demo request was not answered")?;
    match answer.status().is_success() {
        true => Ok(()),
        false => bail!("a demo request was answered {}: {}", answer.status(), answer.text().await?),
    }
}
