//! Where an import is, kept on the disk so that it can go on after it was stopped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use schemas::ids::Digest;
use serde::{Deserialize, Serialize};

use super::Tally;
use crate::cli::submit::file_name;
use crate::config::Server;

/// What is done of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// Lines that are done, from the first.
    pub lines: u64,
    /// Chained digest of those lines: another file under the same name is not taken for this one.
    pub digest: String,
    /// Bytes of the file of refused lines that belong to them.
    pub rejects_length: u64,
    pub tally: Tally,
}

/// A place and the file that keeps it.
#[derive(Debug)]
pub struct Bookmark {
    pub place: Place,
    /// `None` for stdin, and where there is no home: such an import begins at its first line.
    path: Option<PathBuf>,
}

impl Bookmark {
    /// The bookmark of a file on its way to a server.
    pub fn open(server: &Server, file: &Path, restart: bool) -> anyhow::Result<Bookmark> {
        let whole = fs::canonicalize(file).ok().filter(|_| file.as_os_str() != "-");
        let path = match (&server.state, whole) {
            (Some(state), Some(whole)) => {
                let name = Digest::of(whole.as_os_str().as_encoded_bytes());
                let directory = state.join("import").join(file_name(&server.url));
                Some(directory.join(format!("{name}.json")))
            }
            _ => None,
        };
        let mut bookmark = Bookmark { place: Place::default(), path };
        match restart {
            true => bookmark.forget()?,
            false => bookmark.place = bookmark.kept().unwrap_or_default(),
        }
        Ok(bookmark)
    }

    /// Writes the place down. A lost write only means that a few lines are sent again.
    pub fn keep(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let beside = path.with_extension("unfinished");
        let json = serde_json::to_vec(&self.place)?;
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&beside, json))
            .and_then(|()| fs::rename(&beside, path));
        written.with_context(|| format!("the place could not be kept in {}", path.display()))
    }

    /// Back to the first line.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.place = Place::default();
        match &self.path {
            Some(path) if path.exists() => {
                fs::remove_file(path).with_context(|| format!("{} could not be removed", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn kept(&self) -> Option<Place> {
        let bytes = fs::read(self.path.as_ref()?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}
