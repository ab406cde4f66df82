//! Asking the document index how it is, without waiting for one that says nothing.

use std::sync::Arc;
use std::time::Duration;

use pipeline::accept::chain;
use pipeline::index::{DocumentIndex, IndexError};

use super::App;

/// Time for the index to answer a question about itself: of an engine that hangs, too, HAProxy is to hear in time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much a document index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub documents: u64,
    /// Change number up to which it is complete.
    pub mark: i64,
}

impl App {
    /// What the index holds: `None` on a node without one, an inner `None` while it does not answer, which is logged.
    pub async fn index_held(&self) -> Option<Option<Held>> {
        let held = |index: &dyn DocumentIndex| Ok(Held { documents: index.documents()?, mark: index.mark()? });
        ask(&self.index, held).await
    }

    /// The change number up to which the index is complete, by the same rules.
    pub async fn index_mark(&self) -> Option<Option<i64>> {
        ask(&self.index, |index| index.mark()).await
    }
}

/// How an index that was asked is, in a word.
pub fn word<T>(answer: &Option<Option<T>>) -> &'static str {
    match answer {
        None => "off",
        Some(Some(_)) => "ok",
        Some(None) => "failing",
    }
}

/// Puts a question to the index, if there is one; an inner `None` when it does not answer, which is logged.
pub async fn ask<T: Send + 'static>(
    index: &Option<Arc<dyn DocumentIndex>>,
    question: impl FnOnce(&dyn DocumentIndex) -> Result<T, IndexError> + Send + 'static,
) -> Option<Option<T>> {
    let index = index.clone()?;
    let asked = tokio::task::spawn_blocking(move || question(index.as_ref()));
    let answer = match tokio::time::timeout(PATIENCE, asked).await {
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(asked) => asked.expect("an index does not panic").map_err(|error| chain(&error)),
    };
    if let Err(error) = &answer {
        tracing::warn!(error, "the document index cannot be asked");
    }
    Some(answer.ok())
}
