//! A database of a test's own, on the PostgreSQL server that all share.

use std::hash::{BuildHasher, RandomState};
use std::process::{Command, Stdio};

/// An empty database that goes with this value, whoever is still connected to it.
#[derive(Debug)]
pub struct Database {
    url: String,
    server: String,
    name: String,
}

/// Makes a database with a name of its own on the server at `server`, a URL that [`crate::postgres`] gave. Needs `psql`.
pub fn fresh_database(server: &str) -> Database {
    let name = format!("assay_test_{}", random_word());
    let output = psql(server, &format!("CREATE DATABASE {name} TEMPLATE template0")).output();
    let output = output.expect("psql, of the package postgresql-client, runs");
    assert!(output.status.success(), "a database could not be made: {}", String::from_utf8_lossy(&output.stderr));
    let (start, query) = server.split_once('?').map_or((server, None), |(start, query)| (start, Some(query)));
    let host = start.find("://").map_or(0, |at| at + 3);
    let end = start[host..].find('/').map_or(start.len(), |at| host + at);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Database { url: format!("{}/{name}{query}", &start[..end]), server: server.to_owned(), name }
}

impl Database {
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // Nobody waits for it: the server syncs its disk for this.
        drop(psql(&self.server, &sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn());
    }
}

fn psql(server: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--dbname", server, "--command", sql]).stdin(Stdio::null());
    command
}

/// Twelve hexadecimal digits that no other test has.
pub(crate) fn random_word() -> String {
    // The standard library seeds each of these by chance.
    format!("{:012x}", RandomState::new().hash_one(std::process::id()) >> 16)
}
