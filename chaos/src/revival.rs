//! Shows that assay goes on by itself: a new report is taken by each door, and processed, within a bounded time.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Answer, Receipt};
use crate::load::{BLOCK, Load};

/// How long assay may take to go on after a fault, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

impl Load {
    /// Sends report `number` of those kept for this to every door, and waits until it is processed.
    pub async fn revive(&self, number: u64) -> anyhow::Result<()> {
        let mut account = self.account(self.count.next_multiple_of(BLOCK) + BLOCK * (1 + number));
        let body = self.form(&mut account, 0)?;
        let (client, tally) = (&self.courier.client, &self.courier.tally);
        let end = Instant::now() + PATIENCE;
        let mut last = Answer::Unsent;
        tally.reports.add();
        for door in 0..client.addresses.count() {
            let mut taken = false;
            while !taken && Instant::now() < end {
                last = client.submit(door, self.token(&account), "application/json", body.bytes.clone()).await;
                taken = matches!(last, Answer::Taken(..));
                tally.sends.add();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if taken {
                tally.acknowledged.add();
                account.acknowledge(1, &body.digest).map_err(anyhow::Error::msg)?;
            } else {
                account.perhaps.push(body.digest.clone());
            }
            self.courier.watch.recovery(taken, || format!("door {door} took no report for {PATIENCE:?}: {last:?}"));
        }
        let path = format!("/v4/reports/{}/receipt?wait=1", account.id);
        let mut state = String::new();
        while state != "processed" && Instant::now() < end {
            let receipt = client.json(&path).await.unwrap_or(Value::Null);
            state = Receipt::read(&receipt).map_or_else(|| "not there".to_owned(), |receipt| receipt.state);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let processed = state == "processed";
        self.courier.watch.recovery(processed, || format!("{} was {state} after {PATIENCE:?}", account.id));
        self.finish(account);
        Ok(())
    }
}
