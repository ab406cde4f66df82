//! Every parser that sees outside bytes, tried out with many mutations of real input.
//!
//! A parser may refuse what it gets, in words. It may not panic, take more than a second of the processor's time, or
//! hold much more memory than its input has bytes; and what it says has to agree with itself, see [`targets`].
//!
//! Inputs begin as the files of `fixtures/` and are changed by [`mutation`], JSON also along its structure ([`json`]).
//! An input that is answered in a way not seen before joins those that further ones are made of, so that the tries go on
//! from where they found something new. Not cargo-fuzz: that needs a nightly compiler and `unsafe` code, and this runs
//! in `cargo test` with the compiler everything is built with. A run is the same again for the same seed.

pub mod json;
pub mod mutation;
pub mod run;
pub mod seeds;
pub mod targets;

use peak_alloc::PeakAlloc;

/// Counts the memory that Rust code holds, for the bound on it.
#[global_allocator]
pub static MEMORY: PeakAlloc = PeakAlloc;
