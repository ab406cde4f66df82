//! What every document index must do.
use super::DocumentIndex;
pub fn conformance(index: &dyn DocumentIndex) { let _ = index; }
