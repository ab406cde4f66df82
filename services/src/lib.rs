//! The real servers that tests use: where they are, started when they are not running yet.
//!
//! A server is where the environment says (`TEST_POSTGRES_URL`, `TEST_REDIS_URL`, `TEST_ELASTICSEARCH_URL`,
//! `TEST_ELASTICSEARCH_URLS`, `TEST_OPENSEARCH_URL`, `TEST_HAPROXY`), or else the script `services/up` starts it once for
//! all who ask, and it runs on until `services/down`. So these are shared: a test makes a database, a key prefix or an
//! index of its own there, and leaves the server alone. One that stops its server takes [`OwnServers`].
//!
//! A server that cannot be had is `None`, said loudly on standard error; in CI, where `CI` is set, it is a panic.

mod database;
mod own;
mod script;

use std::path::PathBuf;
use std::sync::OnceLock;

pub use database::{Database, copied_database, fresh_database, has_template};
pub use own::OwnServers;
pub use script::Server;

/// Says something on standard error that is to be seen also when its test passes: what `eprintln!` says there is not.
pub fn say(text: &str) {
    use std::io::Write as _;
    // Nobody may be listening.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// A PostgreSQL server, for [`fresh_database`].
pub fn postgres() -> Option<String> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| script::shared(Server::Postgres)).clone()
}

/// A Redis server. Other tests use it at the same time, and some of them empty it.
pub fn redis() -> Option<String> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| script::shared(Server::Redis)).clone()
}

/// Elasticsearch, one node.
pub fn elasticsearch() -> Option<String> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| script::shared(Server::Elasticsearch)).clone()
}

/// Elasticsearch, the nodes of a cluster of three.
pub fn elasticsearch_nodes() -> Option<Vec<String>> {
    static URLS: OnceLock<Option<String>> = OnceLock::new();
    let urls = URLS.get_or_init(|| script::shared(Server::ElasticsearchCluster)).as_ref()?;
    Some(urls.split(',').map(str::to_owned).collect())
}

/// OpenSearch, one node.
pub fn opensearch() -> Option<String> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| script::shared(Server::OpenSearch)).clone()
}

/// The program `haproxy`, to be started with a configuration of one's own.
pub fn haproxy() -> Option<PathBuf> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    PROGRAM.get_or_init(|| script::shared(Server::HaProxy)).as_ref().map(PathBuf::from)
}
