//! What failures of the engine mean.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenReadError};

use crate::index::IndexError;

/// Tells what an error of the engine means to whoever runs assay.
pub(super) fn told(attempt: &'static str, directory: &Path) -> impl Fn(TantivyError) -> IndexError + Copy {
    move |error| match error {
        TantivyError::LockFailure(LockError::LockBusy, _) => IndexError::Busy { directory: directory.into() },
        TantivyError::IncompatibleIndex(_) => IndexError::Outdated { directory: directory.into() },
        TantivyError::OpenReadError(OpenReadError::IncompatibleIndex(_)) => {
            IndexError::Outdated { directory: directory.into() }
        }
        TantivyError::DataCorruption(_) | TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_)) => {
            IndexError::Damaged { directory: directory.into(), source: Box::new(error) }
        }
        TantivyError::OpenReadError(OpenReadError::IoError { ref io_error, .. })
        | TantivyError::IoError(ref io_error)
            if torn(io_error) =>
        {
            IndexError::Damaged { directory: directory.into(), source: Box::new(error) }
        }
        _ => IndexError::Engine { attempt, source: Box::new(error) },
    }
}

/// Whether a file is not as it was written, as opposed to a disk that is away or full. What tantivy itself has to say
/// against a file's content is of no kind; what the system says has one.
fn torn(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other)
}

/// Tantivy panics on some damaged files; searching is not worth more than the process.
pub(super) fn guarded<T>(directory: &Path, work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(IndexError::Damaged { directory: directory.into(), source: "the engine panicked".into() })
    })
}
