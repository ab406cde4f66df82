//! `GET /v4/events`: the change feed as server-sent events, for browsers and for whoever wants to be told at once.
//!
//! The id of an event is the number of its change, so a reader whose connection ends goes on, at any node, after the last
//! one it had: it sends the number as `Last-Event-ID`, as browsers do by themselves (HTML Living Standard, §9.2.4).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _, stream};
use pipeline::accept::chain;
use pipeline::store::{ChangeRow, ResultFilter, SummaryFilter};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::changes::change_text;
use super::language;
use super::wanted::Wanted;
use crate::server::App;
use crate::server::problems::ApiError;

/// Changes read at a time.
const PIECE: usize = 500;

/// Longest silence. Then the reader is told where the feed is, which also tells proxies that the connection lives.
const SILENCE: Duration = Duration::from_secs(15);

/// Time after which a reader whose connection ended is to come again.
const RETRY: Duration = Duration::from_secs(2);

/// What is told, and from where on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    kind: Option<String>,
    language: Option<String>,
    distribution: Option<String>,
    version: Option<String>,
    author: Option<String>,
    after: Option<String>,
}

impl Asked {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let language = self.language.as_deref().map(|said| language(Some(said))).transpose()?;
        let author = self.author.as_ref().map(|author| author.to_uppercase());
        let (distribution, version) = (self.distribution.clone(), self.version.clone());
        let results = ResultFilter {
            language,
            distribution: distribution.clone(),
            version: version.clone(),
            author: author.clone(),
            ..ResultFilter::default()
        };
        let summaries = SummaryFilter { language, distribution, version, author, ..SummaryFilter::default() };
        match self.kind.as_deref() {
            None => Ok(Wanted::both(results, summaries)),
            Some("result") => Ok(Wanted::results(results)),
            Some("summary") => Ok(Wanted::summaries(summaries)),
            Some(_) => Err(ApiError::parameter("kind", "expected result or summary")),
        }
    }
}

/// `GET /v4/events`
pub async fn events(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = asked.wanted()?;
    let seen = last_seen(&headers, asked.after.as_deref())?;
    let head = app.readers.store.head().await?;
    if let Some(after) = seen.filter(|after| *after > head) {
        let detail = format!("{after} is beyond the newest change, {head}: these numbers are of another database");
        return Err(ApiError::parameter("after", detail));
    }
    let permit = app.feed()?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        follow(&app, &wanted, seen.unwrap_or(head), sender).await;
        drop(permit);
    });
    // Proxies such as nginx hand an answer on when they have some of it, unless they are told not to wait.
    Ok(([("x-accel-buffering", "no")], Sse::new(told(receiver))).into_response())
}

/// The number of the last change that the reader has seen. What a browser says when it comes again is newer than what its
/// page once asked for.
fn last_seen(headers: &HeaderMap, after: Option<&str>) -> Result<Option<i64>, ApiError> {
    let resumed = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")).filter(|id| !id.is_empty());
    let (name, said) = match (resumed, after) {
        (Some(id), _) => ("Last-Event-ID", id),
        (None, Some(after)) if !after.is_empty() => ("after", after),
        (None, _) => return Ok(None),
    };
    let number = said.parse::<i64>().ok().filter(|number| *number >= 0);
    number.map(Some).ok_or_else(|| ApiError::parameter(name, "expected the number of a change"))
}

fn told(receiver: mpsc::Receiver<Vec<Event>>) -> impl Stream<Item = Result<Event, Infallible>> {
    let pieces = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    pieces.flat_map(|events| stream::iter(events.into_iter().map(Ok)))
}

/// Sends what changes until the reader is gone, is too slow, or this node is to end. Whoever comes again misses nothing.
async fn follow(app: &App, wanted: &Wanted, mut after: i64, sender: mpsc::Sender<Vec<Event>>) {
    let patience = app.rules.feed_patience;
    let mut head = app.events.head();
    // Told at once, so that a reader whose connection ends before the first change comes again to where it began.
    let mut events = vec![place(after).retry(RETRY)];
    loop {
        if !events.is_empty() && sender.send_timeout(events, patience).await.is_err() {
            return;
        }
        head.mark_unchanged();
        let rows = match app.readers.store.changes(after, PIECE).await {
            Ok((rows, _)) => rows,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a feed could not be read; its reader has to come again");
                return;
            }
        };
        after = rows.last().map_or(after, ChangeRow::number);
        events = rows.iter().filter(|row| wanted.tells(row)).map(event).collect();
        if rows.is_empty() {
            tokio::select! {
                // What another process writes is noted there too. An error means that the server ends.
                changed = head.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                () = app.stop.cancelled() => return,
                // It may have passed over much that is not wanted.
                () = tokio::time::sleep(SILENCE) => events = vec![place(after)],
            }
        }
    }
}

/// Where the feed is: an event without data, which readers do not see, but whose id they keep.
fn place(number: i64) -> Event {
    Event::default().id(number.to_string())
}

fn event(row: &ChangeRow) -> Event {
    let kind = match row {
        ChangeRow::Result { .. } => "result",
        ChangeRow::Summary { .. } => "summary",
    };
    place(row.number()).event(kind).data(change_text(row))
}
