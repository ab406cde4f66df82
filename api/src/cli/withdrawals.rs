//! `assay retract`, `assay invalidate`, `assay restore`: reports taken back, and put back.

use std::path::PathBuf;

use clap::Args;
use reqwest::{Method, RequestBuilder};
use schemas::views::ReceiptView;
use schemas::withdrawal::InvalidationView;

use crate::client::{Answer, Client};
use crate::server::InvalidationOrder;

use super::exit::{self, Class};
use super::metabase::Identity;
use super::reading::Asked;
use super::tables::Facts;
use super::{Said, printing, shown};

#[derive(Args, Debug)]
#[command(after_help = "\
A retracted report is counted, listed and found nowhere; who followed the change
feed is told. It is retracted by its tester, with the token that sent it, or for
legacy facts with the identity file. An operator's token retracts any.

Examples:
  assay retract 0b45cd74-d944-4999-9c3d-c81021ca3d34 --reason 'broken compiler'
  assay retract ID --reason 'sent by mistake' --purge
  assay retract ID --reason 'wrong perl' --id-file ~/.cpanreporter/metabase_id.json")]
pub struct Retract {
    /// Ids of the reports
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Why, in words that everybody may read
    #[arg(long)]
    reason: String,
    /// Delete the submitted bytes for good; without this they are kept
    #[arg(long)]
    purge: bool,
    /// Identity of the tester who sent legacy facts, as metabase-profile makes it
    #[arg(long, value_name = "FILE")]
    id_file: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "\
For operators: needs a token with the scope admin. Try --dry-run first: it tells
how many reports it would be, and some of their ids. What was withdrawn can be
put back with `assay restore`, unless it was purged. An order that was broken
off is given again: it goes on where it stopped.

Examples:
  assay invalidate --tester 'Spam Bot' --reason spam --dry-run
  assay invalidate --tester 4f0c… --since 2026-11-01 --until 2026-11-03 --reason 'broken smoker'
  assay invalidate 0b45cd74-d944-4999-9c3d-c81021ca3d34 --reason spam --purge")]
pub struct Invalidate {
    /// Ids of reports, at most 1000
    #[arg(value_name = "ID", required_unless_present = "tester")]
    ids: Vec<String>,
    /// All reports of this tester: the public id, or the name when only one has it
    #[arg(long, value_name = "TESTER")]
    tester: Option<String>,
    /// Only those received at this time or later (RFC 3339, or a date)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those received before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, in words that everybody may read
    #[arg(long)]
    reason: String,
    /// Tell how many it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete the submitted bytes for good; without this they are kept
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "\
For operators: needs a token with the scope admin. The report is processed again
and counted as before; purged bytes do not come back.

Example:
  assay restore 0b45cd74-d944-4999-9c3d-c81021ca3d34")]
pub struct Restore {
    /// Ids of the reports
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    asked: Asked,
}

pub async fn retract(Retract { ids, reason, purge, id_file, asked }: Retract, said: Said) -> anyhow::Result<Class> {
    let identity = id_file.as_deref().map(Identity::read).transpose()?;
    let client = asked.remote.client(said)?;
    let query = [("as", "retracted"), ("reason", &reason), ("body", fate(purge))];
    let request = |id: &str| {
        let path = ["v4", "reports", id];
        let request = match &identity {
            Some(identity) => identity.sign(client.bare_request(Method::DELETE, &path)),
            None => client.request(Method::DELETE, &path),
        };
        request.query(&query)
    };
    each(&client, &ids, asked.shape.json, request).await
}

pub async fn restore(Restore { ids, asked }: Restore, said: Said) -> anyhow::Result<Class> {
    let client = asked.remote.client(said)?;
    let request = |id: &str| client.request(Method::POST, &["v4", "reports", id, "restore"]);
    each(&client, &ids, asked.shape.json, request).await
}

/// Asks the same for each report and tells what became of it. The first bad news decides the exit code.
async fn each(
    client: &Client,
    ids: &[String],
    json: bool,
    request: impl Fn(&str) -> RequestBuilder,
) -> anyhow::Result<Class> {
    let mut class = Class::Done;
    for id in ids {
        match client.send(request(id), client.timeout()).await {
            Ok(answer) => tell(&answer, json)?,
            Err(error) => {
                printing::note(&format!("{id}: {}", exit::chain_of(&error)));
                if class == Class::Done {
                    class = Class::of_client(&error);
                }
            }
        }
    }
    Ok(class)
}

fn tell(answer: &Answer, json: bool) -> anyhow::Result<()> {
    let receipt: ReceiptView = answer.view()?;
    if json {
        return printing::json(&answer.body);
    }
    let standing = match &receipt.withdrawn {
        Some(withdrawn) => shown::withdrawn(withdrawn),
        None => receipt.state.as_str().to_owned(),
    };
    printing::line(&printing::one_line(&format!("{}  {standing}", receipt.id)))
}

pub async fn invalidate(invalidate: Invalidate, said: Said) -> anyhow::Result<()> {
    let Invalidate { ids, tester, since, until, reason, dry_run, purge, asked } = invalidate;
    let order = InvalidationOrder {
        tester,
        ids: (!ids.is_empty()).then_some(ids),
        received_since: since,
        received_before: until,
        reason,
        kind: Some("invalid".to_owned()),
        body: Some(fate(purge).to_owned()),
        dry_run,
    };
    let client = asked.remote.client(said)?;
    let mut total: Option<InvalidationView> = None;
    loop {
        let request = client.request(Method::POST, &["v4", "invalidations"]).json(&order);
        let done: InvalidationView = client.send(request, client.timeout()).await?.view()?;
        let stuck = done.withdrawn == 0;
        let sum = add(total.take(), done);
        if dry_run || sum.remaining == 0 {
            return print(&sum, asked.shape.json);
        }
        if stuck {
            anyhow::bail!("{} reports are left that the server does not withdraw", sum.remaining);
        }
        printing::note(&format!("{} withdrawn, {} to go", sum.withdrawn, sum.remaining));
        total = Some(sum);
    }
}

/// What several requests of one order did: the first tells what was there before.
fn add(before: Option<InvalidationView>, done: InvalidationView) -> InvalidationView {
    match before {
        None => done,
        Some(before) => {
            InvalidationView { withdrawn: before.withdrawn + done.withdrawn, remaining: done.remaining, ..before }
        }
    }
}

fn print(view: &InvalidationView, json: bool) -> anyhow::Result<()> {
    if json {
        return printing::json(&serde_json::to_vec(view)?);
    }
    let mut facts = Facts::default();
    facts.add("selected", view.matched.to_string());
    facts.add("were withdrawn", view.already.to_string());
    match view.dry_run {
        true => facts.add("would be withdrawn", view.remaining.to_string()),
        false => facts.add("withdrawn", view.withdrawn.to_string()),
    }
    facts.add("for example", (!view.sample.is_empty()).then(|| view.sample.join(" ")));
    facts.print()
}

fn fate(purge: bool) -> &'static str {
    if purge { "purge" } else { "keep" }
}
