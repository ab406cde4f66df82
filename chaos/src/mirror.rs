//! A mirror of the change feed: a process whose state is on disk, killed at random moments and gone on with.
//!
//! Its state is a log with a line for each page it has taken in, the cursor in it. Whatever moment it is killed at,
//! the log ends with a whole page or with a torn line, which is cut off at the next start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Addresses, Client};

/// Pages are shorter than this, so the last whole one lies within as many bytes before the log's end.
const TAIL: u64 = 16 * 1024 * 1024;

/// Where the mirror keeps its state, and where it learns whom to ask.
#[derive(Args, Clone, Debug)]
pub struct Following {
    /// The log of pages
    #[arg(long)]
    pub log: PathBuf,
    /// The file with the addresses that answer
    #[arg(long)]
    pub addresses: PathBuf,
}

/// A page of the feed, as the log has it.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    next: String,
    changes: Vec<Change>,
}

/// One change of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub number: i64,
    pub kind: String,
    pub key: String,
    pub removed: bool,
    pub value: Value,
}

/// Follows the feed until it is killed.
pub async fn follow(following: &Following) -> anyhow::Result<()> {
    let mut log = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&following.log)
        .context("the mirror's log could not be opened")?;
    let mut cursor = mend(&mut log)?;
    let client = Client::new(Addresses::new(following.addresses.clone()))?;
    loop {
        let bases = std::fs::read_to_string(&following.addresses).unwrap_or_default();
        let bases: Vec<&str> = bases.lines().collect();
        let lot = rand::rng().random_range(0..bases.len().max(1));
        let page = match bases.get(lot) {
            Some(base) => fetch(&client, base, &cursor).await,
            None => Ok(None),
        };
        match page {
            Ok(Some(page)) if page.next != cursor => {
                let line = [serde_json::to_vec(&page)?, b"\n".to_vec()].concat();
                log.write_all(&line).context("the mirror's log could not be written")?;
                cursor = page.next;
            }
            // Nothing new, nobody there, or an answer cut off: ask again.
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The next page, asked for in one of the two shapes it has.
async fn fetch(client: &Client, base: &str, cursor: &str) -> anyhow::Result<Option<Page>> {
    let (limit, lines) = (rand::rng().random_range(1..800), rand::rng().random_bool(0.3));
    let path = format!("/v4/changes?after={cursor}&wait=1&limit={limit}");
    let accept = if lines { "application/x-ndjson" } else { "application/json" };
    let (status, body) = client.get_from(base, &path, accept).await?;
    anyhow::ensure!(status == 200, "the feed was answered {status}");
    if !lines {
        return Ok(Some(serde_json::from_slice(&body)?));
    }
    let changes: Vec<Change> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()?;
    // The number of the last line is the cursor to go on from.
    Ok(changes.last().map(|change| change.number.to_string()).map(|next| Page { next, changes }))
}

/// Cuts a torn line off, and gives the cursor of the last whole page; 0 before the first.
fn mend(log: &mut File) -> anyhow::Result<String> {
    let length = log.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL);
    log.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    log.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    log.set_len(from + whole as u64)?;
    log.seek(SeekFrom::End(0))?;
    let last = tail[..whole].split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    match last {
        None => Ok("0".to_owned()),
        Some(line) => Ok(serde_json::from_slice::<Page>(line).context("the mirror's log is damaged")?.next),
    }
}

/// What a mirror knows: the last change of each row.
#[derive(Debug, Default)]
pub struct Mirror {
    pub results: BTreeMap<String, Change>,
    pub summaries: BTreeMap<String, Change>,
    /// Changes taken in, and those that came out of order.
    pub changes: u64,
    pub disorder: Vec<String>,
    /// The greatest number taken in.
    pub last: i64,
}

impl Mirror {
    /// Reads a log from its beginning.
    pub fn replay(log: &Path) -> anyhow::Result<Mirror> {
        let mut mirror = Mirror::default();
        let file = File::open(log).context("the mirror's log could not be opened")?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.context("the mirror's log could not be read")?;
            let page: Page = serde_json::from_slice(&line).context("the mirror's log is damaged")?;
            page.changes.into_iter().for_each(|change| mirror.take(change));
        }
        Ok(mirror)
    }

    fn take(&mut self, change: Change) {
        self.changes += 1;
        if change.number <= self.last {
            self.disorder
                .push(format!("{} {} has number {} after {}", change.kind, change.key, change.number, self.last));
        }
        self.last = self.last.max(change.number);
        let rows = if change.kind == "result" { &mut self.results } else { &mut self.summaries };
        rows.insert(change.key.clone(), change);
    }
}

/// The cursor a log ends with.
pub fn cursor(log: &Path) -> anyhow::Result<i64> {
    if !log.exists() {
        return Ok(0);
    }
    let mut file = File::open(log).context("the mirror's log could not be opened")?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let mut lines = tail.rsplit(|byte| *byte == b'\n').skip(1);
    let Some(line) = lines.next() else { return Ok(0) };
    let page: Page = serde_json::from_slice(line).context("the mirror's log is damaged")?;
    page.next.parse().context("a cursor of this feed is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(numbers: &[i64]) -> String {
        let change = |number: &i64| Change {
            number: *number,
            kind: "result".to_owned(),
            key: format!("report {}", number % 2),
            removed: false,
            value: Value::Null,
        };
        let changes = numbers.iter().map(change).collect();
        serde_json::to_string(&Page { next: numbers.last().unwrap().to_string(), changes }).unwrap()
    }

    #[test]
    fn a_torn_line_is_cut_off_and_asked_for_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let whole = format!("{}\n{}\n", page(&[1, 2]), page(&[3]));
        for torn in ["", "{\"next\":\"9", "{"] {
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            assert_eq!(cursor(&path).unwrap(), 3);
            let mut log = File::options().read(true).write(true).open(&path).unwrap();
            assert_eq!(mend(&mut log).unwrap(), "3");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        }
        std::fs::write(&path, "{\"ne").unwrap();
        let mut log = File::options().read(true).write(true).open(&path).unwrap();
        assert_eq!(mend(&mut log).unwrap(), "0");
        assert_eq!(cursor(&path).unwrap(), 0);
    }

    #[test]
    fn the_last_change_of_a_row_counts_and_disorder_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, format!("{}\n{}\n", page(&[1, 2, 3]), page(&[6, 5]))).unwrap();
        let mirror = Mirror::replay(&path).unwrap();
        assert_eq!((mirror.changes, mirror.last), (5, 6));
        assert_eq!(mirror.results["report 1"].number, 5);
        assert_eq!(mirror.disorder.len(), 1);
    }
}
