//! WebSocket feeds: a text frame for each upload (contract §1.3), for each changed result, for each changed summary.
//!
//! Uploads are told as they come. Results and summaries are read from the change feed at the reader's own pace, from
//! its cursor on, so nothing waits in memory for a slow one. A reader who takes too long is sent away with a code.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use pipeline::accept::chain;
use pipeline::store::{ChangeRow, UploadFilter};
use schemas::contract::UploadView;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::server::App;
use crate::server::problems::ApiError;
use crate::server::reading::changes::change_text;
use crate::server::reading::wanted::{Wanted, same};
use crate::server::reading::{results as result_list, summaries as summary_list};

/// What a handler gets: a request to become a WebSocket, or why it is none.
pub type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Changes read at a time.
const PIECE: usize = 500;

/// Time between two pings, which tell of a reader that has vanished.
const PING: Duration = Duration::from_secs(30);

/// Longest wait for a slow reader to hear that it is sent away.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes of a message from a reader at most; none is expected.
const LONGEST: usize = 4096;

/// `/v1/upload…` and `/v3/upload…` as a WebSocket.
pub fn uploads(app: &Arc<App>, upgrade: WebSocketUpgrade, filter: UploadFilter) -> Response {
    let (news, patience) = (app.events.uploads(), app.rules.feed_patience);
    open(app, upgrade, move |socket| follow_uploads(socket, news, filter, patience))
}

/// `GET /v4/results`: the list, or as a WebSocket the results that change, from `after` on.
pub async fn results(
    upgrade: Upgrade,
    State(app): State<Arc<App>>,
    Query(asked): Query<result_list::Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(upgrade) = upgrade else { return result_list::results(State(app), Query(asked), headers).await };
    let (filter, after) = (asked.filter()?, asked.before()?);
    not_here("changed_since", filter.changed_since.is_some())?;
    not_here("limit", asked.limit.is_some())?;
    follow(&app, upgrade, Wanted::results(filter), after).await
}

/// `GET /v4/summaries`: the list, or as a WebSocket the summaries that change, from `after` on.
pub async fn summaries(
    upgrade: Upgrade,
    State(app): State<Arc<App>>,
    Query(asked): Query<summary_list::Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(upgrade) = upgrade else { return summary_list::summaries(State(app), Query(asked), headers).await };
    let (filter, after) = (asked.filter()?, asked.after()?);
    not_here("since", filter.changed_since.is_some())?;
    follow(&app, upgrade, Wanted::summaries(filter), after).await
}

/// Parameters of the list that a feed has no use for are refused, as unknown ones are.
fn not_here(name: &str, said: bool) -> Result<(), ApiError> {
    match said {
        true => Err(ApiError::parameter(name, "a feed begins at `after`, the number of the last change seen")),
        false => Ok(()),
    }
}

async fn follow(
    app: &Arc<App>,
    upgrade: WebSocketUpgrade,
    wanted: Wanted,
    after: Option<i64>,
) -> Result<Response, ApiError> {
    // From now on means from before the answer: a reader who has it misses nothing.
    let after = match after {
        Some(after) => after,
        None => app.readers.store.head().await?,
    };
    let follower = Arc::clone(app);
    Ok(open(app, upgrade, move |socket| follow_changes(follower, socket, wanted, after)))
}

/// Becomes a WebSocket, unless too many are open.
fn open<F, Followed>(app: &Arc<App>, upgrade: WebSocketUpgrade, follow: F) -> Response
where
    F: FnOnce(WebSocket) -> Followed + Send + 'static,
    Followed: Future<Output = ()> + Send,
{
    let permit = match app.feed() {
        Ok(permit) => permit,
        Err(error) => return error.into_response(),
    };
    upgrade.max_message_size(LONGEST).max_frame_size(LONGEST).on_upgrade(|socket| async move {
        follow(socket).await;
        drop(permit);
    })
}

/// Either side of a WebSocket, or what stands for one in tests.
trait Duplex: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin {}

impl<S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin> Duplex for S {}

/// The reader is gone, or was sent away.
struct Gone;

async fn follow_uploads(
    mut socket: impl Duplex,
    mut news: Receiver<Arc<UploadView>>,
    filter: UploadFilter,
    patience: Duration,
) {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            told = news.recv() => match told {
                Ok(upload) if same(&filter.distribution, &upload.distribution) && same(&filter.author, &upload.author) => {
                    Message::text(serde_json::to_string(&*upload).expect("an upload is made of texts"))
                }
                Ok(_) => continue,
                Err(RecvError::Lagged(missed)) => {
                    let reason = format!("{missed} uploads were missed; read them from the list, and come again");
                    return close(&mut socket, close_code::AGAIN, reason).await;
                }
                Err(RecvError::Closed) => {
                    return close(&mut socket, close_code::AWAY, "the server ends".to_owned()).await;
                }
            },
            said = socket.next() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = pings.tick() => Message::Ping(Default::default()),
        };
        if send(&mut socket, message, patience).await.is_err() {
            return;
        }
    }
}

async fn follow_changes(app: Arc<App>, mut socket: impl Duplex, wanted: Wanted, mut after: i64) {
    let patience = app.rules.feed_patience;
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut head = app.events.head();
    loop {
        head.mark_unchanged();
        let rows = match app.readers.store.changes(after, PIECE).await {
            Ok((rows, _)) => rows,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a feed could not be read");
                return close(&mut socket, close_code::ERROR, "the changes could not be read".to_owned()).await;
            }
        };
        after = rows.last().map_or(after, ChangeRow::number);
        for row in rows.iter().filter(|row| wanted.tells(row)) {
            if send(&mut socket, Message::text(change_text(row)), patience).await.is_err() {
                return;
            }
        }
        if rows.is_empty() && idle(&mut socket, &mut head, &mut pings, patience).await.is_err() {
            return;
        }
    }
}

/// Returns when there may be something new.
async fn idle(
    socket: &mut impl Duplex,
    head: &mut tokio::sync::watch::Receiver<i64>,
    pings: &mut tokio::time::Interval,
    patience: Duration,
) -> Result<(), Gone> {
    tokio::select! {
        // What another process writes is noted there too. An error means that the server ends.
        changed = head.changed() => changed.map_err(|_| Gone),
        said = socket.next() => match said {
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
            Some(Ok(_)) => Ok(()),
        },
        _ = pings.tick() => send(socket, Message::Ping(Default::default()), patience).await,
    }
}

/// Sends a message; a reader who does not take it in time is sent away.
async fn send(socket: &mut impl Duplex, message: Message, patience: Duration) -> Result<(), Gone> {
    match timeout(patience, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| Gone),
        Err(_) => {
            close(socket, close_code::AGAIN, "too slow; come again from where you are".to_owned()).await;
            Err(Gone)
        }
    }
}

async fn close(socket: &mut impl Duplex, code: u16, reason: String) {
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // Whoever takes this no more either sees the connection end.
    drop(timeout(FAREWELL, socket.send(frame)).await);
}

#[cfg(test)]
mod tests;
