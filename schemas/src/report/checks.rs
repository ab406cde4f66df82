//! The checks a v3 report must pass, each fault with its place.

use super::{Invalid, Report};

pub(super) fn parse(bytes: &[u8]) -> Result<Report, Invalid> {
    let _ = bytes;
    unimplemented!()
}
