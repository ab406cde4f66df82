//! What readers get, put together from the store. Nothing here writes.

mod jobs;
mod letters;
mod lists;
mod receipts;
mod releases;
mod reports;
mod testers;

pub use letters::Letter;
pub use lists::{Place, Selection};
pub use receipts::fresh_receipt;
pub use reports::{Original, Reread};

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::store::Store;

/// Reads for the doors. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readers {
    pub store: Store,
    pub clock: Clock,
}

/// Named links of a view.
fn links<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, path)| (name.to_owned(), path)).collect()
}

/// A text as one segment of a path (RFC 3986: all but unreserved characters percent-encoded).
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.push_str(&format!("{byte:02X}"));
            }
        }
    }
    encoded
}
