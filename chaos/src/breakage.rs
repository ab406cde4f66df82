//! Breaks a document index while nobody has it open, in one of the ways disks and people do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Damages the index in a directory, and says how. `None`: there is nothing to damage yet.
pub fn break_index(directory: &Path, random: &mut StdRng) -> anyhow::Result<Option<String>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(None) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    // The order in which a directory lists its files is not the seed's.
    files.sort();
    let segments: Vec<&PathBuf> = files.iter().filter(|path| named_by_digits(path)).collect();
    let done = match random.random_range(0..5) {
        0 => {
            fs::remove_dir_all(directory).context("the index could not be removed")?;
            "removed the index".to_owned()
        }
        1 => {
            let garbage: Vec<u8> = (0..random.random_range(0..200)).map(|_| random.random()).collect();
            fs::write(directory.join("meta.json"), garbage).context("the list of segments could not be overwritten")?;
            "overwrote meta.json".to_owned()
        }
        way => {
            let Some(file) = segments.choose(random) else { return Ok(None) };
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if way == 2 {
                fs::remove_file(file).context("a segment's file could not be removed")?;
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

/// Whether a file is a segment's: those are named by 32 hexadecimal digits.
fn named_by_digits(path: &Path) -> bool {
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}
