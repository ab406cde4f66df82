//! An installation: what its settings name, opened, and what the command line does to it directly.

mod hold;
mod moving;
mod outside;
mod reindex;
mod retention;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::accept::chain;
use pipeline::clock::Clock;
use pipeline::index::{DocumentIndex, Elastic, IndexError, Tantivy};
use pipeline::publish::{Artefacts, Pace};
use pipeline::queue::OutsideQueue;
use pipeline::spool::{self, Glance};
use pipeline::store::{SchemaFault, Scope, Store, StoreError};
use pipeline::tokens::{self, Issue};
use schemas::views::TokenView;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::{Database, Index, Queue, Settings};
use crate::server::spooling;

use hold::held;
pub use hold::{Hold, InUse, hold};
pub use moving::{AtWork, Ends};
pub use reindex::{Reindexed, reindex};
pub use retention::{Kept, due, retain};
pub use upkeep::{Beginning, Fsck, Indexing, Rebuilt, fsck, rebuild, shadow};

/// Time after which a database that was away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the database cannot be worked on by this version.
#[derive(Debug, thiserror::Error)]
#[error("the database {database} cannot be worked on: {fault}")]
pub struct WrongSchema {
    database: Database,
    fault: SchemaFault,
}

/// Makes the data directory when it is missing.
pub fn prepare(settings: &Settings) -> anyhow::Result<()> {
    let data = &settings.data;
    std::fs::create_dir_all(data).with_context(|| format!("the data directory {} cannot be made", data.display()))
}

/// The directory whose disk reports are written to by this process.
pub fn database_directory(settings: &Settings) -> PathBuf {
    match &settings.database {
        Database::Sqlite(path) => path.parent().unwrap_or(&settings.data).to_owned(),
        Database::Postgres(_) => settings.data.clone(),
    }
}

/// Opens the database and brings it to this version's schema.
pub async fn open(settings: &Settings) -> anyhow::Result<Store> {
    prepare(settings)?;
    let store = unmigrated(settings).await?;
    bring_up(settings, &store).await?;
    Ok(store)
}

/// As [`open`], for a process that can take reports without a database; whether it is there. One on another machine is
/// brought to this version's schema later, when it is away now.
pub async fn open_if_there(settings: &Settings) -> anyhow::Result<(Store, bool)> {
    prepare(settings)?;
    let store = unmigrated(settings).await?;
    let asked = match store.shared() {
        true => store.migrations().await.err().filter(StoreError::transient),
        false => None,
    };
    // It may go away between the question and the answer.
    let away = match asked {
        Some(error) => Some(anyhow::Error::new(error)),
        None => bring_up(settings, &store).await.err(),
    };
    let Some(error) = away else { return Ok((store, true)) };
    let transient = error.downcast_ref::<StoreError>().is_some_and(StoreError::transient);
    if !(store.shared() && transient) {
        return Err(error);
    }
    tracing::warn!(error = %format!("{error:#}"), "the database {} is away at the start", settings.database);
    Ok((store, false))
}

/// As [`open`], for a process that can do nothing without a database: one on another machine that is away is waited for,
/// until `stop`. `None`: it was told to stop before.
pub async fn open_when_there(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Option<Store>> {
    while !stop.is_cancelled() {
        let (store, there) = open_if_there(settings).await?;
        if there {
            return Ok(Some(store));
        }
        store.close().await;
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(None)
}

async fn bring_up(settings: &Settings, store: &Store) -> anyhow::Result<()> {
    let Err(error) = store.migrate().await else { return Ok(()) };
    Err(match error.schema_fault() {
        Some(fault) => WrongSchema { database: settings.database.clone(), fault }.into(),
        None => error.into(),
    })
}

/// The database as it is. PostgreSQL is not connected to before it is needed.
async fn unmigrated(settings: &Settings) -> anyhow::Result<Store> {
    let opened = match &settings.database {
        Database::Sqlite(path) => Store::open(path).await,
        Database::Postgres(url) => Store::postgres(url),
    };
    let store = opened.with_context(|| format!("the database {} cannot be opened", settings.database))?;
    Ok(match &settings.queue {
        Queue::InDatabase => store,
        Queue::Redis(url) => store.with_queue(OutsideQueue::connect(&url.0).await?),
    })
}

/// Whether there is no database yet. Of a server only the asking tells.
fn unmade(settings: &Settings) -> bool {
    matches!(&settings.database, Database::Sqlite(path) if !path.exists())
}

/// Opens the document index. `None`: this server runs without one. A search engine is asked nothing yet.
///
/// A directory that cannot be read any more is begun anew: everything in it is derived, and catching up fills it again.
pub fn index(settings: &Settings) -> anyhow::Result<Option<Arc<dyn DocumentIndex>>> {
    let directory = match &settings.index {
        Index::None => return Ok(None),
        Index::Engine(address) => return Ok(Some(Arc::new(Elastic::new(address)?))),
        Index::Directory(directory) => directory,
    };
    let index = match Tantivy::open(directory) {
        Err(error @ (IndexError::Damaged { .. } | IndexError::Outdated { .. })) => {
            tracing::warn!(error = %chain(&error), "the document index is begun anew; searches are incomplete until it is filled");
            Tantivy::anew(directory)
        }
        opened => opened,
    };
    let index = index.with_context(|| format!("the document index in {} cannot be opened", directory.display()))?;
    Ok(Some(Arc::new(index)))
}

/// A document index that could not be opened, and is as soon as it can be.
pub fn unopened_index(settings: &Settings) -> Option<Arc<dyn DocumentIndex>> {
    let Index::Directory(directory) = &settings.index else { return None };
    Some(Arc::new(Tantivy::unopened(directory)))
}

/// A schema step.
#[derive(Clone, Debug, Serialize)]
pub struct Migration {
    pub version: i64,
    pub name: String,
    /// Absent while it is still to be done.
    pub applied_at: Option<DateTime<Utc>>,
}

/// The schema's steps, and which of them are done. Changes nothing.
pub async fn migrations(settings: &Settings) -> anyhow::Result<Vec<Migration>> {
    if unmade(settings) {
        bail!("there is no database at {}; `assay migrate` makes it", settings.database);
    }
    listed(&unmigrated(settings).await?).await
}

/// Does the steps that are missing.
pub async fn migrate(settings: &Settings) -> anyhow::Result<Vec<Migration>> {
    listed(&open(settings).await?).await
}

async fn listed(store: &Store) -> anyhow::Result<Vec<Migration>> {
    let steps = store.migrations().await.context("the migrations cannot be listed")?;
    Ok(steps.into_iter().map(|(version, name, applied_at)| Migration { version, name, applied_at }).collect())
}

/// Where whole-file artefacts are published.
pub fn artefacts(settings: &Settings) -> Artefacts {
    let pace = Pace { quiet: settings.publish.quiet, latest: settings.publish.latest };
    Artefacts::new(settings.data.join("published"), pace)
}

/// What a new token is to allow.
pub struct NewToken {
    pub scopes: Vec<String>,
    pub tester: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token just made; its text is to be had only now.
pub struct IssuedToken {
    pub id: String,
    pub token: String,
}

pub async fn issue_token(settings: &Settings, new: NewToken) -> anyhow::Result<IssuedToken> {
    let store = open(settings).await?;
    let scopes: Vec<Scope> = new.scopes.iter().map(|scope| scope.parse()).collect::<Result<_, _>>()?;
    let order = Issue { scopes, tester: new.tester, expires_at: new.expires_at };
    let (secret, token) = tokens::issue(&store, &Clock::System, &order).await.context("the token was not stored")?;
    store.close().await;
    Ok(IssuedToken { id: token.id, token: secret.reveal().to_owned() })
}

pub async fn tokens(settings: &Settings) -> anyhow::Result<Vec<TokenView>> {
    let store = open(settings).await?;
    let tokens = store.tokens().await.context("the tokens cannot be read")?;
    Ok(tokens.iter().map(pipeline::store::Token::view).collect())
}

/// `None`: no such token in force.
pub async fn rotate_token(
    settings: &Settings,
    id: &str,
    ends_at: DateTime<Utc>,
) -> anyhow::Result<Option<IssuedToken>> {
    let store = open(settings).await?;
    let issued = tokens::rotate(&store, &Clock::System, id, ends_at).await.context("the token was not replaced")?;
    store.close().await;
    Ok(issued.map(|(secret, token)| IssuedToken { id: token.id, token: secret.reveal().to_owned() }))
}

/// False: no such token in force.
pub async fn revoke_token(settings: &Settings, id: &str) -> anyhow::Result<bool> {
    let store = open(settings).await?;
    let revoked = tokens::revoke(&store, &Clock::System, id).await.context("the token was not revoked")?;
    store.close().await;
    Ok(revoked)
}

/// A part of assay, tried out.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub name: String,
    /// What was found when it works.
    pub found: String,
    /// What is wrong, when it does not.
    pub fault: Option<String>,
}

impl Part {
    fn of(name: &str, tried: anyhow::Result<String>) -> Part {
        let name = name.to_owned();
        match tried {
            Ok(found) => Part { name, found, fault: None },
            Err(error) => Part { name, found: String::new(), fault: Some(format!("{error:#}")) },
        }
    }
}

/// Tries each part out. Makes nothing that is not there.
pub async fn check(settings: &Settings) -> Vec<Part> {
    let mut parts = check_stored(settings).await;
    parts.extend(outside::check(settings).await);
    parts
}

async fn check_stored(settings: &Settings) -> Vec<Part> {
    let data = Part::of("data directory", check_data(&settings.data));
    if data.fault.is_some() || !settings.data.exists() {
        return vec![data];
    }
    let mut parts = vec![data, Part::of("database", check_database(settings).await)];
    if spooling::path(settings).exists() {
        parts.push(Part::of("spool", check_spool(settings).await));
    }
    if held(settings) {
        // What a running server holds is in use, and that it is in use shows that it works.
        let running = || Ok("in use by the assay that works on this directory".to_owned());
        let index = match settings.index {
            Index::Engine(_) => check_index(settings),
            _ => running(),
        };
        parts.extend([Part::of("index", index), Part::of("listen", running())]);
    } else {
        parts.push(Part::of("index", check_index(settings)));
        parts.push(Part::of("listen", check_listen(settings).await));
    }
    parts
}

fn check_data(data: &Path) -> anyhow::Result<String> {
    if !data.exists() {
        return Ok(format!("{} is not there yet; `assay serve` makes it", data.display()));
    }
    let probe = data.join("probe");
    std::fs::write(&probe, b"probe").with_context(|| format!("{} cannot be written to", data.display()))?;
    std::fs::remove_file(&probe).with_context(|| format!("{} cannot be removed", probe.display()))?;
    Ok(format!("{} can be written to", data.display()))
}

async fn check_database(settings: &Settings) -> anyhow::Result<String> {
    if unmade(settings) {
        return Ok("not made yet; `assay serve` makes it".to_owned());
    }
    let store = unmigrated(settings).await?;
    let missing = store.migrations().await?.into_iter().filter(|(_, _, applied)| applied.is_none()).count();
    if missing > 0 {
        return Ok(format!("{missing} migrations to be done; `assay serve` does them"));
    }
    let freshness = store.freshness(Clock::System.now()).await?;
    let reports = store.totals().await?.total();
    Ok(format!("{reports} reports processed, {} waiting, change {}", freshness.waiting, freshness.head))
}

async fn check_spool(settings: &Settings) -> anyhow::Result<String> {
    let Glance { reports, oldest, refusals } = spool::glance(&spooling::path(settings)).await?;
    let since = oldest.map(|oldest| format!(" since {}", oldest.to_rfc3339_opts(SecondsFormat::Secs, true)));
    Ok(format!("{reports} reports wait for the database{}, {refusals} refused lately", since.unwrap_or_default()))
}

fn check_index(settings: &Settings) -> anyhow::Result<String> {
    match &settings.index {
        Index::None => Ok("off: this server runs without search".to_owned()),
        Index::Directory(directory) if !directory.exists() => Ok("not made yet; `assay serve` makes it".to_owned()),
        Index::Directory(directory) => {
            let index = Tantivy::open(directory)?;
            Ok(format!("{} documents, complete up to change {}", index.documents()?, index.mark()?))
        }
        Index::Engine(address) => {
            let index = Elastic::new(address)?;
            let (documents, mark) = (index.documents()?, index.mark()?);
            Ok(format!("{documents} documents at {address}, complete up to change {mark}"))
        }
    }
}

async fn check_listen(settings: &Settings) -> anyhow::Result<String> {
    for address in &settings.listen {
        let address = address.to_string();
        if let Err(error) = tokio::net::TcpListener::bind(&address).await {
            bail!("{address} cannot be listened on: {error}");
        }
    }
    Ok("free".to_owned())
}
