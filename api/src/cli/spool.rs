//! Reports that could not be sent yet: a directory with one file for each, in the order they were given.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;

use super::parcel::{Kind, Parcel};
use super::printing;

/// A directory of reports. One process at a time works on it.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    /// Held for as long as this value lives. Absent while the directory does not exist.
    lock: Option<File>,
    /// Number of the newest report kept; the next one gets the next.
    newest: u64,
}

/// A report in the spool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    path: PathBuf,
    number: u64,
    pub kind: Kind,
}

impl Spool {
    /// Opens a spool that may not exist: without reports to keep, nothing is made.
    pub fn open(directory: PathBuf) -> anyhow::Result<Spool> {
        let mut spool = Spool { directory, lock: None, newest: 0 };
        if spool.directory.is_dir() {
            spool.acquire()?;
        }
        Ok(spool)
    }

    /// What waits, oldest first.
    pub fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        if self.lock.is_none() {
            return Ok(Vec::new());
        }
        let attempted = || format!("the spool {} could not be read", self.directory.display());
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.directory).with_context(attempted)? {
            entries.extend(entry(file.with_context(attempted)?.path()));
        }
        entries.sort_by_key(|entry| entry.number);
        Ok(entries)
    }

    /// Keeps a report behind all others. It is on the disk when this returns.
    pub fn keep(&mut self, parcel: &Parcel) -> anyhow::Result<Entry> {
        let attempted = format!("{} could not be kept in {}", parcel.label, self.directory.display());
        if self.lock.is_none() {
            // Reports carry their tester's address, so nobody else needs to read them.
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
            made.with_context(|| attempted.clone())?;
            self.acquire()?;
        }
        let number = self.newest + 1;
        let path = self.directory.join(format!("{number:012}.{}.json", suffix(parcel.kind)));
        write_durably(&path, &parcel.bytes).context(attempted)?;
        self.newest = number;
        Ok(Entry { path, number, kind: parcel.kind })
    }

    pub fn parcel(&self, entry: &Entry) -> anyhow::Result<Parcel> {
        let bytes = fs::read(&entry.path).with_context(|| format!("{} could not be read", entry.path.display()))?;
        let id = super::parcel::read("", Bytes::from(bytes.clone())).into_iter().flatten().find_map(|read| read.id);
        Ok(Parcel { label: entry.path.display().to_string(), kind: entry.kind, id, bytes: Bytes::from(bytes) })
    }

    /// Forgets a report that was delivered.
    pub fn remove(&self, entry: &Entry) -> anyhow::Result<()> {
        let removed = fs::remove_file(&entry.path).and_then(|()| sync_directory(&self.directory));
        removed.with_context(|| format!("{} was delivered and could not be removed", entry.path.display()))
    }

    /// Puts a report aside that the server refuses for good, with the reason beside it.
    pub fn put_aside(&self, entry: &Entry, reason: &str) -> anyhow::Result<PathBuf> {
        let aside = self.directory.join("rejected");
        let name = entry.path.file_name().unwrap_or_default();
        let target = free_name(&aside, Path::new(name));
        let moved = fs::create_dir_all(&aside)
            .and_then(|()| write_durably(&target.with_extension("reason.txt"), format!("{reason}\n").as_bytes()))
            .and_then(|()| fs::rename(&entry.path, &target))
            .and_then(|()| sync_directory(&self.directory));
        moved.with_context(|| format!("{} could not be put aside", entry.path.display()))?;
        Ok(target)
    }

    fn acquire(&mut self) -> anyhow::Result<()> {
        let path = self.directory.join("lock");
        let attempted = || format!("the spool {} could not be locked", self.directory.display());
        let lock = File::create(&path).with_context(attempted)?;
        if lock.try_lock().is_err() {
            printing::note("waiting for another assay that uses the same spool");
            lock.lock().with_context(attempted)?;
        }
        self.lock = Some(lock);
        self.newest = self.entries()?.last().map_or(0, |last| last.number);
        Ok(())
    }
}

/// Numbers begin again when the spool was empty, so an earlier refusal may have the same name.
fn free_name(directory: &Path, name: &Path) -> PathBuf {
    let first = directory.join(name);
    let others = (2..).map(|number| directory.join(format!("{number}-{}", name.display())));
    std::iter::once(first).chain(others).find(|path| !path.exists()).expect("the numbers do not end")
}

/// Writes a file whole or not at all: first beside, synced, then renamed.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("unfinished");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// A new or removed name is durable only once its directory is.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn entry(path: PathBuf) -> Option<Entry> {
    let name = path.file_name()?.to_str()?;
    let (number, kind) = name.split_once('.')?;
    let kind = [Kind::V3, Kind::Metabase].into_iter().find(|known| kind == format!("{}.json", suffix(*known)))?;
    Some(Entry { number: number.parse().ok()?, kind, path })
}

fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::V3 => "v3",
        Kind::Metabase => "metabase",
    }
}
