//! Packing of bodies: zstd with a dictionary trained on real reports.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;
use zstd::zstd_safe::{CParameter, DictAttachPref};

use crate::store::Body;

/// Number of the dictionary new bodies are packed with. A dictionary, once used, is kept for good: add another one
/// with the next number instead.
const NEWEST: i64 = 1;

/// Real reports as the doors get them, boiled down to what they share.
static DICTIONARY: &[u8] = include_bytes!("../dictionaries/reports-1.zdict");

/// Level 3 packs generated reports of 10 KB to 18 % in 32 microseconds, where level 1 takes as long for 21 % and level 5
/// three times as long for 17 %.
const LEVEL: i32 = 3;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A stored body that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    #[error("the body could not be unpacked")]
    Unpack(#[source] io::Error),
    #[error("the body is packed with dictionary {0}, which this version does not have")]
    Dictionary(i64),
    #[error("the body has {found} bytes instead of {expected}")]
    Size { found: usize, expected: i64 },
}

/// Bytes of a body above which packing it would hold up what else the thread does.
const LONG: usize = 256 * 1024;

/// Packs bytes as they came: on the caller's thread, or, where that would take long, on one of its own.
pub async fn pack_aside<B: AsRef<[u8]> + Send + 'static>(bytes: B) -> Body {
    match bytes.as_ref().len() > LONG {
        false => pack(bytes.as_ref()),
        true => tokio::task::spawn_blocking(move || pack(bytes.as_ref())).await.expect("packing does not panic"),
    }
}

/// Packs bytes as they came.
pub fn pack(bytes: &[u8]) -> Body {
    let size = i64::try_from(bytes.len()).expect("a body is smaller than 2^63 bytes");
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(compressor().ok()?),
        };
        compressor.compress(bytes).ok()
    });
    match packed {
        Some(packed) if packed.len() < bytes.len() => Body { dictionary: NEWEST, size, bytes: packed },
        // What does not get smaller, or cannot be packed, is stored as it is.
        _ => Body { dictionary: 0, size, bytes: bytes.to_vec() },
    }
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
    // Copying the dictionary's tables for each body would cost more than packing it.
    compressor.set_parameter(CParameter::ForceAttachDict(DictAttachPref::ForceAttach))?;
    Ok(compressor)
}

/// The bytes as they came.
pub fn unpack(body: &Body) -> Result<Vec<u8>, Damaged> {
    let wrong = |found| Damaged::Size { found, expected: body.size };
    let size = usize::try_from(body.size).map_err(|_| wrong(0))?;
    let bytes = match body.dictionary {
        0 => body.bytes.clone(),
        // Looked at first, so that a damaged size asks for no memory; `pack` always writes it into the frame.
        NEWEST => match stated_size(&body.bytes).map_err(Damaged::Unpack)? {
            stated if stated == size => decompress(&body.bytes, size).map_err(Damaged::Unpack)?,
            stated => return Err(wrong(stated)),
        },
        other => return Err(Damaged::Dictionary(other)),
    };
    match bytes.len() == size {
        true => Ok(bytes),
        false => Err(wrong(bytes.len())),
    }
}

/// The size of its content, as a zstd frame states it.
fn stated_size(frame: &[u8]) -> io::Result<usize> {
    let stated = get_frame_content_size(frame).ok().flatten();
    let stated = stated.and_then(|size| usize::try_from(size).ok());
    stated.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no zstd frame that states its size"))
}

fn decompress(frame: &[u8], size: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::with_prepared_dictionary(&DECODER)?),
        };
        decompressor.decompress(frame, size)
    })
}
