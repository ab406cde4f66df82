//! Promises of the crate `api`, one file for each group of them.

mod api_document;
mod bad_input;
mod caching;
mod captures;
mod cli;
mod cli_config;
mod cli_import;
mod cli_stub;
mod cli_submit;
mod history;
mod mariadb;
mod metabase_wire;
mod pages;
mod promises;
mod raw_bytes;
mod readers;
mod recount;
mod scriptalicious;
mod server;
mod submissions;
mod tokens;
mod v3_door;
