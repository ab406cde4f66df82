//! Facts of `metabase.metabase`: zlib-compressed JSON under the report's own guid (contract §4.2).

use std::collections::HashMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use flate2::read::ZlibDecoder;
use schemas::metabase::{self, Refused};
use uuid::Uuid;

use super::{Historic, Sender};
use crate::store::{Door, Profile};

/// Longest fact after decompression: the largest ever seen is above 16 MB.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why a stored fact is not imported. The text is the same for all facts with that fault, but for [`Refused`]'s.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the fact is packed as Sereal, which assay does not read: import the column `report`, which holds JSON")]
    Sereal,
    #[error("the fact could not be decompressed")]
    Compression,
    #[error("the fact is longer than 64 MiB")]
    TooLong,
    #[error("the fact is neither JSON nor compressed JSON")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Testers by profile.
pub type Profiles = HashMap<Uuid, (String, Option<String>)>;

/// Testers as `metabase_user` lists them; the last row of a profile counts.
pub fn profiles(rows: impl IntoIterator<Item = Profile>) -> Profiles {
    let profile = |row: Profile| {
        let guid = row.resource.trim().rsplit(':').next()?.parse().ok()?;
        Some((guid, (row.name, row.email.filter(|email| !email.is_empty()))))
    };
    rows.into_iter().filter_map(profile).collect()
}

/// The report a stored fact is, with its creation time as the time of receipt; no later than `now`.
pub fn historic(stored: &[u8], testers: &Profiles, now: DateTime<Utc>) -> Result<Historic, Unfit> {
    let bytes = unpacked(stored)?;
    let legacy = metabase::report(&bytes)?;
    let (id, created, profile) = (legacy.id, legacy.created, legacy.creator);
    // Refused here what could not be processed: there is no tester to be told later.
    legacy.upgrade(schemas::report::Reporter::default())?;
    let known = testers.get(&profile);
    Ok(Historic {
        id,
        number: None,
        door: Door::Metabase,
        tester: Sender::Profile {
            profile,
            name: known.map(|(name, _)| name.clone()).filter(|name| !name.is_empty()),
            address: known.and_then(|(_, address)| address.clone()),
        },
        received_at: created.min(now),
        bytes,
    })
}

/// JSON as it is, or out of zlib. Control characters within it are damage (contract §3.7), and go.
fn unpacked(stored: &[u8]) -> Result<Vec<u8>, Unfit> {
    let bytes = match stored {
        [b'=', b's' | 0xf3, ..] => return Err(Unfit::Sereal),
        [0x78, ..] => inflated(stored)?,
        _ => stored.to_vec(),
    };
    match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[') => Ok(mended(bytes)),
        Some(b'=') => Err(Unfit::Sereal),
        _ => Err(Unfit::Unknown),
    }
}

fn inflated(stored: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(stored).take(LONGEST + 1).read_to_end(&mut bytes).map_err(|_| Unfit::Compression)?;
    if bytes.len() as u64 > LONGEST { Err(Unfit::TooLong) } else { Ok(bytes) }
}

/// A control character has no place in JSON, in a string or out of one: a blank stands for it.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    for byte in &mut bytes {
        if *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t') {
            *byte = b' ';
        }
    }
    bytes
}
