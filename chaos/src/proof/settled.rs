//! Waits until nothing waits any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Evidence;
use crate::check::Check;
use crate::client::Client;

/// Longest time without any progress before assay counts as stuck.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until everything is processed, the index is complete, and no node has anything in its spool.
pub(super) async fn check(evidence: &Evidence<'_>) -> Check {
    let mut check = Check::new("settled", "everything accepted is processed and searchable, without further help");
    let (mut before, mut since) = (Value::Null, Instant::now());
    loop {
        let left = left(evidence).await.unwrap_or_else(|error| json!(format!("{error:#}")));
        if left == json!({"waiting": 0, "index": 0, "spools": vec![json!([0, "ok"]); evidence.doors.len()]}) {
            check.expect(true, String::new);
            return check;
        }
        if left["index"].is_null() && left["waiting"] == 0 {
            check.expect(false, || format!("assay runs without its index: {left}"));
            return check;
        }
        if left != before {
            (before, since) = (left.clone(), Instant::now());
        }
        if since.elapsed() > PATIENCE {
            check.expect(false, || format!("nothing moved for {} s: {left}", PATIENCE.as_secs()));
            return check;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How much is left to do.
async fn left(evidence: &Evidence<'_>) -> anyhow::Result<Value> {
    let status = evidence.client.json("/v4/status").await?;
    let mut spools = Vec::new();
    for door in &evidence.doors {
        spools.push(spool(evidence.client, door).await?);
    }
    Ok(json!({"waiting": status["waiting"], "index": status["index"]["lag"], "spools": spools}))
}

/// What is in the spool of a node, and whether it has the database.
async fn spool(client: &Client, door: &str) -> anyhow::Result<Value> {
    let (_, body) = client.get_from(door, "/readyz", "application/json").await?;
    let ready: Value = serde_json::from_slice(&body)?;
    Ok(json!([ready["spooling"], ready["database"]]))
}
