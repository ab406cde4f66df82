//! PostgreSQL's own programs with the same rows: `pgbench` inserting bodies one by one, `psql` copying rows in and out.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

/// Scripts that `pgbench` takes at most.
pub const SCRIPTS: usize = 128;

/// Bodies inserted in a second by `pgbench`: each of so many clients commits one a transaction, and the server syncs its
/// log for those that come together. `bodies` are sent in turn by chance, as literals, so that their bytes travel as
/// assay's do. `None` when there is no `pgbench`.
pub async fn insert_rate(
    database: (&str, &mut PgConnection),
    directory: &Path,
    bodies: &[Vec<u8>],
    clients: u16,
    duration: Duration,
) -> anyhow::Result<Option<f64>> {
    let (url, connection) = database;
    let table = "CREATE TABLE bare_bodies (number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY, body BYTEA NOT NULL); \
                 ALTER TABLE bare_bodies ALTER COLUMN body SET STORAGE EXTERNAL";
    connection.execute(table).await.context("a bare table could not be made")?;
    let mut command = Command::new("pgbench");
    command.args(["--no-vacuum", "--jobs", "2", "--time", &duration.as_secs().max(1).to_string()]);
    command.args(["--client", &clients.to_string()]).stdout(Stdio::piped());
    for (number, body) in bodies.iter().take(SCRIPTS).enumerate() {
        let mut script = String::from("INSERT INTO bare_bodies (body) VALUES ('\\x");
        body.iter().try_for_each(|byte| write!(script, "{byte:02x}")).context("a body could not be written")?;
        script.push_str("');\n");
        let file = directory.join(format!("body-{number}.sql"));
        std::fs::write(&file, script).context("a script could not be written")?;
        command.arg("--file").arg(file);
    }
    let ran = run(command.arg(url))?;
    connection.execute("DROP TABLE bare_bodies").await.context("the bare table could not be dropped")?;
    let Some(output) = ran else { return Ok(None) };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Some(transactions(&told).with_context(|| format!("pgbench did not tell its rate:\n{told}"))?))
}

/// Transactions a second as `pgbench` tells them.
fn transactions(told: &str) -> Option<f64> {
    told.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
}

/// What copying the rows of a table took.
pub struct Copied {
    /// Into a bare table, in seconds.
    pub bare: f64,
    /// Into one with the same indexes.
    pub indexed: f64,
}

/// Copies the rows of a table by `psql` out of a file into tables of their own. `None` when there is no `psql`.
pub async fn copy_in(
    url: &str,
    connection: &mut PgConnection,
    table: &str,
    directory: &Path,
) -> anyhow::Result<Option<Copied>> {
    let file = directory.join("rows.copy");
    let file = file.to_str().context("the temporary directory's name is not UTF-8")?;
    if run(psql(url).args(["--command", &format!("\\copy {table} TO '{file}'")]))?.is_none() {
        return Ok(None);
    }
    let mut copied = Copied { bare: 0.0, indexed: 0.0 };
    for (seconds, like) in [(&mut copied.bare, ""), (&mut copied.indexed, "INCLUDING INDEXES")] {
        let sql = format!("DROP TABLE IF EXISTS bare_rows; CREATE TABLE bare_rows (LIKE {table} {like})");
        connection.execute(AssertSqlSafe(sql)).await.context("a bare table could not be made")?;
        let began = Instant::now();
        run(psql(url).args(["--command", &format!("\\copy bare_rows FROM '{file}'")]))?;
        *seconds = began.elapsed().as_secs_f64();
    }
    connection.execute("DROP TABLE bare_rows").await.context("the bare table could not be dropped")?;
    Ok(Some(copied))
}

/// Seconds that `psql` takes to write the rows of a query; `None` when there is no `psql`.
pub fn copy_out_seconds(url: &str, query: &str) -> anyhow::Result<Option<f64>> {
    let began = Instant::now();
    let mut command = psql(url);
    command.args(["--command", &format!("COPY ({query}) TO STDOUT")]).stdout(Stdio::null());
    Ok(run(&mut command)?.map(|_| began.elapsed().as_secs_f64()))
}

fn psql(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", url]);
    command
}

/// Runs a program to its end; `None` when it is not installed.
fn run(command: &mut Command) -> anyhow::Result<Option<Output>> {
    let name = command.get_program().display().to_string();
    // What a caller wants nothing of goes nowhere, and is not held.
    match command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not run {name}")),
        Ok(child) => {
            let output = child.wait_with_output().with_context(|| format!("could not wait for {name}"))?;
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "{name} failed, {}: {said}", output.status);
            Ok(Some(output))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_out_of_what_pgbench_says() {
        let told = "number of clients: 64\nlatency average = 9.1 ms\ninitial connection time = 60.1 ms\n\
                    tps = 7021.553211 (without initial connection time)\n";
        assert_eq!(transactions(told), Some(7021.553211));
        assert_eq!(transactions("pgbench: error"), None);
    }
}
