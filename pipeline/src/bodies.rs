//! Packing of bodies: zstd with a dictionary trained on real reports.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::store::Body;

/// Number of the dictionary new bodies are packed with. A dictionary, once used, is kept for good: add another one
/// with the next number instead.
const NEWEST: i64 = 1;

/// Real reports as the doors get them, boiled down to what they share.
static DICTIONARY: &[u8] = include_bytes!("../dictionaries/reports-1.zdict");

/// Most of the gain is the dictionary's; level 1 packs at intake speed.
const LEVEL: i32 = 1;

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
    Unpack(#[source] std::io::Error),
    #[error("the body is packed with dictionary {0}, which this version does not have")]
    Dictionary(i64),
    #[error("the body has {found} bytes instead of {expected}")]
    Size { found: usize, expected: i64 },
}

/// Packs bytes as they came.
pub fn pack(bytes: &[u8]) -> Body {
    let size = i64::try_from(bytes.len()).expect("a body is smaller than 2^63 bytes");
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::with_prepared_dictionary(&ENCODER).ok()?),
        };
        compressor.compress(bytes).ok()
    });
    match packed {
        Some(packed) if packed.len() < bytes.len() => Body { dictionary: NEWEST, size, bytes: packed },
        // What does not get smaller, or cannot be packed, is stored as it is.
        _ => Body { dictionary: 0, size, bytes: bytes.to_vec() },
    }
}

/// The bytes as they came.
pub fn unpack(body: &Body) -> Result<Vec<u8>, Damaged> {
    let size = usize::try_from(body.size).map_err(|_| Damaged::Size { found: 0, expected: body.size })?;
    let bytes = match body.dictionary {
        0 => body.bytes.clone(),
        NEWEST => DECOMPRESSOR
            .with_borrow_mut(|slot| {
                let decompressor = match slot {
                    Some(decompressor) => decompressor,
                    None => slot.insert(Decompressor::with_prepared_dictionary(&DECODER)?),
                };
                decompressor.decompress(&body.bytes, size)
            })
            .map_err(Damaged::Unpack)?,
        other => return Err(Damaged::Dictionary(other)),
    };
    match bytes.len() == size {
        true => Ok(bytes),
        false => Err(Damaged::Size { found: bytes.len(), expected: body.size }),
    }
}
