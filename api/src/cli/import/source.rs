//! Files an import reads: compressed or not, counted as they are read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use schemas::ids::Digest;

use super::lines::{Counted, decompressed};

/// An open file.
pub struct Source {
    pub reader: Box<dyn BufRead + Send>,
    pub length: u64,
    position: Arc<AtomicU64>,
}

/// How far a source is read, to be asked while it is.
#[derive(Clone)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    /// Bytes of the file read so far, compressed if it is.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Source {
    pub fn open(path: &Path) -> anyhow::Result<Source> {
        let open = || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let position = Arc::new(AtomicU64::new(0));
            let source: Box<dyn Read + Send> = Box::new(file);
            let counted = BufReader::with_capacity(1 << 16, Counted { source, position: position.clone() });
            Ok::<_, std::io::Error>(Source { reader: decompressed(counted)?, length, position })
        };
        open().with_context(|| format!("{} could not be read", path.display()))
    }

    pub fn position(&self) -> Position {
        Position(self.position.clone())
    }
}

/// Whether a source is a live database rather than a file.
pub fn is_database(name: &str) -> bool {
    name.starts_with("mysql://") || name.starts_with("mariadb://")
}

/// A name for the place kept for a file: the same whatever directory the import is started in.
pub fn name(kind: &str, path: &Path) -> String {
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    format!("{kind} {}", Digest::of(whole.as_os_str().as_encoded_bytes()))
}

/// A name for the place kept for an address, without what may be secret in it.
pub fn name_of_address(kind: &str, address: &str) -> String {
    format!("{kind} {}", Digest::of(address.as_bytes()))
}
