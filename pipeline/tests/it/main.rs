//! The pipeline's promises, on a real database in a directory of its own.

mod bodies;
mod catch_up;
mod changes;
mod commit_order;
mod contract_lists;
mod copy;
mod counting;
mod dump;
mod fixtures;
mod fsck;
mod groups;
mod history;
mod identify;
mod jobs;
mod life_of_a_report;
mod lists;
mod migrations;
mod mirror;
mod publish;
mod queue;
mod rebuild;
mod recount;
mod search;
mod stack;
mod uploads;
mod withdrawing;
