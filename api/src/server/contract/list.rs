//! One JSON array as an answer, however long: fetched piece by piece as the reader takes it, so memory stays flat.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use pipeline::store::StoreError;
use serde::Serialize;

use crate::server::reading::JSON;

/// Rows fetched at a time.
pub const PIECE: i64 = 1000;

/// Some rows of a list.
pub struct Piece<C> {
    /// In JSON, with commas between them. A piece may be empty and the list go on.
    text: Vec<u8>,
    /// Where the next piece begins; `None` after the last.
    next: Option<C>,
}

impl<C> Piece<C> {
    pub fn of(rows: impl IntoIterator<Item = impl Serialize>, next: Option<C>) -> Self {
        let mut text = Vec::new();
        for row in rows {
            if !text.is_empty() {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &row).expect("a row is made of texts and numbers");
        }
        Piece { text, next }
    }
}

/// The array. `None`: it has no rows. A failure midway breaks the answer off, so that nobody takes a part for the whole.
pub async fn array<C, F, Fetched>(mut fetch: F, start: C) -> Result<Option<Response>, StoreError>
where
    C: Send + 'static,
    F: FnMut(C) -> Fetched + Send + 'static,
    Fetched: Future<Output = Result<Piece<C>, StoreError>> + Send,
{
    // The first rows are awaited here: whether there are any decides about the status.
    let mut text = Vec::new();
    let mut place = Some(start);
    while text.is_empty() {
        let Some(at) = place.take() else { return Ok(None) };
        Piece { text, next: place } = fetch(at).await?;
    }
    text.insert(0, b'[');
    let Some(second) = place else {
        text.push(b']');
        return Ok(Some(answer(Body::from(text))));
    };
    let first = futures::stream::once(async { Ok(Bytes::from(text)) });
    let rest = futures::stream::try_unfold((fetch, Some(second)), |(mut fetch, place)| async move {
        let Some(at) = place else { return Ok::<_, StoreError>(None) };
        let Piece { text, next } = fetch(at).await?;
        let mut bytes = Vec::with_capacity(text.len() + 2);
        if !text.is_empty() {
            bytes.push(b',');
            bytes.extend_from_slice(&text);
        }
        if next.is_none() {
            bytes.push(b']');
        }
        Ok(Some((Bytes::from(bytes), (fetch, next))))
    });
    // The layer that packs answers asks once more after the end; and an empty chunk would end the answer early.
    let whole = first.chain(rest).fuse().filter(|bytes| {
        let said = !matches!(bytes, Ok(bytes) if bytes.is_empty());
        async move { said }
    });
    Ok(Some(answer(Body::from_stream(whole))))
}

fn answer(body: Body) -> Response {
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}
