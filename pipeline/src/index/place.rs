//! Where a document index is: in a directory of this machine, or in a search engine.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Address, Contents, DocumentIndex, Elastic, IndexError, Tantivy};

/// Where documents are put for the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory of tantivy's, of one process at a time.
    Directory(PathBuf),
    /// Elasticsearch or OpenSearch, for any number of processes.
    Engine(Address),
}

impl Place {
    /// Opens the index there. One in a directory is begun when it is missing; of an engine, nothing is asked yet.
    pub fn open(&self) -> Result<Arc<dyn DocumentIndex>, IndexError> {
        Ok(match self {
            Place::Directory(directory) => Arc::new(Tantivy::open(directory)?),
            Place::Engine(address) => Arc::new(Elastic::new(address)?),
        })
    }

    /// Opens the index there; one that cannot be read any more is begun anew, as all in it is derived.
    pub fn open_or_begin(&self) -> Result<Arc<dyn DocumentIndex>, IndexError> {
        match (self, self.open()) {
            (Place::Directory(directory), Err(IndexError::Damaged { .. } | IndexError::Outdated { .. })) => {
                Ok(Arc::new(Tantivy::anew(directory)?))
            }
            (_, opened) => opened,
        }
    }

    /// Looks what the index there holds, beside those who write it.
    pub fn look(&self) -> Result<Contents, IndexError> {
        match self {
            Place::Directory(directory) => Tantivy::look(directory),
            Place::Engine(address) => Elastic::new(address)?.contents(),
        }
    }
}
