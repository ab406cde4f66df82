//! Promises of the crate `api`, one file for each group of them.

mod bad_input;
mod captures;
mod cli;
mod cli_config;
mod cli_import;
mod cli_stub;
mod cli_submit;
mod metabase_wire;
mod pages;
mod promises;
mod raw_bytes;
mod recount;
mod server;
mod submissions;
