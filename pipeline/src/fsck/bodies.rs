//! The bytes as they came: each body unpacks, and has the digest its report promises.

use schemas::ids::Digest;

use super::{Found, Told};
use crate::accept::chain;
use crate::bodies;
use crate::store::{Counting, DigestedBody, Store, StoreError};

/// Bodies held at a time.
const BATCH: i64 = 128;

pub(super) async fn look(store: &Store, found: &mut Found, told: Told<'_>) -> Result<(), StoreError> {
    let total = store.count_rows(Counting::Bodies).await? + store.count_rows(Counting::SupersededBodies).await?;
    let total = u64::try_from(total).unwrap_or_default();
    let mut after = 0;
    loop {
        let batch = store.digested_bodies(after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = last.number;
        judge(batch, found).await;
        told(found.checked, total);
    }
    let mut after = (0, 0);
    loop {
        let batch = store.superseded_bodies(after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = (last.number, last.revision.unwrap_or_default());
        judge(batch, found).await;
        told(found.checked, total);
    }
}

async fn judge(batch: Vec<DigestedBody>, found: &mut Found) {
    found.checked += super::many(batch.len());
    let faults: Vec<(String, String)> = tokio::task::spawn_blocking(move || batch.iter().filter_map(fault).collect())
        .await
        .expect("unpacking does not panic");
    faults.into_iter().for_each(|(about, detail)| found.add(about, detail));
}

/// What is wrong with a body. One without a report promises nothing; it is among the orphans.
fn fault(body: &DigestedBody) -> Option<(String, String)> {
    let (id, digest) = (body.id?, body.digest?);
    let about = match body.revision {
        None => format!("report {id}"),
        Some(revision) => format!("report {id}, superseded revision {revision}"),
    };
    match bodies::unpack(&body.body) {
        Err(error) => Some((about, chain(&error))),
        Ok(bytes) if Digest::of(&bytes) != digest => {
            Some((about, format!("its bytes have the digest {} instead of {digest}", Digest::of(&bytes))))
        }
        Ok(_) => None,
    }
}
