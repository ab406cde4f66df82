//! `GET /v4/changes`: the feed of everything that changed, in commit order, with long-poll.
//!
//! A cursor is the number of the last change seen. A reader that goes on from its cursor sees the final state of
//! every row that changed since, removals included, however many writers there are.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use pipeline::store::{ChangeRow, StoreError};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{JSON, NDJSON, named, wants_lines};
use crate::server::App;
use crate::server::problems::ApiError;

/// Changes in one page at most.
const LARGEST: usize = 10_000;

/// Changes fetched at a time while streaming.
const PIECE: usize = 2_000;

/// Where to go on, how long to wait for news, how much to give.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    after: Option<String>,
    wait: Option<u64>,
    limit: Option<String>,
}

pub async fn changes(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match asked.after.as_deref() {
        None | Some("") => 0,
        Some(cursor) => cursor
            .parse::<i64>()
            .ok()
            .filter(|cursor| *cursor >= 0)
            .ok_or_else(|| ApiError::parameter("after", "expected the `next` of an earlier answer"))?,
    };
    let limit = match asked.limit.as_deref() {
        None => None,
        Some(said) => Some(
            said.parse::<usize>()
                .ok()
                .filter(|limit| *limit >= 1)
                .ok_or_else(|| ApiError::parameter("limit", "expected a number from 1"))?,
        ),
    };
    let wait = Duration::from_secs(asked.wait.unwrap_or_default().min(60));
    if wants_lines(&headers) {
        wait_for_news(&app, after, wait).await?;
        return Ok(lines(app, after, limit.unwrap_or(usize::MAX)));
    }
    let limit = limit.unwrap_or(1000).min(LARGEST);
    wait_for_news(&app, after, wait).await?;
    let (rows, head) = app.readers.store.changes(after, limit).await?;
    let next = rows.last().map_or(after, ChangeRow::number);
    let mut body = Vec::with_capacity(rows.len() * 700 + 100);
    body.extend_from_slice(b"{\"changes\":[");
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        write_change(&mut body, row);
    }
    body.extend_from_slice(format!("],\"next\":\"{next}\",\"head\":{head}}}").as_bytes());
    Ok(named(&headers, head, JSON, body))
}

/// Returns when there is a change after the cursor, or when the wait is over.
async fn wait_for_news(app: &App, after: i64, wait: Duration) -> Result<(), StoreError> {
    let end = Instant::now() + wait;
    let mut head = app.events.head();
    while Instant::now() < end && !app.stop.is_cancelled() {
        head.mark_unchanged();
        if app.readers.store.head().await? > after {
            return Ok(());
        }
        // Another process may be the one who writes, so the wait is cut into pieces.
        let pause = (Instant::now() + Duration::from_millis(500)).min(end);
        // An error means that the end of the pause came first, or that the process stops: look again either way.
        drop(tokio::time::timeout_at(pause, head.changed()).await);
    }
    Ok(())
}

/// Changes up to the head, as lines; the number of the last line is the cursor to go on from.
///
/// The next piece is read while the reader takes the last one. A reader who goes away ends the reading.
fn lines(app: Arc<App>, after: i64, most: usize) -> Response {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let (mut after, mut left) = (after, most);
        loop {
            let piece = match app.readers.store.changes(after, PIECE.min(left)).await {
                Ok((rows, _)) if rows.is_empty() => return,
                Ok((rows, _)) => {
                    after = rows.last().map_or(after, ChangeRow::number);
                    left -= rows.len();
                    Ok(piece(&rows))
                }
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            if sender.send(piece).await.is_err() || failed || left == 0 {
                return;
            }
        }
    });
    let stream =
        futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    // The layer that packs answers asks once more after the end.
    let stream = stream.fuse();
    ([(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-cache")], Body::from_stream(stream)).into_response()
}

fn piece(rows: &[ChangeRow]) -> Bytes {
    let mut text = Vec::with_capacity(rows.len() * 700);
    for row in rows {
        write_change(&mut text, row);
        text.push(b'\n');
    }
    Bytes::from(text)
}

/// One change as a text of its own.
pub fn change_text(row: &ChangeRow) -> String {
    let mut text = Vec::new();
    write_change(&mut text, row);
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// One change as JSON. A result's document is JSON already, its id first.
fn write_change(out: &mut Vec<u8>, row: &ChangeRow) {
    use std::io::Write as _;
    let written = match row {
        ChangeRow::Result { number, removed, document } => {
            let id = document.get(7..43).unwrap_or_default();
            let value = if *removed { "null" } else { document };
            write!(out, r#"{{"number":{number},"kind":"result","key":"{id}","removed":{removed},"value":{value}}}"#)
        }
        ChangeRow::Summary { number, removed, summary } => {
            let key = format!("{}/{}/{}", summary.language, summary.distribution, summary.version);
            let key = serde_json::to_string(&key).expect("a text");
            let value = match removed {
                true => "null".to_owned(),
                false => serde_json::to_string(summary).expect("texts and numbers"),
            };
            write!(out, r#"{{"number":{number},"kind":"summary","key":{key},"removed":{removed},"value":{value}}}"#)
        }
    };
    written.expect("writing into memory does not fail");
}
