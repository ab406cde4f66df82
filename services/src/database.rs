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
    create(server, "template0")
}

/// Makes a database with what is in the template of that name, which [`Database::into_template`] made: a schema is there
/// sooner than by its migrations.
pub fn copied_database(server: &str, template: &str) -> Database {
    create(server, template)
}

/// Whether there is a template of that name.
pub fn has_template(server: &str, template: &str) -> bool {
    let mut asking = psql(server, &format!("SELECT datname FROM pg_database WHERE datname = '{template}'"));
    let output = asking.arg("--tuples-only").output().expect(PSQL);
    String::from_utf8_lossy(&output.stdout).trim() == template
}

fn create(server: &str, template: &str) -> Database {
    let name = format!("assay_test_{}", random_word());
    let output = psql(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).output().expect(PSQL);
    assert!(output.status.success(), "a database could not be made: {}", String::from_utf8_lossy(&output.stderr));
    Database { url: url_of(server, &name), server: server.to_owned(), name }
}

/// URL of a database on the server.
fn url_of(server: &str, name: &str) -> String {
    let (start, query) = server.split_once('?').map_or((server, None), |(start, query)| (start, Some(query)));
    let host = start.find("://").map_or(0, |at| at + 3);
    let end = start[host..].find('/').map_or(start.len(), |at| host + at);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{}/{name}{query}", &start[..end])
}

impl Database {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Keeps what is in the database as a template of that name, for [`copied_database`]. Nobody may be connected to it
    /// any more. Whoever is second keeps nothing: the first template of a name stays.
    pub fn into_template(self, name: &str) {
        let output = psql(&self.server, &format!("ALTER DATABASE {} RENAME TO {name}", self.name)).output();
        let output = output.expect(PSQL);
        assert!(
            output.status.success() || has_template(&self.server, name),
            "a template could not be made: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // Nobody waits for it: the server syncs its disk for this.
        drop(psql(&self.server, &sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn());
    }
}

/// Why it runs.
const PSQL: &str = "psql, of the package postgresql-client, runs";

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
