//! The doors of assay: the HTTP server, its pages' handlers, and the command line of the one binary `assay`.

pub mod cli;
pub mod client;
pub mod config;
pub mod installation;
pub mod server;
pub mod upstream;
