//! Whether a database is one that this version can work on.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use super::StoreError;

/// Why a database cannot be brought to this version's schema. Nothing was changed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    #[error(
        "it was written by a newer assay: it has migration {found}, and this one knows those up to {known}; run the \
         newer assay, or restore a copy from before it"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "it has migration {0}, which this assay does not know: it is not a database of assay's, or not of a release"
    )]
    Foreign(i64),
    #[error("its migration {0} is not the one of that number in this assay; run the assay that wrote it")]
    Changed(i64),
    #[error("{0} migrations of this version are missing in it; run `assay migrate` on it first")]
    Older(usize),
    #[error("its migration {0} was begun and did not end; restore a copy from before it")]
    Unfinished(i64),
}

impl StoreError {
    /// What is wrong with the schema, when that is what is wrong.
    pub fn schema_fault(&self) -> Option<SchemaFault> {
        let StoreError::Migrate(error) = self else { return None };
        match error {
            MigrateError::VersionMissing(found) if *found > newest() => {
                Some(SchemaFault::Newer { found: *found, known: newest() })
            }
            MigrateError::VersionMissing(version) => Some(SchemaFault::Foreign(*version)),
            MigrateError::VersionMismatch(version) => Some(SchemaFault::Changed(*version)),
            MigrateError::Dirty(version) => Some(SchemaFault::Unfinished(*version)),
            _ => None,
        }
    }
}

/// The steps of an SQLite database.
pub(super) fn sqlite() -> Migrator {
    sqlx::migrate!("../migrations/sqlite")
}

/// The steps of a PostgreSQL database: the same names and numbers.
pub(super) fn postgres() -> Migrator {
    sqlx::migrate!("../migrations/postgres")
}

/// Does the steps that are missing in a PostgreSQL database, under a lock, so that several who come at once do them once.
pub(super) async fn run(migrator: Migrator, pool: &PgPool) -> Result<(), StoreError> {
    // sqlx does not give the lock back when it fails: it ends with its connection.
    let own = super::apart(pool, 1);
    let ran = migrator.run(&own).await;
    own.close().await;
    Ok(ran?)
}

/// Number of the newest migration of this version.
pub(super) fn newest() -> i64 {
    sqlite().iter().map(|migration| migration.version).max().unwrap_or_default()
}
