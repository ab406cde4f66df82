//! Bodies as doors get them: bounded, decompressed, whole.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use super::packed::unpack;
use crate::server::App;
use crate::server::connections::TooSlow;
use crate::server::limits::room::{Crowded, Room, Share};

/// Why a body cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the content encoding {0:?} is not supported: send gzip, zstd, br or none")]
    Encoding(String),
    #[error("the body is not valid {0}")]
    Packed(&'static str),
    #[error("the body ended early")]
    Short,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("too many reports are arriving at the same time; please send this again")]
    Crowded,
}

impl BodyFault {
    /// The status that tells of it at every door.
    pub fn status(&self) -> StatusCode {
        match self {
            BodyFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyFault::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyFault::Slow => StatusCode::REQUEST_TIMEOUT,
            BodyFault::Packed(_) | BodyFault::Short => StatusCode::BAD_REQUEST,
            BodyFault::Crowded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Crowded> for BodyFault {
    fn from(_: Crowded) -> Self {
        BodyFault::Crowded
    }
}

/// Packed bodies above this are unpacked off the request's thread.
const LONG: usize = 64 * 1024;

/// The whole body, unpacked, within the limits on one body and on all of them together. Its share of the memory for
/// bodies is free again when the last part of it is dropped.
pub async fn whole(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, BodyFault> {
    let gathered = gather(&app.limits.room, headers, body, app.rules.body_limit).await;
    if let Err(BodyFault::Crowded) = gathered {
        app.limits.count_crowded();
    }
    gathered
}

async fn gather(room: &Room, headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        drain(body, limit).await;
        return Err(BodyFault::TooLarge { limit });
    }
    let mut share = room.share();
    let packed = read(&mut share, body, limit).await?;
    let coding = match headers.get(header::CONTENT_ENCODING) {
        None => return Ok(share.keep(packed)),
        Some(coding) => coding.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
    };
    if coding == "identity" || coding.is_empty() {
        return Ok(share.keep(packed));
    }
    match packed.len() > LONG {
        false => unpacked(share, &coding, &packed, limit),
        true => tokio::task::spawn_blocking(move || unpacked(share, &coding, &packed, limit))
            .await
            .expect("unpacking does not panic"),
    }
}

/// Reads to the end, or to the first byte too many.
async fn read(share: &mut Share, mut body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| fault(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        share.reach(length).await?;
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}

/// What the connection says of a body that does not go on.
fn fault(error: &axum::Error) -> BodyFault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return BodyFault::Slow;
        }
        cause = error.source();
    }
    BodyFault::Short
}

/// Reads on and forgets, for a while: a client that is still sending when the connection closes never sees the answer.
async fn drain(mut body: Body, limit: usize) {
    let rest = async {
        let mut read = 0;
        while read <= 2 * limit
            && let Some(Ok(frame)) = body.frame().await
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Whoever is slower than this sees the connection end.
    drop(tokio::time::timeout(std::time::Duration::from_secs(10), rest).await);
}

/// Packed and unpacked bytes are there at the same time, and both count.
fn unpacked(mut share: Share, coding: &str, packed: &[u8], limit: usize) -> Result<Bytes, BodyFault> {
    let bytes = unpack(coding, packed, limit, |length| share.reach_now(packed.len() + length).is_ok())?;
    Ok(share.keep(bytes))
}
