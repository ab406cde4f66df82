//! Redis' own programs: `redis-benchmark` pushing jobs as long as assay's, and what `redis-cli` is asked.

use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Bytes of a job as assay pushes it: its id, which is a group and a random number, and the order to process the group.
const JOB: usize = 60;

/// Jobs pushed in a second by `redis-benchmark` over one connection, one at a time; `None` when it is not installed.
pub fn push_rate(url: &str, jobs: u64) -> anyhow::Result<Option<f64>> {
    let (host, port) = place(url)?;
    let key = "assay-bench-floor";
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", host, "-p", port, "-c", "1", "-n", &jobs.to_string(), "--csv", "RPUSH", key, &"x".repeat(JOB)]);
    let Some(told) = said(&mut command)? else { return Ok(None) };
    said(cli(url).args(["UNLINK", key]))?;
    Ok(Some(requests(&told).with_context(|| format!("redis-benchmark did not tell its rate:\n{told}"))?))
}

/// Requests a second as `redis-benchmark` tells them: the second field of its last line.
fn requests(told: &str) -> Option<f64> {
    // The first field is the command, in which there may be commas.
    let line = told.lines().last()?;
    line.split("\",\"").nth(1)?.trim_matches('"').parse().ok()
}

/// Seconds of CPU time that the server has had; `None` when `redis-cli` is not installed.
pub fn cpu_seconds(url: &str) -> anyhow::Result<Option<f64>> {
    let told = said(cli(url).args(["INFO", "cpu"]))?;
    let field = |told: &str, name: &str| -> Option<f64> {
        told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
    };
    Ok(told.and_then(|told| Some(field(&told, "used_cpu_sys")? + field(&told, "used_cpu_user")?)))
}

/// Removes what begins with a prefix.
pub fn remove(url: &str, prefix: &str) -> anyhow::Result<()> {
    let script = "local at = '0' repeat local found = redis.call('SCAN', at, 'MATCH', ARGV[1], 'COUNT', 1000) \
                  at = found[1] for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end until at == '0'";
    said(cli(url).args(["EVAL", script, "0", &format!("{prefix}:*")])).map(drop)
}

fn cli(url: &str) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-u", url]);
    command
}

/// Host and port of a `redis://` URL without credentials.
fn place(url: &str) -> anyhow::Result<(&str, &str)> {
    let place = url.strip_prefix("redis://").and_then(|rest| rest.split(['/', '?']).next());
    place.and_then(|place| place.rsplit_once(':')).with_context(|| format!("{url} is no redis://HOST:PORT"))
}

/// What a program prints; `None` when it is not installed.
fn said(command: &mut Command) -> anyhow::Result<Option<String>> {
    let name = command.get_program().display().to_string();
    match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not run {name}")),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "{name} failed, {}: {why}", output.status);
            Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_second_field_of_the_last_line() {
        let told = "\"test\",\"rps\",\"avg_latency_ms\"\n\"RPUSH jobs a,b\",\"25000.50\",\"0.035\"\n";
        assert_eq!(requests(told), Some(25_000.5));
        assert_eq!(requests(""), None);
    }

    #[test]
    fn a_place_is_host_and_port() {
        assert_eq!(place("redis://127.0.0.1:6379/1?prefix=x").unwrap(), ("127.0.0.1", "6379"));
        assert!(place("http://127.0.0.1:6379").is_err());
    }
}
