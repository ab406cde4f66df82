//! A database of another version is refused by name, with an exit code of its own, and left as it is.

use std::process::Output;

use crate::raw::Raw;
use crate::server::Server;
use crate::submissions::Made;

/// A stopped server's directory, with one statement done to its database, as SQLite and PostgreSQL say it.
async fn after(sqlite: &str, postgres: &str) -> Server {
    let mut server = Server::start();
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle().await;
    server.stop();
    let raw = Raw::of(&server).await;
    assert!(raw.execute_either(sqlite, postgres).await > 0, "{sqlite}");
    raw.close().await;
    server
}

fn refused(server: &Server, command: &[&str]) -> String {
    let Output { status, stdout, stderr } = server.command(command).output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(8), "{command:?}: {told}");
    assert_eq!(String::from_utf8(stdout).unwrap(), "", "nothing is listened on");
    told
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_that_does_not_fit_is_refused_by_every_command_that_would_work_on_it() {
    let mut server = after(
        "INSERT INTO assay_migrations (version, description, success, checksum, execution_time) \
         VALUES (29991231000000, 'of the future', TRUE, x'00', 0)",
        "INSERT INTO assay_migrations (version, description, success, checksum, execution_time) \
         VALUES (29991231000000, 'of the future', TRUE, '\\x00', 0)",
    )
    .await;
    // One that fits this version too, as during a roll-out, is worked on.
    server.start_again();
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 1);
    server.submit_all(&[Made::default().json()]).await;
    server.settle().await;
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 2);
    server.stop();

    let unfit = "UPDATE counters SET value = 29991231000000 WHERE name = 'oldest_schema'";
    let raw = Raw::of(&server).await;
    assert_eq!(raw.execute_either(unfit, unfit).await, 1);
    raw.close().await;
    for command in [&SERVE[..], &["api", "--listen", "127.0.0.1:0"], &["worker"], &["migrate"], &["rebuild"]] {
        let told = refused(&server, command);
        assert!(told.contains("the database ") && told.contains("newer assay"), "{told}");
        assert!(told.contains("29991231000000") && told.contains("restore a copy"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_did_not_end_or_is_another_is_refused() {
    let dirty = "UPDATE assay_migrations SET success = FALSE";
    let server = after(dirty, dirty).await;
    let told = refused(&server, &SERVE);
    assert!(told.contains("was begun and did not end"), "{told}");
    let mut server =
        after("UPDATE assay_migrations SET checksum = x'00'", "UPDATE assay_migrations SET checksum = '\\x00'").await;
    let told = refused(&server, &SERVE);
    assert!(told.contains("is not the one of that number"), "{told}");
    // Put right again, it is as it was.
    let raw = Raw::of(&server).await;
    let whole = match raw {
        Raw::Sqlite(_) => sqlx::migrate!("../migrations/sqlite"),
        Raw::Postgres(_) => sqlx::migrate!("../migrations/postgres"),
    };
    for migration in whole.iter() {
        let checksum: String = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        raw.execute_either(
            &format!("UPDATE assay_migrations SET checksum = x'{checksum}' WHERE version = {}", migration.version),
            &format!("UPDATE assay_migrations SET checksum = '\\x{checksum}' WHERE version = {}", migration.version),
        )
        .await;
    }
    raw.close().await;
    server.start_again();
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 1);
}
