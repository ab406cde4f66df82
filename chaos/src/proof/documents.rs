//! The document index holds exactly the reports that count: all ids are listed by it, distribution by distribution.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{AT_ONCE, Rows, escaped};
use crate::check::Check;
use crate::client::Client;

/// Hits in a page.
const PAGE: usize = 100;

pub(super) async fn check(client: &Client, rows: &Rows) -> Check {
    let mut check = Check::new("index", "the search finds exactly the reports that count");
    if let Err(error) = compare(&mut check, client, rows).await {
        // A search that is away is what this check is there to find.
        check.expect(false, || format!("{error:#}"));
    }
    check
}

async fn compare(check: &mut Check, client: &Client, rows: &Rows) -> anyhow::Result<()> {
    let status = client.json("/v4/status").await?;
    let documents = status["index"]["documents"].as_u64();
    check.equal(|| "the documents in the index".to_owned(), &documents, &Some(rows.len() as u64));
    let mut expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (id, row) in rows {
        expected.entry(&row.told.distribution).or_default().insert(id.clone());
    }
    let found: Vec<(&str, BTreeSet<String>)> = futures::stream::iter(expected.keys())
        .map(|name| async move { Ok::<_, anyhow::Error>((*name, ids(client, name).await?)) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (name, ids) in found {
        for id in ids.symmetric_difference(&expected[name]) {
            let is = if ids.contains(id) { "found" } else { "not found" };
            check.expect(false, || format!("{id} is {is} as a report on {name}"));
        }
        check.looked_at += expected[name].len() as u64;
    }
    Ok(())
}

/// Ids of all reports that the search finds for a distribution.
async fn ids(client: &Client, distribution: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let query = escaped(&format!("distribution:{distribution}"));
        let path = format!("/v4/search?q={query}&order=newest&limit={PAGE}{cursor}");
        let page = client.json(&path).await?;
        let hits = page["items"].as_array().context("a search has no hits")?;
        ids.extend(hits.iter().filter_map(|hit| hit["id"].as_str().map(str::to_owned)));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}
