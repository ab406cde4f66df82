//! Servers of one test's own, which it may stop, kill and start again.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::database::random_word;
use crate::script::{self, Server};

/// Servers that nobody else uses. They end, and what they stored goes, with this value, and also when the test's
/// process is killed.
#[derive(Debug)]
pub struct OwnServers {
    directory: PathBuf,
    urls: Vec<(Server, String)>,
    // Waits for the end of its standard input, which comes with the end of this process at the latest.
    undertaker: Child,
}

impl OwnServers {
    /// Starts these servers. `None` when one cannot be had; in CI that is a panic.
    pub fn start(servers: &[Server]) -> Option<OwnServers> {
        OwnServers::start_with(servers, &[])
    }

    /// The same, with search engines that are slower to start and fit to be measured.
    pub fn start_measured(servers: &[Server]) -> Option<OwnServers> {
        OwnServers::start_with(servers, &["--measured"])
    }

    fn start_with(servers: &[Server], flags: &[&str]) -> Option<OwnServers> {
        let directory = std::env::temp_dir().join(format!("assay-services-{}", random_word()));
        DirBuilder::new().mode(0o700).create(&directory).expect("a directory can be made for temporary files");
        let mut undertaker = Command::new("setsid");
        undertaker.args(["bash", "-c", r#"read -r _; "$0" --clean && rm -rf "$1""#]);
        let down = script::script("down", Some(&directory));
        undertaker.arg(down.get_program()).arg(&directory).env("TEST_SERVICES_DIR", &directory);
        let undertaker = undertaker.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let undertaker = undertaker.expect("setsid and bash run");
        // Made before the servers start, so that those of a failed start are stopped too.
        let mut own = OwnServers { directory, urls: Vec::new(), undertaker };
        let urls = script::up(Some(&own.directory), servers, flags)?;
        own.urls = servers.iter().copied().zip(urls).collect();
        Some(own)
    }

    /// Where a server is; it stays there when it is started again. Several nodes are separated by commas.
    pub fn url(&self, server: Server) -> &str {
        let url = self.urls.iter().find(|(known, _)| *known == server).map(|(_, url)| url.as_str());
        url.expect("the server is one of those started")
    }

    /// Ends a server as a crash does (`SIGKILL`), its children too, and waits until it has gone.
    pub fn kill(&self, server: Server) {
        self.signal("KILL", server.name());
    }

    /// Ends a node of the cluster, 1 to 3, as a crash does.
    pub fn kill_node(&self, node: usize) {
        self.signal("KILL", &format!("{}/{node}", Server::ElasticsearchCluster.name()));
    }

    /// Lets a server say nothing (`SIGSTOP`): its connections stay open, and no answer comes.
    pub fn pause(&self, server: Server) {
        self.signal("STOP", server.name());
    }

    pub fn resume(&self, server: Server) {
        self.signal("CONT", server.name());
    }

    /// Starts a server, or the nodes of a cluster, that ended, at the same port, with what it stored.
    pub fn start_again(&self, server: Server) {
        let urls = script::up(Some(&self.directory), &[server], &["--again"]);
        let urls = urls.expect("a server that ran can be started again");
        assert_eq!(urls, [self.url(server)], "it stays where it was");
    }

    fn signal(&self, signal: &str, name: &str) {
        let status = script::script("signal", Some(&self.directory)).args([signal, name]).status();
        assert!(status.expect("bash runs").success(), "{signal} could not be sent to {name}");
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        drop(self.undertaker.wait());
    }
}
