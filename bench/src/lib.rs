//! What other crates use of the bench: realistic reports from a seed.

pub mod generator;
