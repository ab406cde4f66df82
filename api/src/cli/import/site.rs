//! The database an import of history writes to: the data directory itself, beside a server or without one.

use anyhow::Context;
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::import::{Import, Processing, Tally};
use pipeline::measures::Measures;
use pipeline::process::Process;
use serde_json::{Value, json};

use crate::cli::exit::Class;
use crate::cli::{Local, Said, printing};
use crate::installation::{self, Hold};

/// An open database, held when no server has it.
pub struct Site {
    pub process: Process,
    processing: Processing,
    _hold: Option<Hold>,
}

impl Site {
    /// Opens the database. Reports that an import before this one left unprocessed are processed first.
    pub async fn open(local: Local, said: Said) -> anyhow::Result<Site> {
        let settings = local.settings(said)?;
        installation::prepare(&settings)?;
        let hold = installation::hold(&settings, "import").ok();
        let store = installation::open(&settings).await?;
        let process = Process {
            events: Events::new(store.head().await.context("the database cannot be read")?),
            store,
            clock: Clock::System,
            measures: Measures::new(),
        };
        let processing = match hold.is_some() {
            true => Processing::Here,
            false => {
                printing::note("a server works on this data directory; its workers process what is imported");
                Processing::There
            }
        };
        let site = Site { process, processing, _hold: hold };
        if processing == Processing::Here {
            for group in site.process.store.open_groups(i64::MAX).await? {
                site.process
                    .process(group, "import")
                    .await
                    .context("reports of an earlier run fail to be processed")?;
            }
        }
        Ok(site)
    }

    pub fn import(&self, source: String) -> Import {
        Import { process: self.process.clone(), processing: self.processing, source }
    }

    /// Says what became of an import, and ends it. What was left out is told, and no failure: every history has some.
    pub async fn close(self, tally: &Tally, as_json: bool) -> anyhow::Result<Class> {
        self.process.store.close().await;
        match as_json {
            true => printing::json(&serde_json::to_vec(tally)?)?,
            false => {
                printing::line(&told(tally))?;
                for (reason, count) in &tally.skipped {
                    printing::line(&format!("left out {count}: {}", printing::one_line(reason)))?;
                }
            }
        }
        Ok(Class::Done)
    }
}

fn told(tally: &Tally) -> String {
    format!(
        "{} imported ({} under new numbers), {} unchanged, {} replaced, {} kept as they were, {} left out",
        tally.imported,
        tally.renumbered,
        tally.unchanged,
        tally.replaced,
        tally.kept,
        tally.skipped.values().sum::<u64>()
    )
}

/// The place of an import in a source of lines: how many are done, and of what.
pub fn place(rows: u64, length: Option<u64>) -> String {
    json!({"rows": rows, "length": length}).to_string()
}

/// Rows done of a file of this length; a file of another length is another file.
pub fn rows_done(place: Option<String>, length: Option<u64>) -> u64 {
    let place: Value = place.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    match place["length"].as_u64() == length {
        true => place["rows"].as_u64().unwrap_or(0),
        false => 0,
    }
}
