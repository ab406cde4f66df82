//! Every acknowledged report has an outcome; its last revision counts; its bytes are those that were sent.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{AT_ONCE, Evidence, Row, Rows};
use crate::check::Check;
use crate::client::{Client, Receipt};
use crate::ledger::Account;
use crate::reports::digest;

/// What assay says of one report.
struct Stored {
    receipt: Option<Receipt>,
    /// Digest of the bytes it gives out; `None` where it gives none.
    raw: Option<String>,
}

/// The digest of each report that is there, by its id.
type Current = BTreeMap<String, String>;

/// The checks, the reports that have to be counted, and what is there of each.
pub(super) async fn check(evidence: &Evidence<'_>) -> anyhow::Result<(Rows, Current, [Check; 3])> {
    let mut kept = Check::new("kept", "every acknowledged report has an outcome, and retracted ones say so");
    let mut revised = Check::new("revised", "the revision that was acknowledged last is the one that counts");
    let mut bytes = Check::new("bytes", "the bytes of a report are those that were sent");
    let stored: Vec<Stored> = futures::stream::iter(evidence.accounts)
        .map(|account| ask(evidence.client, account))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let (mut rows, mut current) = (Rows::new(), Current::new());
    for (account, Stored { receipt, raw }) in evidence.accounts.iter().zip(stored) {
        let verdict = account.judge(receipt.as_ref());
        let told = |fault: Result<(), String>| format!("{}: {}", account.id, fault.err().unwrap_or_default());
        kept.expect(verdict.kept.is_ok(), || told(verdict.kept.clone()));
        revised.expect(verdict.revised.is_ok(), || told(verdict.revised.clone()));
        let Some(receipt) = receipt else { continue };
        current.insert(account.id.clone(), receipt.digest.clone());
        if !receipt.withdrawn {
            let right = raw.as_ref() == Some(&receipt.digest);
            bytes.expect(right, || format!("{}: {raw:?} instead of {}", account.id, receipt.digest));
        }
        if receipt.state != "processed" || receipt.withdrawn {
            continue;
        }
        if let Some(told) = account.told(&receipt.digest) {
            let tester = evidence.testers[account.owner].name.clone();
            rows.insert(account.id.clone(), Row { told: told.clone(), tester });
        }
    }
    Ok((rows, current, [kept, revised, bytes]))
}

async fn ask(client: &Client, account: &Account) -> anyhow::Result<Stored> {
    let id = &account.id;
    let (status, body) = client.get(&format!("/v4/reports/{id}/receipt"), "application/json").await?;
    if status == 404 {
        return Ok(Stored { receipt: None, raw: None });
    }
    anyhow::ensure!(status == 200, "the receipt of {id} was answered {status}");
    let value = serde_json::from_slice(&body).with_context(|| format!("the receipt of {id} is not JSON"))?;
    let receipt = Receipt::read(&value).with_context(|| format!("the receipt of {id} lacks something: {value}"))?;
    let (status, body) = client.get(&format!("/v4/reports/{id}/raw"), "*/*").await?;
    Ok(Stored { receipt: Some(receipt), raw: (status == 200).then(|| digest(&body)) })
}
