//! What has to be so when everything is settled, and whether it is.

mod counts;
mod database;
mod documents;
mod feed;
mod fsck;
mod postgres;
mod receipts;
mod settled;
mod spooled;
mod sqlite;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use crate::check::Check;
use crate::client::Client;
use crate::follower;
use crate::ledger::Account;
use crate::load::Tester;
use crate::mirror::{Following, Mirror};
use crate::recount::{Recount, Told};
use crate::stage::Stage;

pub use database::Database;

/// Requests under way at a time.
const AT_ONCE: usize = 8;

/// Everything a proof needs.
pub struct Evidence<'a> {
    pub client: &'a Client,
    pub accounts: &'a [Account],
    pub testers: &'a [Tester],
    pub following: &'a Following,
    pub database: Database,
    /// The nodes behind a proxy, each with a spool of its own.
    pub doors: Vec<String>,
}

/// What assay lists, row by row.
struct Listed {
    /// By report id.
    results: BTreeMap<String, Value>,
    /// By `language/distribution/version`.
    summaries: BTreeMap<String, Value>,
}

/// Proves what can be proved of one assay that has everything, and gives its newest change number.
pub async fn prove(evidence: &Evidence<'_>, stage: &mut Stage) -> anyhow::Result<(Vec<Check>, i64)> {
    let client = evidence.client;
    let mut checks = vec![settled::check(evidence).await];
    let head = client.json("/v4/status").await?["head"].as_i64().context("the status has no head")?;
    let (rows, current, found) = receipts::check(evidence).await?;
    checks.extend(found);
    let listed = list(client).await?;
    let expected = recount(&rows);
    checks.extend(counts::check(client, &rows, &expected, &listed).await?);
    checks.push(documents::check(client, &rows).await);
    let caught_up = follower::catch_up(evidence.following, head).await?;
    let mirror = Mirror::replay(&evidence.following.log)?;
    checks.push(feed::check(&mirror, &listed, caught_up, head));
    let contents = evidence.database.read().await?;
    checks.extend(database::check(&contents, evidence.accounts, &mirror));
    if !evidence.doors.is_empty() {
        checks.push(spooled::check(evidence, &contents, &current).await?);
    }
    checks.extend(rebuilt(client, stage, &listed).await?);
    Ok((checks, head))
}

/// A report that has to be counted: what it says, and who sent it.
struct Row {
    told: Told,
    tester: String,
}

/// By report id.
type Rows = BTreeMap<String, Row>;

fn recount(rows: &Rows) -> Recount {
    let mut recount = Recount::default();
    rows.values().for_each(|row| recount.add(&row.told, &row.tester));
    recount
}

async fn list(client: &Client) -> anyhow::Result<Listed> {
    let mut listed = Listed { results: BTreeMap::new(), summaries: BTreeMap::new() };
    for row in client.lines("/v4/results").await? {
        let id = row["id"].as_str().context("a row has no id")?.to_owned();
        anyhow::ensure!(listed.results.insert(id.clone(), row).is_none(), "{id} is listed twice");
    }
    for summary in client.lines("/v4/summaries").await? {
        let key = key(&summary);
        anyhow::ensure!(listed.summaries.insert(key.clone(), summary).is_none(), "{key} is listed twice");
    }
    Ok(listed)
}

fn key(summary: &Value) -> String {
    let text = |name: &str| summary[name].as_str().unwrap_or_default();
    format!("{}/{}/{}", text("language"), text("distribution"), text("version"))
}

/// Throws away everything derived, makes it again, and compares; assay checks its own store before and after.
async fn rebuilt(client: &Client, stage: &mut Stage, before: &Listed) -> anyhow::Result<[Check; 2]> {
    let mut check = Check::new("rebuilt", "what is derived comes out the same when it is made again from the bytes");
    let mut fsck = fsck::begin();
    stage.stop().await?;
    fsck::look(&mut fsck, &stage.recipe, "after the faults").await?;
    stage.recipe.json(&["rebuild", "--clear", "--json"]).await?;
    fsck::look(&mut fsck, &stage.recipe, "after the rebuild").await?;
    stage.fill().await?;
    client.wait_until_ready().await?;
    let after = list(client).await?;
    for id in before.results.keys().chain(after.results.keys().filter(|id| !before.results.contains_key(*id))) {
        check.equal(|| format!("the row of {id}"), &after.results.get(id), &before.results.get(id));
    }
    // Change numbers go on; everything else is the same.
    let bare = |summary: &Value| {
        let mut summary = summary.clone();
        if let Some(fields) = summary.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "number" | "changed_at"));
        }
        summary
    };
    for key in before.summaries.keys().chain(after.summaries.keys().filter(|key| !before.summaries.contains_key(*key)))
    {
        let (now, then) = (after.summaries.get(key).map(bare), before.summaries.get(key).map(bare));
        check.equal(|| format!("the summary of {key}"), &now, &then);
    }
    Ok([check, fsck])
}

/// A part of a path, as URLs write it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
