//! The pipeline's promises, on a real database in a directory of its own.

mod life_of_a_report;
mod stack;
