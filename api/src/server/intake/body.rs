//! Bodies as doors get them: bounded, decompressed, whole.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

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
}

impl BodyFault {
    /// The status that tells of it at every door.
    pub fn status(&self) -> StatusCode {
        match self {
            BodyFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyFault::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyFault::Slow => StatusCode::REQUEST_TIMEOUT,
            BodyFault::Packed(_) | BodyFault::Short => StatusCode::BAD_REQUEST,
        }
    }
}

/// Longest time for a body to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Packed bodies above this are unpacked off the request's thread.
const LONG: usize = 64 * 1024;

/// The whole body, unpacked, of at most `limit` bytes both ways.
pub async fn whole(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        drain(body, limit).await;
        return Err(BodyFault::TooLarge { limit });
    }
    let packed = tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect())
        .await
        .map_err(|_| BodyFault::Slow)?
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => BodyFault::TooLarge { limit },
            false => BodyFault::Short,
        })?
        .to_bytes();
    let coding = match headers.get(header::CONTENT_ENCODING) {
        None => return Ok(packed),
        Some(coding) => coding.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
    };
    if coding == "identity" || coding.is_empty() {
        return Ok(packed);
    }
    match packed.len() > LONG {
        false => unpack(&coding, &packed, limit),
        true => tokio::task::spawn_blocking(move || unpack(&coding, &packed, limit))
            .await
            .expect("unpacking does not panic"),
    }
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
    drop(tokio::time::timeout(Duration::from_secs(10), rest).await);
}

fn unpack(coding: &str, packed: &[u8], limit: usize) -> Result<Bytes, BodyFault> {
    match coding {
        "gzip" | "x-gzip" => bounded(flate2::read::MultiGzDecoder::new(packed), "gzip", limit),
        "zstd" => match zstd::Decoder::with_buffer(packed) {
            Ok(decoder) => bounded(decoder, "zstd", limit),
            Err(_) => Err(BodyFault::Packed("zstd")),
        },
        "br" => bounded(brotli::Decompressor::new(packed, 4096), "brotli", limit),
        other => Err(BodyFault::Encoding(other.to_owned())),
    }
}

fn bounded(reader: impl Read, name: &'static str, limit: usize) -> Result<Bytes, BodyFault> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a body that is too long from one that just fits.
    let read = reader.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|_| BodyFault::Packed(name))?;
    match read > limit {
        true => Err(BodyFault::TooLarge { limit }),
        false => Ok(bytes.into()),
    }
}
