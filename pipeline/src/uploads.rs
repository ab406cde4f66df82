//! What was released: uploads are stored, and the releases they belong to follow them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use schemas::uploads::{Kind, Upload};

use crate::events::Processed;
use crate::process::Process;
use crate::store::{self, StoreError, Tx, UploadName};

/// What storing uploads came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Uploads nobody had told of before, oldest release first: what is to be announced.
    pub new: Vec<store::Upload>,
    /// Uploads that say something else than before: deleted from CPAN, or known better.
    pub changed: Vec<store::Upload>,
    /// Uploads that were there already.
    pub same: u64,
    /// Uploads of a name and version that another archive has, and keeps (see [`better`]).
    pub collisions: Vec<Upload>,
    /// Releases with reports that now say something else.
    pub releases: u64,
}

impl Stored {
    pub fn add(&mut self, other: Stored) {
        self.new.extend(other.new);
        self.changed.extend(other.changed);
        self.same += other.same;
        self.collisions.extend(other.collisions);
        self.releases += other.releases;
    }
}

/// Uploads written in one transaction.
const BATCH: usize = 500;

/// Stores uploads of Perl distributions, and lets releases follow them. Doing it again changes nothing.
///
/// An upload is authoritative over what the first report told of author and archive. Every release changed that way is
/// given a change number, so that followers of the feed hear of it.
pub async fn store(process: &Process, uploads: Vec<Upload>) -> Result<Stored, StoreError> {
    let mut stored = Stored::default();
    for batch in uploads.chunks(BATCH) {
        let mut tx = process.store.begin().await?;
        let now = process.clock.now();
        let news = write(&mut tx, batch, now, &mut stored).await?;
        tx.commit().await?;
        if let Some(news) = news {
            process.events.announce(news);
        }
    }
    stored.new.sort_by_key(|one| (one.upload.released_at, one.number));
    Ok(stored)
}

async fn write(
    tx: &mut Tx,
    batch: &[Upload],
    now: DateTime<Utc>,
    stored: &mut Stored,
) -> Result<Option<Processed>, StoreError> {
    let language = Language::Perl;
    let names: Vec<UploadName> = batch.iter().map(name).collect();
    let known = tx.uploads(language, &names).await?;
    let collisions_before = stored.collisions.len();
    let mut settled = known.clone();
    for upload in batch {
        match settled.get_mut(&name(upload)) {
            None => {
                settled.insert(name(upload), upload.clone());
            }
            Some(kept) if same_archive(kept, upload) => *kept = merged(kept, upload),
            Some(kept) if better(upload, kept) => {
                stored.collisions.push(std::mem::replace(kept, upload.clone()));
            }
            Some(_) => stored.collisions.push(upload.clone()),
        }
    }
    let written: Vec<Upload> = settled
        .into_iter()
        .filter(|(name, upload)| known.get(name) != Some(upload))
        .map(|(_, upload)| upload)
        .collect();
    let others = written.len() + stored.collisions.len() - collisions_before;
    stored.same += batch.len().saturating_sub(others) as u64;
    if written.is_empty() {
        return Ok(None);
    }
    for upload in tx.put_uploads(language, &written, now).await? {
        match known.contains_key(&name(&upload.upload)) {
            true => stored.changed.push(upload),
            false => stored.new.push(upload),
        }
    }
    let names: Vec<UploadName> = written.iter().map(name).collect();
    let releases = tx.follow_uploads(language, &names).await?;
    stored.releases += releases.len() as u64;
    if releases.is_empty() {
        return Ok(None);
    }
    let first = tx.take_changes(releases.len()).await?;
    let marked = tx.mark_releases(&releases, first, now).await?;
    Ok(Some(Processed {
        head: first + releases.len() as i64 - 1,
        authors: marked.iter().filter_map(|release| release.author.clone()).collect(),
        releases: marked.into_iter().map(|one| (one.language, one.distribution, one.version)).collect(),
        testers: Vec::new(),
        everything: false,
    }))
}

fn name(upload: &Upload) -> UploadName {
    (upload.distribution.clone(), upload.version.clone())
}

fn same_archive(one: &Upload, other: &Upload) -> bool {
    one.author == other.author && one.filename == other.filename
}

/// The same archive told of again: the newer word on where it is, and a time where either knows it.
fn merged(old: &Upload, new: &Upload) -> Upload {
    Upload {
        released_at: new.released_at.or(old.released_at),
        kind: if new.kind == Kind::Unknown { old.kind } else { new.kind },
        ..new.clone()
    }
}

/// Which of two archives of one name and version is its upload. Today's server keeps whichever it read last (contract
/// §3.4); here it is the one released first, whatever the order they are read in: it is what earlier reports are about.
/// An archive without a time, or one that nobody places on CPAN, yields.
fn better(one: &Upload, other: &Upload) -> bool {
    let rank = |upload: &Upload| {
        (upload.kind == Kind::Unknown, upload.released_at.is_none(), upload.released_at, upload.author.clone())
    };
    rank(one) < rank(other)
}

/// Collisions, told once for each name.
pub fn told(collisions: &[Upload]) -> Vec<String> {
    let mut by_name: HashMap<UploadName, &Upload> = HashMap::new();
    for upload in collisions {
        by_name.entry(name(upload)).or_insert(upload);
    }
    let told = |upload: &Upload| {
        format!(
            "{} {}: {}/{} is not its first archive",
            upload.distribution, upload.version, upload.author, upload.filename
        )
    };
    let mut lines: Vec<String> = by_name.into_values().map(told).collect();
    lines.sort();
    lines
}
