//! Who works on a data directory: one process at a time, named in the file it has locked.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::Settings;

/// Holds the data directory for one process; it is let go when this is dropped, or the process is gone.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

/// Another process has the data directory.
#[derive(Debug, thiserror::Error)]
#[error("{holder} works on {directory}; stop it first, or use another directory with --data", directory = .directory.display())]
pub struct InUse {
    directory: PathBuf,
    /// `assay serve (process 4711)`.
    holder: String,
}

/// Takes the data directory for this process alone. `command` tells others what holds it.
pub fn hold(settings: &Settings, command: &str) -> anyhow::Result<Hold> {
    hold_directory(&settings.data, command)
}

/// As [`hold`], for a directory that is not this process's data directory.
pub(super) fn hold_directory(directory: &Path, command: &str) -> anyhow::Result<Hold> {
    let mut file = lock(directory)?;
    let told = file.set_len(0).and_then(|()| writeln!(file, "assay {command} (process {})", std::process::id()));
    // The lock is what counts; a disk without room for a name has none for reports either, and says so elsewhere.
    if let Err(error) = told {
        tracing::warn!(%error, "the lock does not say who holds it");
    }
    Ok(Hold { _file: file })
}

/// Whether another process has the data directory. Changes nothing.
pub fn held(settings: &Settings) -> bool {
    lock(&settings.data).is_err()
}

fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("lock");
    // Not cut off here: until the lock is had, the name in it is that of its holder.
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.rewind().with_context(|| format!("{} cannot be written to", path.display()))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            Err(InUse { directory: directory.to_owned(), holder: holder(&mut file) }.into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

/// The holder's name, as it wrote it.
fn holder(file: &mut File) -> String {
    let mut name = String::new();
    let read = file.take(200).read_to_string(&mut name);
    match (read, name.trim()) {
        (Err(_), _) | (_, "") => "another assay".to_owned(),
        (Ok(_), name) => name.to_owned(),
    }
}
