//! `assay copy` moves a real database to PostgreSQL and back, whole, whatever kills it on the way.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use services::Database;
use sqlx::PgPool;

use crate::captures::register_testers;
use crate::history::{guid, import, line, write};
use crate::profile::embedded_only;
use crate::server::{PATIENCE, Server, exchange};
use crate::submissions::{Made, captures};

/// A server on a SQLite file, and an empty PostgreSQL database; or nothing, said loudly.
fn ends() -> Option<(Server, Database)> {
    if embedded_only("it copies from the embedded profile") {
        return None;
    }
    let postgres = services::postgres()?;
    Some((Server::start(), services::fresh_database(&postgres)))
}

/// `assay copy`, and what it said: exit code, JSON, and words for people.
fn copy(home: &Path, from: &str, to: &str, more: &[&str]) -> (i32, Value, String) {
    let output = command(home, from, to).args(more).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), told)
}

fn command(home: &Path, from: &str, to: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(["copy", "--json", "--from", from, "--to", to]).env_clear().env("HOME", home).current_dir(home);
    command
}

fn url(server: &Server) -> String {
    format!("sqlite://{}", server.data().join("assay.db").display())
}

/// What readers of all kinds get, without the moment of asking.
async fn answers(server: &Server, ids: &[String]) -> Vec<(String, Value)> {
    let mut paths: Vec<String> = [
        "/v4/results?limit=100",
        "/v4/summaries?limit=100",
        "/v4/changes?limit=500",
        "/v4/releases/Foo-Bar/1.0",
        "/v4/matrix/Foo-Bar?axes=version,language_version,os",
        "/v4/jobs",
        "/v3/summary/Foo-Bar",
        "/v3/release/dist/Foo-Bar",
        "/v1/timestamp/2016/08/19",
        "/cgi-bin/reports-metadata.cgi?range=1-",
    ]
    .map(str::to_owned)
    .to_vec();
    for id in ids {
        paths.extend(["", "/text", "/raw", "/receipt"].map(|part| format!("/v4/reports/{id}{part}")));
    }
    let mut answers = Vec::new();
    for path in paths {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let mut value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!(answer.text()));
        if let Value::Object(members) = &mut value {
            members.remove("fresh_at");
            members.remove("freshness");
        }
        answers.push((path, value));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_the_copy_answers_the_same_and_goes_on() {
    let Some((mut server, database)) = ends() else { return };
    let mut ids = Vec::new();
    for number in 0..20 {
        let grade = ["pass", "fail", "na"][number % 3];
        let made = Made { grade, perl: format!("5.{}.0", 30 + number % 4), ..Made::default() };
        assert_eq!(server.submit(&made.json()).await.status, 202);
        ids.push(made.id);
    }
    register_testers(&server).await;
    for capture in captures().iter().take(5) {
        let answer = exchange(&server, &capture.bytes).await;
        assert!(answer.status < 300, "{}: {}", capture.name, answer.text());
    }
    import(&server, &["cpanstats", &write(&server, "history.tsv", line(200_834, "pass", "0.9"))]);
    let (token, _) = server.token(&["--scope", "submit", "--tester", "Jörg"]);
    server.settle().await;
    let before = answers(&server, &ids).await;

    let (from, to) = (url(&server), database.url().to_owned());
    let (code, _, told) = copy(server.home(), &from, &to, &[]);
    assert!(code == 9 && told.contains("assay serve (process "), "{code}: {told}");
    server.stop();
    let (code, first, told) = copy(server.home(), &from, &to, &[]);
    assert_eq!((code, &first["equal"], &first["resumed"]), (0, &json!(true), &json!(false)), "{first} {told}");
    assert!(first["copied"].as_u64().unwrap() > 100, "{first}");
    let tables = first["tables"].as_array().unwrap();
    let reports = tables.iter().find(|one| one["table"] == "reports").unwrap();
    assert_eq!(
        (&reports["source"], reports["source"]["rows"].as_u64()),
        (&reports["target"], Some(ids.len() as u64 + 6))
    );

    let (code, again, told) = copy(server.home(), &from, &to, &[]);
    assert_eq!((code, &again["copied"], &again["tables"]), (0, &json!(0), &Value::Null), "{told}");
    assert!(told.contains("copied and compared already"), "{told}");

    let there = Server::with(&["--listen", "127.0.0.1:0", "--set", &format!("database={to}")]);
    there.settle().await;
    for ((path, old), (_, new)) in before.iter().zip(answers(&there, &ids).await) {
        assert_eq!(&new, old, "{path}");
    }
    let made = Made { tester: "Jörg".to_owned(), ..Made::default() };
    let request = there.client.post(there.at("/v4/reports")).bearer_auth(&token).json(&made.json());
    assert_eq!(there.ask(request).await.status, 202);
    there.settle().await;
    let number = there.json(&format!("/v4/reports/{}", made.id)).await["result"]["number"].as_i64();
    assert_eq!(number, Some(200_835));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_killed_in_the_middle_goes_on_where_it_was() {
    let Some((mut server, database)) = ends() else { return };
    server.stop();
    let total = 3_000;
    let dump: String = (1..=total).map(|number| line(number, ["pass", "fail"][number % 2], "2.0")).collect();
    import(&server, &["cpanstats", &write(&server, "many.tsv", dump)]);
    let (from, to) = (url(&server), database.url().to_owned());
    // The tables are made first, so that one of them can be locked: nobody writes to it, and the copy waits there.
    let migrated = server.command(&["migrate", "--set", &format!("database={to}")]).status().unwrap();
    assert!(migrated.success());
    let raw = PgPool::connect(&to).await.unwrap();
    let mut lock = raw.begin().await.unwrap();
    sqlx::query("LOCK TABLE extracts IN SHARE MODE").execute(&mut *lock).await.unwrap();

    let mut running = command(server.home(), &from, &to).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let record: Option<String> =
            sqlx::query_scalar("SELECT value FROM settings WHERE name = 'copy'").fetch_optional(&raw).await.unwrap();
        if record.is_some_and(|record| record.contains("\"matrix_cells\"")) {
            break;
        }
        assert!(Instant::now() < end && running.try_wait().unwrap().is_none(), "it does not come to the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    lock.rollback().await.unwrap();

    let (code, rest, told) = copy(server.home(), &from, &to, &[]);
    assert_eq!((code, &rest["equal"], &rest["resumed"]), (0, &json!(true), &json!(true)), "{rest} {told}");
    // Of the many, rows of reports and bodies were there, and those of the table behind the lock were not.
    let copied = rest["copied"].as_u64().unwrap();
    assert!(copied >= total as u64 && copied < 2 * total as u64, "{rest}");
    let there = Server::with(&["--listen", "127.0.0.1:0", "--set", &format!("database={to}")]);
    let release = there.json("/v4/releases/Foo-Bar/2.0").await;
    assert_eq!((&release["pass"], &release["fail"]), (&json!(total / 2), &json!(total / 2)));
    assert_eq!(there.json(&format!("/v4/reports/{}", guid(total))).await["result"]["number"], json!(total));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_fit_to_be_copied_is_refused_with_the_way_out() {
    let Some((mut server, database)) = ends() else { return };
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
    server.settle().await;
    server.stop();
    let (from, to, home) = (url(&server), database.url().to_owned(), server.home().to_owned());
    let refused = |from: &str, to: &str, code: i32, words: &str| {
        let (found, _, told) = copy(&home, from, to, &[]);
        assert!(found == code && told.contains(words), "{found}: {told}");
    };
    refused(&from, &from, 2, "are the same database");
    refused(&format!("sqlite://{}/nothing.db", home.display()), &to, 1, "there is no database at");
    refused("mysql://localhost/assay", &to, 2, "expected sqlite://PATH or postgres://");
    // An empty database is fit to be a target, and not a source.
    refused(&to, &format!("sqlite://{}/other.db", home.display()), 8, "run `assay migrate` on it first");

    let (code, first, told) = copy(&home, &from, &to, &[]);
    assert_eq!(code, 0, "{first} {told}");
    let other = format!("sqlite://{}/elsewhere/assay.db", home.display());
    assert_eq!(copy(&home, &to, &other, &[]).0, 0);
    refused(&other, &to, 2, "name an empty database instead");
    let (code, _, told) = copy(&home, &other, &from, &[]);
    assert!(code == 2 && told.contains("1 rows of reports"), "{code}: {told}");

    let raw = PgPool::connect(&to).await.unwrap();
    sqlx::query("UPDATE bodies SET size = size + 1").execute(&raw).await.unwrap();
    let (code, compared, _) = copy(&home, &from, &to, &["--verify"]);
    assert_eq!((code, &compared["equal"], &compared["copied"]), (1, &json!(false), &json!(0)));
    let different: Vec<&Value> = compared["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["equal"] == false)
        .map(|one| &one["table"])
        .collect();
    assert_eq!(different, ["bodies"]);
    sqlx::query("DELETE FROM assay_migrations WHERE version = (SELECT max(version) FROM assay_migrations)")
        .execute(&raw)
        .await
        .unwrap();
    refused(&from, &to, 8, "1 migrations of this version are missing");
}
