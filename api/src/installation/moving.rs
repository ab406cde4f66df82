//! The two databases of a copy, opened so that nobody else works on them.

use std::path::Path;

use anyhow::{Context, bail};
use pipeline::store::{SchemaFault, Store};

use super::WrongSchema;
use super::hold::{Hold, hold_directory};
use crate::config::Database;

/// Source and target of a copy, both of this version's schema.
#[derive(Debug)]
pub struct Ends {
    pub source: Store,
    pub target: Store,
    _holds: Vec<Hold>,
}

/// Workers are alive on a database that has to be quiet.
#[derive(Debug, thiserror::Error)]
#[error(
    "{database} is worked on by {workers}; stop every assay on it first (one that was killed counts for 20 s more)"
)]
pub struct AtWork {
    database: Database,
    workers: String,
}

impl Ends {
    /// Opens both. A target that is missing or empty gets this version's schema.
    pub async fn open(from: &Database, to: &Database) -> anyhow::Result<Ends> {
        if let Database::Sqlite(file) = from
            && !file.exists()
        {
            bail!("there is no database at {from}");
        }
        let holds = hold_both(from, to)?;
        let source = connect(from).await?;
        match missing_steps(&source, from).await? {
            (0, _) => {}
            (missing, _) => return Err(older(from, missing)),
        }
        let target = connect(to).await?;
        match missing_steps(&target, to).await? {
            (0, _) => {}
            (missing, known) if missing == known => {}
            (missing, _) => return Err(older(to, missing)),
        }
        for (store, database) in [(&source, from), (&target, to)] {
            migrate(store, database).await?;
            let workers = if store.shared() { store.living_workers().await? } else { Vec::new() };
            if !workers.is_empty() {
                return Err(AtWork { database: database.clone(), workers: workers.join(", ") }.into());
            }
        }
        Ok(Ends { source, target, _holds: holds })
    }

    pub async fn close(self) {
        self.source.close().await;
        self.target.close().await;
    }
}

/// Takes the directories of SQLite databases, so that no server works on them, and none is started.
fn hold_both(from: &Database, to: &Database) -> anyhow::Result<Vec<Hold>> {
    let mut directories: Vec<&Path> = Vec::new();
    for database in [from, to] {
        let Database::Sqlite(file) = database else { continue };
        let directory = file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories.into_iter().map(|directory| hold_directory(directory, "copy")).collect()
}

async fn connect(database: &Database) -> anyhow::Result<Store> {
    let opened = match database {
        Database::Sqlite(file) => Store::open(file).await,
        Database::Postgres(url) => Store::postgres(url),
    };
    opened.with_context(|| format!("the database {database} cannot be opened"))
}

/// How many migrations are missing in a database, of how many.
async fn missing_steps(store: &Store, database: &Database) -> anyhow::Result<(usize, usize)> {
    let steps = store.migrations().await.with_context(|| format!("the database {database} cannot be read"))?;
    Ok((steps.iter().filter(|(_, _, applied)| applied.is_none()).count(), steps.len()))
}

fn older(database: &Database, missing: usize) -> anyhow::Error {
    WrongSchema { database: database.clone(), fault: SchemaFault::Older(missing) }.into()
}

/// Makes the schema of a database that has none; of another, finds out whether it is one of this version.
async fn migrate(store: &Store, database: &Database) -> anyhow::Result<()> {
    let Err(error) = store.migrate_exactly().await else { return Ok(()) };
    Err(match error.schema_fault() {
        Some(fault) => WrongSchema { database: database.clone(), fault }.into(),
        None => anyhow::Error::new(error).context(format!("the database {database} cannot be opened")),
    })
}
