//! An index that is damaged while it is in use is found out, and begun anew.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Tantivy;
use super::opened::{Opened, Writer};
use super::place::{Place, look_through, remove_index};
use crate::accept::chain;
use crate::index::{IndexError, Mended};

/// So many writes that fail one after another for other reasons than damage make one look for damage; then twice as
/// many, and so on, since all files are read for it. A disk that is full is the likelier reason.
const DOUBTFUL: u32 = 4;

/// So many writes that fail one after another because of damage are enough, although the files are as they were
/// written.
const HOPELESS: u32 = 3;

/// How long searches that fail are no news after the files were found to be whole: it is the query then.
const DEAF: Duration = Duration::from_secs(600);

/// What speaks for and against the files, as calls of the index tell it.
#[derive(Default)]
pub(super) struct Health(Mutex<Signs>);

#[derive(Default)]
struct Signs {
    /// There is reason to look through the files.
    suspected: bool,
    /// Writes that failed since the last that did not.
    failures: u32,
    /// How many of these met damage.
    damaged: u32,
    deaf_until: Option<Instant>,
}

impl Health {
    /// Of an index that is still to be opened.
    pub(super) fn of_unopened() -> Self {
        Health(Mutex::new(Signs { suspected: true, ..Signs::default() }))
    }

    /// Takes note of how a write went.
    pub(super) fn written<T>(&self, result: &Result<T, IndexError>) {
        let mut signs = self.signs();
        match result {
            Ok(_) => (signs.failures, signs.damaged) = (0, 0),
            Err(error) => {
                signs.failures += 1;
                let damaged = matches!(error, IndexError::Damaged { .. });
                signs.damaged += u32::from(damaged);
                signs.suspected |= damaged || (signs.failures >= DOUBTFUL && signs.failures.is_power_of_two());
            }
        }
    }

    /// Takes note of how a search went.
    pub(super) fn searched<T>(&self, result: &Result<T, IndexError>) {
        if result.is_err() {
            let mut signs = self.signs();
            signs.suspected |= signs.deaf_until.is_none_or(|end| Instant::now() >= end);
        }
    }

    /// Takes note of whether the list of segments could be read.
    pub(super) fn listed<T>(&self, result: &Result<T, IndexError>) {
        self.signs().suspected |= result.is_err();
    }

    fn suspected(&self) -> bool {
        self.signs().suspected
    }

    fn hopeless(&self) -> bool {
        self.signs().damaged >= HOPELESS
    }

    /// The files are whole.
    fn acquit(&self) {
        let mut signs = self.signs();
        signs.suspected = false;
        signs.deaf_until = Some(Instant::now() + DEAF);
    }

    fn forget(&self) {
        *self.signs() = Signs::default();
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tantivy {
    /// Looks through the files if there is reason to, and opens them again; or, where they are damaged, throws them away
    /// and begins anew. Searches under way are finished on what they began with.
    pub(super) fn mend_files(&self) -> Result<Mended, IndexError> {
        let Place::Directory(directory) = &self.place else { return Ok(Mended::Nothing) };
        if !self.health.suspected() {
            return Ok(Mended::Nothing);
        }
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = held.take() {
            // Merging changes the files; what comes of it does not matter here.
            writer.inner.wait_merging_threads().ok();
        }
        let (mended, (opened, writer)) = match self.whole(directory) {
            Ok(opened) => (Mended::Nothing, opened),
            Err(error @ (IndexError::Damaged { .. } | IndexError::Outdated { .. })) => {
                tracing::warn!(
                    error = %chain(&error),
                    "the document index is begun anew; searches are incomplete until it is filled"
                );
                remove_index(directory)?;
                (Mended::Anew, Opened::open(&self.place)?)
            }
            Err(error) => return Err(error),
        };
        let before = self.opened.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(opened));
        *held = Some(writer);
        match mended {
            Mended::Nothing if before.is_some() => self.health.acquit(),
            Mended::Nothing | Mended::Anew => self.health.forget(),
        }
        Ok(mended)
    }

    /// The index opened again, if it is whole. One that was never opened is looked at as at a start.
    fn whole(&self, directory: &Path) -> Result<(Opened, Writer), IndexError> {
        if self.health.hopeless() {
            let source = "nothing can be put into it, although its files are as they were written".into();
            return Err(IndexError::Damaged { directory: directory.into(), source });
        }
        if self.opened().is_ok() {
            // A merge whose writer was dropped may have taken a file away while it was looked for.
            look_through(directory).or_else(|_| look_through(directory))?;
        }
        Opened::open(&self.place)
    }
}
