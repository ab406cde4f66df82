//! Floors: what bare software does with the same work on the same machine in the same run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::routing::{any, post};
use bytes::Bytes;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

pub mod bulk;
pub mod postgres;
pub mod redis;

/// The rows of the change feed, as the `sqlite3` shell writes them with `-json`.
const CHANGES: &str = "\
select x.change_number as number, 'result' as kind, lower(hex(r.id)) as key, x.removed, x.document as value
from extracts x join reports r on r.number = x.number order by x.change_number";

/// A bare handler.
#[derive(Clone, Debug, Subcommand)]
pub enum Handler {
    /// Reads the body, drops it, and answers 202
    Drop,
    /// Answers everything with the recorded answer in FILE
    Serve { file: PathBuf },
}

/// An answer to give again and again.
#[derive(Serialize, Deserialize)]
pub struct Recorded {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Serves until the process is killed. The runtime is tokio's default one, as assay's is.
pub async fn serve(handler: Handler) -> anyhow::Result<()> {
    let router = match handler {
        Handler::Drop => Router::new().route("/v4/reports", post(drop_body)),
        Handler::Serve { file } => repeating(&file)?,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("could not listen")?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await.context("could not serve")
}

async fn drop_body(body: Bytes) -> (StatusCode, [(HeaderName, &'static str); 2], &'static str) {
    drop(body);
    let headers = [
        (header::LOCATION, "/v4/reports/0b45cd74-d944-4999-9c3d-c81021ca3d34/receipt"),
        (header::CONTENT_TYPE, "application/json"),
    ];
    (StatusCode::ACCEPTED, headers, r#"{"id":"0b45cd74-d944-4999-9c3d-c81021ca3d34","state":"accepted"}"#)
}

fn repeating(file: &Path) -> anyhow::Result<Router> {
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(file).context("could not read the answer")?)?;
    let status = StatusCode::from_u16(recorded.status)?;
    let mut headers = HeaderMap::new();
    for (name, value) in recorded.headers {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let body = Bytes::from(recorded.body);
    let answer = move || {
        let answer = (status, headers.clone(), body.clone());
        async move { answer }
    };
    Ok(Router::new().fallback(any(answer)))
}

/// Rows a second when `bodies` are put into a bare SQLite file, `group` in a commit, as durable as assay's own file.
pub async fn insert_rate(
    directory: &Path,
    bodies: &[Vec<u8>],
    group: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let file = directory.join(format!("floor-{group}-{}.db", bodies.first().map_or(0, Vec::len)));
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.context("could not open a SQLite file")?;
    sqlx::query("create table bodies (number integer primary key, body blob not null)")
        .execute(&mut connection)
        .await?;
    let mut turn = bodies.iter().cycle();
    let mut rows = 0;
    let began = Instant::now();
    while began.elapsed() < duration {
        let mut tx = connection.begin_with("begin immediate").await?;
        for body in turn.by_ref().take(group) {
            sqlx::query("insert into bodies (body) values ($1)").bind(body.as_slice()).execute(&mut *tx).await?;
            rows += 1;
        }
        tx.commit().await?;
    }
    let rate = f64::from(rows) / began.elapsed().as_secs_f64();
    connection.close().await?;
    std::fs::remove_file(&file).context("could not remove the floor's SQLite file")?;
    Ok(rate)
}

/// Seconds the `sqlite3` shell takes to write the rows of the change feed as JSON; `None` when there is no shell.
pub fn shell_seconds(database: &Path) -> anyhow::Result<Option<f64>> {
    shell_seconds_of(database, CHANGES)
}

/// The same, for the rows of any query.
pub fn shell_seconds_of(database: &Path, query: &str) -> anyhow::Result<Option<f64>> {
    let began = Instant::now();
    let status =
        Command::new("sqlite3").arg("-readonly").arg("-json").arg(database).arg(query).stdout(Stdio::null()).status();
    match status {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("could not run sqlite3"),
        Ok(status) => {
            anyhow::ensure!(status.success(), "sqlite3 could not read the rows: {status}");
            Ok(Some(began.elapsed().as_secs_f64()))
        }
    }
}
