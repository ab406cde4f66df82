//! The scripts beside this crate do the work: `up` starts, `signal` breaks, `down` stops.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The servers that `services/up` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Redis,
    Elasticsearch,
    ElasticsearchCluster,
    OpenSearch,
    HaProxy,
}

impl Server {
    const ALL: [Server; 6] = [
        Server::Postgres,
        Server::Redis,
        Server::Elasticsearch,
        Server::ElasticsearchCluster,
        Server::OpenSearch,
        Server::HaProxy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Postgres => "postgres",
            Server::Redis => "redis",
            Server::Elasticsearch => "elasticsearch",
            Server::ElasticsearchCluster => "elasticsearch3",
            Server::OpenSearch => "opensearch",
            Server::HaProxy => "haproxy",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Server::Postgres => "TEST_POSTGRES_URL",
            Server::Redis => "TEST_REDIS_URL",
            Server::Elasticsearch => "TEST_ELASTICSEARCH_URL",
            Server::ElasticsearchCluster => "TEST_ELASTICSEARCH_URLS",
            Server::OpenSearch => "TEST_OPENSEARCH_URL",
            Server::HaProxy => "TEST_HAPROXY",
        }
    }
}

/// Where the server is that all tests share.
pub(crate) fn shared(server: Server) -> Option<String> {
    if let Some(url) = std::env::var(server.key()).ok().filter(|url| !url.is_empty()) {
        return Some(url);
    }
    let urls = up(None, &[server], &[])?;
    urls.into_iter().next()
}

/// Runs `services/up` for these servers, in a directory of their own or in the shared one, and gives their addresses
/// in the same order.
pub(crate) fn up(own: Option<&Path>, servers: &[Server], flags: &[&str]) -> Option<Vec<String>> {
    let mut command = script("up", own);
    command.args(flags).args(servers.iter().map(|server| server.name()));
    let output = command.stdin(Stdio::null()).output().expect("bash runs, as the tests need a shell anyway");
    let printed = String::from_utf8_lossy(&output.stdout);
    let url = |server: &Server| {
        printed.lines().find_map(|line| Some(line.strip_prefix(server.key())?.strip_prefix('=')?.to_owned()))
    };
    let urls: Option<Vec<String>> = servers.iter().map(url).collect();
    if urls.is_none() {
        let names: Vec<_> = servers.iter().map(|server| server.name()).collect();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(std::env::var_os("CI").is_none(), "CI must have {}: {why}", names.join(", "));
        crate::say(&format!("NOT RUN, as {} cannot be had. This test proved nothing. {why}", names.join(", ")));
    }
    urls
}

/// A script, ready to be run for the directory given or for the shared one.
pub(crate) fn script(name: &str, own: Option<&Path>) -> Command {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), name].iter().collect();
    let mut command = Command::new(path);
    if let Some(directory) = own {
        command.env("TEST_SERVICES_DIR", directory);
        for server in Server::ALL {
            command.env_remove(server.key());
        }
    }
    command
}
