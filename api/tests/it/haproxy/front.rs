//! HAProxy with the configuration of the repository, in front of two addresses.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::PATIENCE;

pub fn configuration() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/haproxy.cfg")
}

/// Ends with its value.
pub struct Front {
    pub url: String,
    child: Child,
    directory: TempDir,
}

impl Front {
    /// In front of two nodes, each `HOST:PORT`. `None`: there is no HAProxy here.
    pub fn start(nodes: [&str; 2]) -> Option<Front> {
        let program = services::haproxy()?;
        let directory = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg("-db")
            .arg("-f")
            .arg(configuration())
            .env("FRONT", &address)
            .env("API_1", nodes[0])
            .env("API_2", nodes[1])
            .env("ADMIN", directory.path().join("admin"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let front = Front { url: format!("http://{address}"), child, directory };
        front.wait("HAProxy listens", || TcpStream::connect(&address).is_ok() && front.statistics().is_ok());
        Some(front)
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A column of HAProxy's own statistics for a server of the back end `submissions` or `readers`.
    pub fn figure(&self, backend: &str, server: &str, column: &str) -> String {
        let table = self.statistics().unwrap();
        let mut lines = table.trim_start_matches("# ").lines().map(|line| line.split(',').collect::<Vec<_>>());
        let at = lines.next().unwrap().iter().position(|name| *name == column).expect("HAProxy has this column");
        let row = lines.find(|row| row[0] == backend && row[1] == server).expect("HAProxy has this server");
        row[at].to_owned()
    }

    fn statistics(&self) -> std::io::Result<String> {
        let mut admin = UnixStream::connect(self.directory.path().join("admin"))?;
        admin.write_all(b"show stat\n")?;
        let mut table = String::new();
        admin.read_to_string(&mut table)?;
        Ok(table)
    }

    /// Waits until HAProxy takes a node, 1 or 2, for usable, or for not.
    pub fn wait_for_node(&self, node: usize, status: &str) {
        let server = format!("api{node}");
        self.wait(&format!("{server} is {status}"), || self.figure("readers", &server, "status") == status);
    }

    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done() {
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}\n{}", log());
            // It ends by itself only for a fault of its own.
            let ended = Path::new(&format!("/proc/{}/fd/0", self.child.id())).symlink_metadata().is_err();
            assert!(!ended, "HAProxy ended:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port nobody listens on, below those that the system gives to who asks for any: it is still free when a node that
/// ended is started there again.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(10_000..20_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
