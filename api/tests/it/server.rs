//! The real server on a directory of its own, and requests to it: by an ordinary client, or byte for byte.
//!
//! It runs on the embedded profile, or on that which `TEST_PROFILE` names, see [`super::profile`].

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::profile::Deployed;

/// Longest wait for anything that the server does by itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `assay serve`, with everything it stores below one temporary directory. A panic in it fails the test.
pub struct Server {
    pub url: String,
    pub client: reqwest::Client,
    directory: TempDir,
    arguments: Vec<String>,
    /// A command that is put before, to run the server by.
    before: Vec<String>,
    child: Option<Child>,
    /// What it stores in, where that is not its directory.
    deployed: Option<Deployed>,
}

impl Server {
    /// On a loopback address, with the usual settings.
    pub fn start() -> Server {
        Server::with(&["--listen", "127.0.0.1:0"])
    }

    pub fn with(arguments: &[&str]) -> Server {
        let directory = tempfile::tempdir().unwrap();
        Server::on(directory, arguments)
    }

    /// On a directory that holds something already.
    pub fn on(directory: TempDir, arguments: &[&str]) -> Server {
        // The usual port may be another test's.
        assert!(arguments.contains(&"--listen"), "a test's server listens at a port of its own: {arguments:?}");
        let client = client();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (before, deployed) = (Vec::new(), Deployed::of_profile());
        let mut server = Server { url: String::new(), client, directory, arguments, before, child: None, deployed };
        server.start_again();
        server
    }

    /// On a data directory that is a file system of its own, of so many mebibytes: filling it harms nobody. `None`:
    /// this machine does not let its users mount one.
    pub fn on_small_disk(mebibytes: usize, arguments: &[&str]) -> Option<Server> {
        let mount = format!("mount -t tmpfs -o size={mebibytes}m none \"$0\"");
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
        let may = Command::new(unshare[0]).args(&unshare[1..]).arg(&mount).arg(&data).output();
        if !may.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let data = data.to_str().unwrap().to_owned();
        let before = unshare.into_iter().map(str::to_owned).chain([format!("{mount} && exec \"$@\""), data]);
        let mut server = Server {
            url: String::new(),
            client: client(),
            directory,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            before: before.collect(),
            child: None,
            deployed: None,
        };
        server.start_again();
        Some(server)
    }

    /// Starts on the same directory, at another port.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = self
            .serving()
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        self.child = Some(child);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more once the first line is there.
                drop(sender.send(line));
            }
        });
        let line = receiver.recv_timeout(PATIENCE);
        let line =
            line.unwrap_or_else(|error| panic!("the server does not say that it listens: {error}:\n{}", self.log()));
        let url = line.strip_prefix("listening on ").expect("the line says where");
        self.url = url.to_owned();
    }

    fn serving(&self) -> Command {
        let command = self.command(&["serve"]);
        let Some((first, rest)) = self.before.split_first() else { return command };
        let mut before = Command::new(first);
        before.args(rest).arg(command.get_program()).args(command.get_args());
        before.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        before.env("HOME", self.directory.path()).current_dir(self.directory.path());
        before
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// The data directory as the server sees it, where it has a file system of its own.
    pub fn seen_data(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(self.data().strip_prefix("/").unwrap())
    }

    /// `assay COMMAND --data DIRECTORY`, with an empty environment but for a home.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_on(&self.data(), arguments)
    }

    /// The same of another process, which has all in common with this one but files that it shares with nobody.
    pub fn beside(&self, arguments: &[&str]) -> Command {
        match self.deployed {
            Some(_) => self.command_on(&self.directory.path().join("beside"), arguments),
            None => self.command(arguments),
        }
    }

    fn command_on(&self, data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(arguments).arg("--data").arg(data);
        command.env_clear().env("HOME", self.directory.path()).current_dir(self.directory.path());
        if let Some(deployed) = &self.deployed {
            command.envs(deployed.environment());
        }
        command
    }

    /// The PostgreSQL database that it stores in; `None`: an SQLite file.
    pub fn database(&self) -> Option<&str> {
        self.deployed.as_ref().map(Deployed::database)
    }

    /// Runs a command to its end and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "assay {arguments:?} failed:\n{told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command and gives its exit code and what it printed as JSON.
    pub fn told(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let told =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {errors}"));
        (output.status.code().unwrap(), told)
    }

    /// Runs a command that asks this server, to its end, and gives what it printed.
    pub fn run_there(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(arguments).args(["--server", &self.url]);
        let output = command.env_clear().env("HOME", self.directory.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "assay {arguments:?} failed:\n{told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new token's secret and id.
    pub fn token(&self, arguments: &[&str]) -> (String, String) {
        let printed = self.run(&[&["token", "issue", "--json"], arguments].concat());
        let issued: Value = serde_json::from_str(&printed).unwrap();
        (issued["token"].as_str().unwrap().to_owned(), issued["id"].as_str().unwrap().to_owned())
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    /// All that it has logged, over all starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Ends it without a warning, as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
        assert!(asked.success());
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if !std::thread::panicking() {
            panic!("the server did not stop within 10 s of being asked:\n{}", self.log());
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(self.client.get(self.at(path))).await
    }

    /// The JSON at a path that must be there.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// The objects of a stream of lines.
    pub async fn lines(&self, path: &str) -> Vec<Value> {
        let answer = self.ask(self.client.get(self.at(path)).header("accept", "application/x-ndjson")).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Sends one report to `/v4/reports`.
    pub async fn submit(&self, report: &Value) -> Answer {
        self.post("/v4/reports", "application/json", report.to_string()).await
    }

    /// Sends many; each must be taken.
    pub async fn submit_all(&self, reports: &[Value]) {
        let body: String = reports.iter().map(|report| format!("{report}\n")).collect();
        let answer = self.post("/v4/reports", "application/x-ndjson", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        for line in answer.text().lines() {
            assert!(line.contains("\"status\":202") || line.contains("\"status\":200"), "{line}");
        }
    }

    pub async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.ask(self.client.post(self.at(path)).header("content-type", kind).body(body)).await
    }

    pub async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await.unwrap()
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Waits until every accepted report is processed.
    pub async fn settle(&self) {
        self.wait_until("every report is processed", |status| status["waiting"] == 0).await;
    }

    /// Waits until every processed report can be found by a search, too.
    pub async fn settle_index(&self) {
        let done = |status: &Value| status["waiting"] == 0 && status["index"]["lag"] == 0;
        self.wait_until("every report is indexed", done).await;
    }

    async fn wait_until(&self, what: &str, done: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.json("/v4/status").await;
            if done(&status) {
                return;
            }
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}; {status}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sum of a metric over all its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let answer = self.get("/metrics").await;
        let values = answer.text();
        let values = values.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of the server's log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        } else {
            // As Rust tells it; libraries say of their threads that one "panicked" when it met a full disk.
            assert!(!log.contains("panicked at "), "the server panicked:\n{log}");
        }
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> reqwest::Result<Answer> {
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Ok(Answer { status: response.status().as_u16(), headers, body: response.bytes().await?.to_vec() })
    }

    /// A header's value; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One connection on which requests are sent exactly as given.
pub struct Connection {
    reader: tokio::io::BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    pub async fn open(server: &Server) -> Connection {
        let stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        let (reader, writer) = stream.into_split();
        Connection { reader: tokio::io::BufReader::new(reader), writer }
    }

    /// Sends a whole request and reads the answer, which may come before all of the request is sent.
    pub async fn exchange(&mut self, request: &[u8]) -> Answer {
        let without_body = request.starts_with(b"HEAD ");
        let Connection { reader, writer } = self;
        let answer = read_answer(reader, without_body);
        tokio::pin!(answer);
        let exchanged = async {
            let sent = tokio::select! {
                // The server may refuse a long body and close the connection; the answer tells.
                sent = writer.write_all(request) => sent,
                answer = &mut answer => return answer,
            };
            let answer = answer.await;
            assert!(sent.is_ok() || answer.status >= 400, "a request was cut off and answered {answer:?}");
            answer
        };
        tokio::time::timeout(PATIENCE, exchanged).await.expect("an answer in time")
    }
}

/// One request on a connection of its own.
pub async fn exchange(server: &Server, request: &[u8]) -> Answer {
    Connection::open(server).await.exchange(request).await
}

async fn read_answer(reader: &mut tokio::io::BufReader<OwnedReadHalf>, without_body: bool) -> Answer {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        assert!(line.ends_with("\r\n"), "the answer's head breaks off after {lines:?}");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines[1..].iter().map(|line| line.split_once(':').unwrap());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    if without_body || status == 204 || status == 304 {
        return answer;
    }
    assert_eq!(answer.header("transfer-encoding"), "", "an answer of the doors has a length");
    let length = answer.header("content-length").parse().expect("an answer has a length");
    answer.body = vec![0; length];
    reader.read_exact(&mut answer.body).await.unwrap();
    answer
}
