//! What other crates use of the bench: realistic reports from a seed, and what it takes to drive assay.

pub mod generator;
pub mod harness;
