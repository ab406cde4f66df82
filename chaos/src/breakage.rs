//! Breaks a document index, in one of the ways disks and people do.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Whether a process has the index open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Its files are not cut: what was cut off is still mapped into the process's memory, and the system ends a process
    /// that reads it.
    Open,
    Closed,
}

/// Damages the index in a directory, and says how. `None`: there is nothing to damage yet.
pub fn break_index(directory: &Path, used: Use, random: &mut StdRng) -> anyhow::Result<Option<String>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(None) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    // The order in which a directory lists its files is not the seed's.
    files.sort();
    let segments: Vec<&PathBuf> = files.iter().filter(|path| named_by_digits(path)).collect();
    let ways = if used == Use::Open { 3 } else { 5 };
    let done = match random.random_range(0..ways) {
        0 => {
            remove(directory)?;
            "removed the index".to_owned()
        }
        1 => {
            let garbage: Vec<u8> = (0..random.random_range(0..200)).map(|_| random.random()).collect();
            let written = fs::write(directory.join("meta.json"), garbage).or_else(gone);
            written.context("the list of segments could not be overwritten")?;
            "overwrote meta.json".to_owned()
        }
        way => {
            let Some(file) = segments.choose(random) else { return Ok(None) };
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if way == 2 {
                // Merging may have taken it away by now.
                fs::remove_file(file).or_else(gone).context("a segment's file could not be removed")?;
                format!("removed {name}")
            } else {
                let length = fs::metadata(file).context("a segment's file has no length")?.len();
                let kept = random.random_range(0..length.max(1));
                let cut = fs::File::options().write(true).open(file).and_then(|file| file.set_len(kept));
                cut.context("a segment's file could not be cut")?;
                format!("cut {name} from {length} to {kept} bytes")
            }
        }
    };
    Ok(Some(done))
}

/// Removes the directory. A process that has it open may be writing into it.
fn remove(directory: &Path) -> anyhow::Result<()> {
    let mut removed = fs::remove_dir_all(directory);
    for _ in 0..20 {
        match &removed {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => removed = fs::remove_dir_all(directory),
            _ => break,
        }
    }
    removed.or_else(gone).context("the index could not be removed")
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Whether a file is a segment's: those are named by 32 hexadecimal digits.
fn named_by_digits(path: &Path) -> bool {
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}
