//! `assay changes`: the feed, from a cursor on, one change a line.

use std::time::Duration;

use clap::Args;
use schemas::views::{ChangeView, ChangesView};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{Answer, Client, ClientError};

use super::patience::Patience;
use super::reading::Asked;
use super::{Said, exit, printing};

/// Seconds the server may hold a request when there is nothing new.
const HOLD: u64 = 25;

/// How long a follower goes on asking a server that is away, between two answers.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

#[derive(Args, Debug)]
#[command(after_help = "Without --after it begins at the beginning. The cursor to go on from is told on
stderr at the end.

Examples:
  assay changes --json > changes.ndjson
  assay changes --after CURSOR --follow")]
pub struct Changes {
    /// Cursor to begin after
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Wait for new changes, and go on
    #[arg(long)]
    follow: bool,
    /// Changes in one request
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
    #[command(flatten)]
    asked: Asked,
}

/// A page of the feed, its changes left as they came.
#[derive(Deserialize)]
struct Verbatim<'a> {
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

pub async fn changes(Changes { after, follow, limit, asked }: Changes, said: Said) -> anyhow::Result<()> {
    let client = asked.remote.client(said)?;
    let mut cursor = after;
    let mut patience = Patience::lasting(PATIENCE);
    loop {
        let answer = match page(&client, cursor.as_deref(), follow, limit).await {
            Err(error) if follow && error.transient() => {
                printing::note(&format!("{}; trying again", exit::chain_of(&error)));
                if patience.wait(error.retry_after()).await { continue } else { return Err(error.into()) }
            }
            other => other?,
        };
        patience = Patience::lasting(PATIENCE);
        let page: ChangesView = answer.view()?;
        match asked.shape.json {
            true => print_verbatim(&answer)?,
            false => page.changes.iter().try_for_each(|change| printing::line(&printing::one_line(&told(change))))?,
        }
        let ended = page.changes.is_empty() || cursor.as_ref() == Some(&page.next);
        cursor = Some(page.next);
        if ended && !follow {
            printing::note(&format!("go on: --after {}", cursor.unwrap_or_default()));
            return Ok(());
        }
    }
}

async fn page(client: &Client, after: Option<&str>, follow: bool, limit: u32) -> Result<Answer, ClientError> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(after.map(|after| ("after", after.to_owned())));
    if follow {
        query.push(("wait", HOLD.to_string()));
    }
    let hold = if follow { Duration::from_secs(HOLD) } else { Duration::ZERO };
    client.get_within(client.timeout() + hold, &["v4", "changes"], &query).await
}

fn print_verbatim(answer: &Answer) -> anyhow::Result<()> {
    let page: Verbatim = serde_json::from_slice(&answer.body).map_err(|error| answer.unreadable(error.to_string()))?;
    let mut lines = String::new();
    for change in page.changes {
        // A server that prints its JSON over several lines must not break the one-a-line rule: between the tokens
        // a line end is only space, and inside strings JSON has none.
        lines.push_str(&change.get().replace(['\n', '\r'], " "));
        lines.push('\n');
    }
    printing::print(lines.as_bytes())
}

fn told(change: &ChangeView) -> String {
    let ChangeView { number, kind, key, removed, value } = change;
    let field = |name: &str| value.as_ref().map_or(&Value::Null, |value| &value[name]);
    let text = |name: &str| field(name).as_str().unwrap_or_default().to_owned();
    let rest = match (removed, kind.as_str()) {
        (true, _) => "removed".to_owned(),
        (false, "result") => {
            let platform = format!("{} {} {}", text("language"), text("language_version"), text("os"));
            format!("{} {} {} on {platform}", text("grade"), text("distribution"), text("version"))
        }
        (false, _) => {
            let count = |name: &str| format!("{name} {}", field(name).as_i64().unwrap_or_default());
            ["pass", "fail", "na", "unknown"].map(count).join(", ")
        }
    };
    format!("{number} {kind} {key}: {rest}")
}
