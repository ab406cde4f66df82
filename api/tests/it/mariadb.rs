//! The predecessor's databases are read out of a real MariaDB server. Without one these tests say so; in CI they fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::history::{guid, import};
use crate::server::{PATIENCE, Server};
use crate::submissions::captures;

/// A server of its own, on a free port, with everything it stores in a temporary directory.
struct MariaDb {
    port: u16,
    child: Child,
    directory: TempDir,
}

impl MariaDb {
    /// `None` when the machine has none.
    fn start() -> Option<MariaDb> {
        let Some((installer, server)) = found("mariadb-install-db").zip(found("mariadbd")) else {
            assert!(std::env::var_os("CI").is_none(), "CI must have MariaDB: install mariadb-server");
            services::say("NOT RUN: reading the predecessor's MySQL databases needs MariaDB; install mariadb-server");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("mysql");
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        // Whoever owns the directory runs it, be it the superuser.
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let user = format!("--user={}", user.trim());
        run(Command::new(installer)
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            // Its temporary tables are named after a process number, which another container may have too.
            .arg(format!("--tmpdir={}", directory.path().display()))
            .arg(&user));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(server)
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--innodb-buffer-pool-size=16M",
                "--performance-schema=OFF",
            ])
            .arg(format!("--port={port}"))
            .arg(&user)
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", directory.path().join("socket").display()))
            .arg(format!("--tmpdir={}", directory.path().display()))
            .arg(format!("--pid-file={}", directory.path().join("pid").display()))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let database = MariaDb { port, child, directory };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(database.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "MariaDB does not listen: {}", log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Some(database)
    }

    fn url(&self, name: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{name}", self.port)
    }

    fn run(&self, sql: &str) {
        let client = found("mariadb").expect("its client comes with it");
        let mut child = Command::new(client)
            .args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={}", self.directory.path().join("socket").display()))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Only this one: it is known by its handle.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/bin", "/usr/local/sbin"]);
    folders.map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}

/// As the predecessor's schema has it, foreign keys left out (contract §4.1).
const CPANSTATS: &str = "CREATE TABLE cpanstats (id int unsigned NOT NULL auto_increment PRIMARY KEY, \
    guid char(36) NOT NULL UNIQUE, state enum('pass','fail','unknown','na') NOT NULL, \
    postdate mediumint unsigned NOT NULL, tester varchar(255) NOT NULL, dist varchar(255) NOT NULL, \
    version varchar(255) NOT NULL, platform varchar(255) NOT NULL, perl varchar(255) NOT NULL, \
    osname varchar(255), osvers varchar(255) NOT NULL, fulldate varchar(32) NOT NULL, \
    type tinyint unsigned NOT NULL, uploadid int unsigned NOT NULL) CHARSET utf8mb4;";

#[test]
fn rows_are_read_out_of_mysql_by_number_and_again_from_where_it_was() {
    let Some(database) = MariaDb::start() else { return };
    let row = |number: usize, state: &str, osname: &str| {
        format!(
            "INSERT INTO cpanstats VALUES ({number}, '{}', '{state}', 201608, '\"J&#246;rg \\0é\" <joerg@example.org>', \
             'Foo-Bar', '1.0', 'x86_64-linux', '5.24.0', {osname}, '4.4', '201608191234', 2, 5);\n",
            guid(number)
        )
    };
    let rows: String = (1..=2500).map(|number| row(100_000_000 + number, "pass", "'linux'")).collect();
    database.run(&format!("CREATE DATABASE cpanstats; USE cpanstats; {CPANSTATS}\nBEGIN;\n{rows}COMMIT;\n"));
    let mut server = Server::start();
    server.stop();
    let first = import(&server, &["cpanstats", &database.url("cpanstats")]);
    assert_eq!((&first["imported"], &first["renumbered"], &first["skipped"]), (&json!(2500), &json!(0), &json!({})));
    let fewer = import(&server, &["cpanstats", &database.url("cpanstats")]);
    assert_eq!((&fewer["imported"], &fewer["unchanged"]), (&json!(0), &json!(0)), "read from where it was");
    database.run(&format!("USE cpanstats; {}", row(100_002_501, "fail", "NULL")));
    assert_eq!(import(&server, &["cpanstats", &database.url("cpanstats")])["imported"], 1);
    let whole = import(&server, &["cpanstats", &database.url("cpanstats"), "--restart"]);
    assert_eq!((&whole["imported"], &whole["unchanged"]), (&json!(0), &json!(2501)));

    server.start_again();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let release = runtime.block_on(server.json("/v4/releases/Foo-Bar/1.0"));
    assert_eq!((&release["pass"], &release["fail"]), (&json!(2500), &json!(1)));
    let results = runtime.block_on(server.json("/v4/results?distribution=Foo-Bar&limit=1"));
    let newest = &results["items"][0];
    assert_eq!((&newest["number"], &newest["tester"]), (&json!(100_002_501), &json!("Jörg é")));
    assert_eq!((&newest["grade"], &newest["os"]), (&json!("fail"), &json!("linux")));
}

#[test]
fn facts_are_read_out_of_mysql_with_their_testers() {
    let Some(database) = MariaDb::start() else { return };
    let mut sql = "CREATE DATABASE metabase; USE metabase; \
        CREATE TABLE metabase (guid char(36) NOT NULL PRIMARY KEY, id int unsigned NOT NULL, updated varchar(32), \
        report longblob, fact longblob) CHARSET utf8mb4; \
        CREATE TABLE metabase_user (id int unsigned NOT NULL auto_increment PRIMARY KEY, resource char(50) NOT NULL, \
        fullname varchar(255) NOT NULL, email varchar(255)) CHARSET utf8mb4;\n"
        .to_owned();
    let mut creator = None;
    let mut facts = 0;
    for capture in captures() {
        let Ok(legacy) = schemas::metabase::report(capture.body.as_bytes()) else { continue };
        if capture.body.len() > 100_000 || facts == 120 {
            continue;
        }
        facts += 1;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(capture.body.as_bytes()).unwrap();
        let packed: String = encoder.finish().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let id = legacy.id.to_string();
        sql.push_str(&format!("INSERT INTO metabase VALUES ('{id}', {facts}, '', x'{packed}', '=srl');\n"));
        creator = Some((legacy.creator, id));
    }
    let (profile, last) = creator.unwrap();
    sql.push_str("INSERT INTO metabase VALUES ('ffffffff-0000-0000-0000-000000000000', 0, '', NULL, '=srl');\n");
    for name in ["Once", "Now Zoë"] {
        sql.push_str(&format!(
            "INSERT INTO metabase_user (resource, fullname) VALUES ('metabase:user:{profile}', '{name}');\n"
        ));
    }
    database.run(&sql);
    let mut server = Server::start();
    server.stop();
    let tally = import(&server, &["metabase", &database.url("metabase")]);
    assert_eq!((&tally["imported"], &tally["skipped"]), (&json!(facts), &json!({"the column report is empty": 1})));
    assert_eq!(import(&server, &["metabase", &database.url("metabase"), "--restart"])["unchanged"], facts);
    server.start_again();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tester: Value = runtime.block_on(server.json(&format!("/v4/testers/{profile}")));
    assert_eq!(tester["name"], "Now Zoë");
    assert_eq!(runtime.block_on(server.json(&format!("/v4/reports/{last}/receipt")))["state"], "processed");
}
