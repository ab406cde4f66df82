//! `assay rebuild --index`: the document index is made anew.

use std::time::Instant;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::exit::Class;
use super::progress::Progress;
use super::{Shape, printing};
use crate::config::Settings;
use crate::installation::{self, Reindexed};

pub async fn reindex(settings: &Settings, stop: &CancellationToken, shape: Shape) -> anyhow::Result<Class> {
    let begun = Instant::now();
    let mut bar: Option<Progress> = None;
    let told = |reached: i64, head: i64| {
        let (reached, head) = (reached.unsigned_abs(), head.unsigned_abs());
        bar.get_or_insert_with(|| Progress::begin("indexing", head)).advance(reached, head);
    };
    let done = installation::reindex(settings, stop, told).await;
    if let Some(bar) = bar {
        bar.finish();
    }
    show(&done?, begun.elapsed().as_secs_f64(), shape)
}

fn show(Reindexed { complete, documents, mark }: &Reindexed, seconds: f64, shape: Shape) -> anyhow::Result<Class> {
    let class = if *complete { Class::Done } else { Class::Other };
    if shape.json {
        let told = json!({ "complete": complete, "documents": documents, "mark": mark, "seconds": seconds });
        printing::json(told.to_string().as_bytes())?;
        return Ok(class);
    }
    match complete {
        true => printing::line(&format!("{documents} documents, complete up to change {mark}"))?,
        false => printing::note("stopped; the same command begins anew"),
    }
    Ok(class)
}
