//! The servers really start, once for all, and a test's own can be killed and come back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use services::{OwnServers, Server};

#[test]
fn every_shared_server_answers_where_it_is_said_to_be() {
    if let Some(url) = services::postgres() {
        assert_eq!(select(&url, "SELECT 41 + 1"), "42");
        assert_eq!(select(&url, "SHOW fsync"), "on");
        assert_eq!(services::postgres(), Some(url), "the second question gives the same answer");
    }
    if let Some(url) = services::redis() {
        assert_eq!(redis(&url, "PING"), "+PONG");
    }
    for (url, version) in
        [(services::elasticsearch(), "\"version\":\"8."), (services::opensearch(), "\"version\":\"2.")]
    {
        let Some(url) = url else { continue };
        let node = get(&url, "/_nodes/_local");
        assert!(node.contains(version), "{node}");
    }
    if let Some(program) = services::haproxy() {
        let output = Command::new(program).arg("-v").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("HAProxy"));
    }
}

#[test]
fn a_fresh_database_is_empty_and_goes_with_its_value() {
    let Some(server) = services::postgres() else { return };
    let (one, other) = (services::fresh_database(&server), services::fresh_database(&server));
    select(one.url(), "CREATE TABLE only_here (number bigint)");
    let count = "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'";
    assert_eq!((select(one.url(), count), select(other.url(), count)), ("1".to_owned(), "0".to_owned()));
    let name = one.url().rsplit('/').next().unwrap().to_owned();
    let known = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(select(&server, &known), "1");
    drop(one);
    while select(&server, &known) != "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn servers_of_ones_own_are_killed_and_come_back_with_what_they_stored() {
    let Some(own) = OwnServers::start(&[Server::Postgres, Server::Redis]) else { return };
    let (database, cache) = (own.url(Server::Postgres), own.url(Server::Redis));
    assert_ne!(Some(database.to_owned()), services::postgres());
    select(database, "CREATE TABLE kept (number bigint)");
    select(database, "INSERT INTO kept VALUES (17)");
    own.kill(Server::Postgres);
    own.kill(Server::Redis);
    assert!(TcpStream::connect(address(database)).is_err() && TcpStream::connect(address(cache)).is_err());
    own.start_again(Server::Postgres);
    own.start_again(Server::Redis);
    assert_eq!(select(database, "SELECT number FROM kept"), "17");
    assert_eq!(redis(cache, "PING"), "+PONG");

    own.pause(Server::Redis);
    let mut silent = TcpStream::connect(address(cache)).unwrap();
    silent.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    silent.write_all(b"PING\r\n").unwrap();
    assert!(silent.read(&mut [0; 16]).is_err(), "it is paused");
    own.resume(Server::Redis);
    assert_eq!(redis(cache, "PING"), "+PONG");

    let address = address(cache).to_owned();
    drop(own);
    assert!(TcpStream::connect(address).is_err(), "they end with the value");
}

#[test]
fn a_node_of_three_that_was_killed_joins_the_others_again() {
    let Some(own) = OwnServers::start(&[Server::ElasticsearchCluster]) else { return };
    let nodes: Vec<_> = own.url(Server::ElasticsearchCluster).split(',').collect();
    assert_eq!(nodes.len(), 3);
    own.kill_node(2);
    assert!(TcpStream::connect(address(nodes[1])).is_err());
    own.start_again(Server::ElasticsearchCluster);
    for node in nodes {
        let health = get(node, "/_cluster/health");
        assert!(health.contains("\"number_of_nodes\":3,"), "{node}: {health}");
    }
}

#[test]
fn a_server_that_cannot_be_had_is_told_loudly_and_is_a_failure_in_ci() {
    // This program again, where no directory can be made for servers.
    let run = |ci: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_fresh_database_is_empty_and_goes_with_its_value"]);
        command.env("TEST_SERVICES_DIR", "/proc/none").env_remove("TEST_POSTGRES_URL").env_remove("CI");
        let output = command.envs(ci.map(|value| ("CI", value))).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    // Also to those who run the tests without a flag, and see what a test says only when it fails.
    let (passed, told) = run(None);
    assert!(passed && told.contains("NOT RUN, as postgres cannot be had"), "{told}");
    let (passed, told) = run(Some("true"));
    assert!(!passed && told.contains("CI must have postgres"), "{told}");
}

fn select(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args(["--no-psqlrc", "-At", "-d", url, "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn redis(url: &str, command: &str) -> String {
    exchange(url, &format!("{command}\r\nQUIT\r\n")).lines().next().unwrap().to_owned()
}

fn get(url: &str, path: &str) -> String {
    exchange(url, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

fn exchange(url: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address(url)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Host and port of a URL.
fn address(url: &str) -> &str {
    let rest = url.split("://").nth(1).unwrap();
    let rest = rest.split('/').next().unwrap();
    rest.rsplit('@').next().unwrap()
}
