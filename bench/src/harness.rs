//! What every program that drives assay needs: the program to drive, a directory that goes with it, and the end asked for.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The assay program: the one said, or else the one beside this program.
pub fn program(said: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match said {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("could not tell where this program is")?.with_file_name("assay"),
    };
    anyhow::ensure!(path.is_file(), "there is no assay at {}; say where with --assay PATH", path.display());
    path.canonicalize().with_context(|| format!("could not resolve {}", path.display()))
}

/// A directory below `parent`, or else where the system has its own, that is removed when it is dropped.
pub fn scratch(parent: Option<&Path>, prefix: &str) -> anyhow::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    }
    .context("could not make a temporary directory")
}

/// Returns when the process is asked to end.
pub async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("could not watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("could not watch for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
