//! Shows that assay goes on by itself within a bounded time: a new report is taken by each door, and processed; searches
//! are answered again.

use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset};
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
            let (mut taken, mut spooled) = (false, false);
            while !taken && Instant::now() < end {
                last = client.submit(door, self.token(&account), "application/json", body.bytes.clone()).await;
                taken = matches!(last, Answer::Taken(..));
                spooled = matches!(&last, Answer::Taken(_, text) if text.contains("\"spooled\""));
                tally.sends.add();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if taken && spooled {
                account.spooled.push(body.digest.clone());
            } else if taken {
                tally.acknowledged.add();
                account.acknowledge(1, &body.digest).map_err(anyhow::Error::msg)?;
            } else {
                account.perhaps.push(body.digest.clone());
            }
            self.courier.watch.recovery(taken, || format!("door {door} took no report for {PATIENCE:?}: {last:?}"));
        }
        let path = format!("/v4/reports/{}/receipt?wait=1", account.id);
        let (mut state, mut receipt) = (String::new(), Value::Null);
        while state != "processed" && Instant::now() < end {
            receipt = client.json(&path).await.unwrap_or(Value::Null);
            state = Receipt::read(&receipt).map_or_else(|| "not there".to_owned(), |receipt| receipt.state);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let processed = state == "processed";
        self.courier.watch.recovery(processed, || format!("{} was {state} after {PATIENCE:?}", account.id));
        self.finish(account);
        if processed && self.courier.availability.is_some() {
            self.catch_up(&receipt["received_at"], end + PATIENCE).await;
        }
        Ok(())
    }

    /// Waits until everything is processed that was received before a moment: what a queue has lost must not be left to
    /// the next worker that starts.
    async fn catch_up(&self, received_at: &Value, end: Instant) {
        let (wanted, mut fresh) = (moment(received_at), None);
        while (fresh.is_none() || fresh < wanted) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let status = self.courier.client.json("/v4/status").await.unwrap_or(Value::Null);
            fresh = moment(&status["fresh_at"]);
        }
        let told = || format!("what came before {wanted:?} waits: all is processed until {fresh:?} only");
        self.courier.watch.recovery(wanted.is_some() && fresh >= wanted, told);
    }

    /// Waits until searches are answered, after the index was damaged under the process that holds it.
    pub async fn search_again(&self) {
        let end = Instant::now() + PATIENCE;
        let mut last = None;
        while last != Some(200) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let found = self.courier.client.get("/v4/search?q=tests&limit=1", "application/json").await;
            last = found.ok().map(|(status, _)| status);
        }
        let told = || format!("{PATIENCE:?} after its index was damaged, a search was answered {last:?}");
        self.courier.watch.recovery(last == Some(200), told);
    }
}

fn moment(value: &Value) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok()
}
