//! A look into the database itself, reading only: it is whole, tombstones are told, old bodies are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{postgres, sqlite};
use crate::check::Check;
use crate::ledger::Account;
use crate::mirror::Mirror;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A URL of PostgreSQL.
    Postgres(String),
}

/// What is found in a database.
#[derive(Debug, Default)]
pub struct Contents {
    /// What is not whole, with what was looked at.
    pub faults: Vec<(String, String)>,
    pub looked_at: u64,
    pub open_groups: i64,
    /// Change number of each removed row, by the report's id in 32 digits.
    pub removed: BTreeMap<String, i64>,
    /// Digest of each body that was replaced, by the report's id in 32 digits and the revision.
    pub superseded: BTreeMap<(String, i64), String>,
}

impl Database {
    pub async fn read(&self) -> anyhow::Result<Contents> {
        match self {
            Database::File(path) => sqlite::read(path).await,
            Database::Postgres(url) => postgres::read(url).await,
        }
    }
}

impl Contents {
    /// Digests of all bodies of a report that were replaced.
    pub fn replaced<'a>(&'a self, id: &str) -> impl Iterator<Item = (i64, &'a str)> + use<'a> {
        let id = bare(id);
        let all = self.superseded.range((id.clone(), i64::MIN)..=(id, i64::MAX));
        all.map(|((_, revision), digest)| (*revision, digest.as_str()))
    }
}

pub(super) fn check(contents: &Contents, accounts: &[Account], mirror: &Mirror) -> [Check; 3] {
    [whole(contents), tombstones(contents, mirror), superseded(contents, accounts)]
}

fn whole(contents: &Contents) -> Check {
    let mut check = Check::new("database", "the database is whole, and no group is left open");
    for (what, fault) in &contents.faults {
        check.expect(false, || format!("{what}: {fault}"));
    }
    check.looked_at += contents.looked_at;
    check.equal(|| "open groups".to_owned(), &contents.open_groups, &0);
    check
}

/// Every removed row is a tombstone in the mirror with the same number, and the other way round.
fn tombstones(Contents { removed, .. }: &Contents, mirror: &Mirror) -> Check {
    let mut check = Check::new("tombstones", "every removed row is removed in the mirror, by the same change");
    let mirrored: BTreeMap<String, i64> = (mirror.results.iter().filter(|(_, change)| change.removed))
        .map(|(id, change)| (bare(id), change.number))
        .collect();
    for (id, number) in removed {
        check.equal(|| format!("the tombstone of {id}"), &mirrored.get(id), &Some(number));
    }
    for (id, number) in mirrored.iter().filter(|(id, _)| !removed.contains_key(*id)) {
        check.expect(false, || format!("the mirror has a tombstone of {id} as of {number}, and nobody removed it"));
    }
    check
}

/// A correction keeps the bytes it replaces, and nothing was ever stored that its tester has not sent.
fn superseded(contents: &Contents, accounts: &[Account]) -> Check {
    let mut check =
        Check::new("history", "every acknowledged revision that was replaced is still stored, and no other");
    for account in accounts {
        for (revision, digest) in contents.replaced(&account.id) {
            let right = account.may_be_revision(revision, digest);
            check.expect(right, || format!("revision {revision} of {} was {digest}, which nobody sent", account.id));
        }
        let Some((last, _)) = account.acknowledged.last_key_value() else { continue };
        for (revision, digest) in account.acknowledged.range(..last) {
            let found = contents.superseded.get(&(bare(&account.id), *revision));
            check.equal(|| format!("revision {revision} of {}", account.id), &found, &Some(digest));
        }
    }
    check
}

fn bare(id: &str) -> String {
    id.replace('-', "")
}
