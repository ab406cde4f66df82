//! Where an index lies, and whether what lies there is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tantivy::Index;
use tantivy::directory::{Directory, MmapDirectory, RamDirectory};
use tantivy::index::SegmentComponent;

use super::OPENING;
use super::faults::{guarded, told};
use crate::index::IndexError;

/// Where an index lies.
pub(super) enum Place {
    Directory(PathBuf),
    /// Gone when it is dropped.
    Memory,
}

impl Place {
    /// As errors name it.
    pub(super) fn name(&self) -> &Path {
        match self {
            Place::Directory(directory) => directory,
            Place::Memory => Path::new("memory"),
        }
    }

    /// The files there; the directory is made when it is missing.
    pub(super) fn files(&self) -> Result<Box<dyn Directory>, IndexError> {
        let Place::Directory(directory) = self else { return Ok(Box::new(RamDirectory::create())) };
        let opening = told(OPENING, directory);
        fs::create_dir_all(directory).map_err(|error| opening(error.into()))?;
        Ok(Box::new(MmapDirectory::open(directory).map_err(|error| opening(error.into()))?))
    }
}

/// Reads every file of the index in a directory, and compares it with the sum that was written with it.
///
/// The files are opened afresh: of one that was cut, what is mapped into memory is longer than what there is to read,
/// and to touch it is the end of the process.
pub(super) fn look_through(directory: &Path) -> Result<(), IndexError> {
    guarded(directory, || {
        let looking = told("the document index could not be looked through", directory);
        let damaged = |source: String| IndexError::Damaged { directory: directory.into(), source: source.into() };
        if !directory.is_dir() {
            return Err(damaged("its directory is not there".to_owned()));
        }
        let files = MmapDirectory::open(directory).map_err(|error| looking(error.into()))?;
        if !Index::exists(&files).map_err(|error| looking(error.into()))? {
            return Err(damaged("its list of segments is not there".to_owned()));
        }
        let index = Index::open(files).map_err(looking)?;
        check_positions(&index).map_err(looking)?;
        let torn = index.validate_checksum().map_err(looking)?;
        match torn.iter().min() {
            Some(file) => Err(damaged(format!("{} is not as it was written", file.display()))),
            None => Ok(()),
        }
    })
}

/// Misses the files that tantivy does not: it takes a segment whose positions are lost for one that never had any, opens
/// it, and then fails at every search and every write.
pub(super) fn check_positions(index: &Index) -> tantivy::Result<()> {
    for segment in index.searchable_segments()? {
        segment.open_read(SegmentComponent::Positions)?;
    }
    Ok(())
}

/// Deletes the files tantivy makes: its two lists, its locks, and segments, which are named by 32 hexadecimal digits.
pub(super) fn remove_index(directory: &Path) -> Result<(), IndexError> {
    remove_files(directory).map_err(|error| told(OPENING, directory)(error.into()))
}

fn remove_files(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let segment = stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        if segment || ["meta.json", ".managed.json"].contains(&&*name) || name.starts_with(".tantivy-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
