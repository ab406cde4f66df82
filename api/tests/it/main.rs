//! Promises of the crate `api`, one file for each group of them.

mod cli;
mod cli_config;
mod cli_import;
mod cli_stub;
mod cli_submit;
