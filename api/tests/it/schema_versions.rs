//! A database of another version is refused by name, with an exit code of its own, and left as it is.

use std::process::Output;

use sqlx::{Connection as _, SqliteConnection};

use crate::server::Server;
use crate::submissions::Made;

/// A stopped server's directory, with one statement done to its database.
async fn after(statement: &'static str) -> Server {
    let mut server = Server::start();
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle().await;
    server.stop();
    let database = format!("sqlite://{}", server.data().join("assay.db").display());
    let mut connection = SqliteConnection::connect(&database).await.unwrap();
    let done = sqlx::query(statement).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
    connection.close().await.unwrap();
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
async fn a_newer_schema_is_refused_by_every_command_that_would_work_on_it() {
    let server = after(
        "INSERT INTO assay_migrations (version, description, success, checksum, execution_time) \
         VALUES (29991231000000, 'of the future', TRUE, x'00', 0)",
    )
    .await;
    for command in [&SERVE[..], &["api", "--listen", "127.0.0.1:0"], &["worker"], &["migrate"], &["rebuild"]] {
        let told = refused(&server, command);
        assert!(told.contains("assay.db") && told.contains("newer assay"), "{told}");
        assert!(told.contains("29991231000000") && told.contains("restore a copy"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_did_not_end_or_is_another_is_refused() {
    let server = after("UPDATE assay_migrations SET success = FALSE").await;
    let told = refused(&server, &SERVE);
    assert!(told.contains("was begun and did not end"), "{told}");
    let mut server = after("UPDATE assay_migrations SET checksum = x'00'").await;
    let told = refused(&server, &SERVE);
    assert!(told.contains("is not the one of that number"), "{told}");
    // Put right again, it is as it was.
    let database = format!("sqlite://{}", server.data().join("assay.db").display());
    let mut connection = SqliteConnection::connect(&database).await.unwrap();
    let whole = sqlx::migrate!("../migrations/sqlite");
    for migration in whole.iter() {
        sqlx::query("UPDATE assay_migrations SET checksum = $1 WHERE version = $2")
            .bind(migration.checksum.as_ref())
            .bind(migration.version)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
    server.start_again();
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["pass"], 1);
}
