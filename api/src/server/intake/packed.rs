//! Content codings undone, never further than a limit.

use std::io::Read;

use super::body::BodyFault;

/// Bytes unpacked between two looks at the limits.
const PIECE: usize = 64 * 1024;

/// Unpacks a body of `coding` (in lower case) to at most `limit` bytes. `room` is asked before that many are held.
pub fn unpack(
    coding: &str,
    packed: &[u8],
    limit: usize,
    room: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, BodyFault> {
    match coding {
        "gzip" | "x-gzip" => bounded(flate2::read::MultiGzDecoder::new(packed), "gzip", limit, room),
        "zstd" => match zstd::Decoder::with_buffer(packed) {
            Ok(decoder) => bounded(decoder, "zstd", limit, room),
            Err(_) => Err(BodyFault::Packed("zstd")),
        },
        "br" => bounded(brotli::Decompressor::new(packed, 4096), "brotli", limit, room),
        other => Err(BodyFault::Encoding(other.to_owned())),
    }
}

fn bounded(
    mut reader: impl Read,
    name: &'static str,
    limit: usize,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, BodyFault> {
    let mut bytes = Vec::new();
    loop {
        // One byte more than allowed tells a body that is too long from one that just fits.
        let next = (limit - bytes.len() + 1).min(PIECE);
        if !room((bytes.len() + next).min(limit)) {
            return Err(BodyFault::Crowded);
        }
        let read = (&mut reader).take(next as u64).read_to_end(&mut bytes).map_err(|_| BodyFault::Packed(name))?;
        if bytes.len() > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        if read < next {
            return Ok(bytes);
        }
    }
}
