//! The pipeline's promises, on a real database in a directory of its own.

mod bodies;
mod catch_up;
mod changes;
mod counting;
mod fixtures;
mod groups;
mod history;
mod identify;
mod life_of_a_report;
mod migrations;
mod mirror;
mod queue;
mod recount;
mod search;
mod stack;
mod uploads;
