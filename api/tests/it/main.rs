//! Promises of the crate `api`, one file for each group of them.

mod api_document;
mod bad_input;
mod burst;
mod caching;
mod captures;
mod cli;
mod cli_config;
mod cli_import;
mod cli_stub;
mod cli_submit;
mod full_disk;
mod metabase_wire;
mod pages;
mod promises;
mod rates;
mod raw_bytes;
mod readers;
mod recount;
mod schema_versions;
mod scriptalicious;
mod server;
mod slow_connections;
mod start_and_stop;
mod submissions;
mod tokens;
mod v3_door;
