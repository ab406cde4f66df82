//! What was answered as spooled is stored in the end, or its receipt says why it is not.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};

use super::database::Contents;
use super::{AT_ONCE, Evidence};
use crate::check::Check;
use crate::client::Receipt;
use crate::ledger::{Account, Retracted};

/// `current`: the digest of each report that is there, by id.
pub(super) async fn check(
    evidence: &Evidence<'_>,
    contents: &Contents,
    current: &BTreeMap<String, String>,
) -> anyhow::Result<Check> {
    let mut check = Check::new("spooled", "what was answered as spooled is stored, or its receipt says why not");
    let touched = evidence.accounts.iter().filter(|one| !one.spooled.is_empty() || !one.unwanted.is_empty());
    let refusals: Vec<(&Account, Vec<String>)> = futures::stream::iter(touched)
        .map(|account| async move { Ok::<_, anyhow::Error>((account, refused(evidence, account).await?)) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (account, refused) in refusals {
        let stored = |digest: &String| {
            current.get(&account.id) == Some(digest)
                || contents.replaced(&account.id).any(|(_, replaced)| replaced == digest)
        };
        for digest in &account.spooled {
            // What a report was to say before it was taken back is not stored any more.
            let told = account.retracted != Retracted::No && refused.contains(digest);
            check.expect(stored(digest) || told, || format!("{}: {digest} is neither stored nor told of", account.id));
        }
        for digest in &account.unwanted {
            check.expect(!stored(digest), || format!("{}: {digest} is stored", account.id));
            check.expect(refused.contains(digest), || format!("{}: {digest} is not told as refused", account.id));
        }
    }
    Ok(check)
}

/// Digests that a receipt tells as refused. Each node knows what it refused itself.
async fn refused(evidence: &Evidence<'_>, account: &Account) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for door in &evidence.doors {
        let path = format!("/v4/reports/{}/receipt", account.id);
        let (status, body) = evidence.client.get_from(door, &path, "application/json").await?;
        anyhow::ensure!(matches!(status, 200 | 404), "{path} was answered {status} by {door}");
        let receipt = serde_json::from_slice(&body).ok().and_then(|value| Receipt::read(&value));
        refused.extend(receipt.into_iter().flat_map(|receipt| receipt.refused));
    }
    Ok(refused)
}
