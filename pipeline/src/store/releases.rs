//! Releases and their counts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use schemas::grade::Counts;
use schemas::views::{PartitionView, SummaryView};

use super::bulk::Bulk;
use super::sql::{self, Builder, On, Record, Row, query, record};
use super::{Result, Store, StoreError, Tx};

/// A release's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReleaseNumber(pub i64);

/// What names a release, and what its version says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseKey {
    pub language: Language,
    pub distribution: String,
    pub version: String,
    pub developer: bool,
}

/// Language, distribution and version.
pub type ReleaseName = (Language, String, String);

/// Releases that are known by now.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownReleases {
    pub numbers: HashMap<ReleaseName, ReleaseNumber>,
    /// Whether some were not, before.
    pub new: bool,
}

impl ReleaseKey {
    fn name(&self) -> ReleaseName {
        (self.language, self.distribution.clone(), self.version.clone())
    }
}

impl KnownReleases {
    /// The number of one of those that were asked for.
    pub fn number(&self, key: &ReleaseKey) -> Result<ReleaseNumber> {
        self.numbers.get(&key.name()).copied().ok_or_else(|| StoreError::inconsistent("releases", 0))
    }
}

/// A difference to one partition of a release's counts.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryDelta {
    pub release: ReleaseNumber,
    pub development: bool,
    pub patched: bool,
    pub counts: Counts,
}

/// A release as its row tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    pub number: ReleaseNumber,
    pub summary: SummaryView,
    pub archive: Option<String>,
    pub released_at: Option<DateTime<Utc>>,
}

const RELEASE: &str = "SELECT releases.number, language, distribution, version, author, archive, developer, \
                       released_at, change_number, changed_at, \
                       CAST(COALESCE(sum(pass), 0) AS BIGINT) AS pass, CAST(COALESCE(sum(fail), 0) AS BIGINT) AS fail, \
                       CAST(COALESCE(sum(na), 0) AS BIGINT) AS na, \
                       CAST(COALESCE(sum(unknown), 0) AS BIGINT) AS unknown \
                       FROM releases LEFT JOIN summaries ON summaries.release = releases.number";

impl Store {
    pub async fn release(&self, language: Language, distribution: &str, version: &str) -> Result<Option<Release>> {
        let sql =
            format!("{RELEASE} WHERE language = $1 AND distribution = $2 AND version = $3 GROUP BY releases.number");
        Ok(query(sql).bind(language.as_str()).bind(distribution).bind(version).fetch_optional(&self.readers).await?)
    }

    /// All releases of a distribution, in no order.
    pub async fn distribution_releases(&self, language: Language, distribution: &str) -> Result<Vec<Release>> {
        let sql = format!("{RELEASE} WHERE language = $1 AND distribution = $2 GROUP BY releases.number");
        Ok(query(sql).bind(language.as_str()).bind(distribution).fetch_all(&self.readers).await?)
    }

    /// All releases of an author, in no order.
    pub async fn author_releases(&self, author: &str) -> Result<Vec<Release>> {
        let sql = format!("{RELEASE} WHERE author = $1 GROUP BY releases.number");
        Ok(query(sql).bind(author).fetch_all(&self.readers).await?)
    }

    /// Releases after a number, by number; the filters given must all hold.
    pub async fn summaries(&self, filter: &SummaryFilter, after: i64, limit: i64) -> Result<Vec<Release>> {
        let mut query = Builder::new(RELEASE);
        query.push(" WHERE releases.number > ").push_bind(after);
        if let Some(language) = filter.language {
            query.push(" AND language = ").push_bind(language.as_str());
        }
        if let Some(distribution) = &filter.distribution {
            query.push(" AND distribution = ").push_bind(distribution.clone());
        }
        if let Some(version) = &filter.version {
            query.push(" AND version = ").push_bind(version.clone());
        }
        if let Some(author) = &filter.author {
            query.push(" AND author = ").push_bind(author.clone());
        }
        if let Some(developer) = filter.developer {
            query.push(" AND developer = ").push_bind(developer);
        }
        if let Some(since) = filter.changed_since {
            query.push(" AND changed_at >= ").push_bind(since);
        }
        query.push(" GROUP BY releases.number HAVING sum(pass + fail + na + unknown) > 0");
        query.push(" ORDER BY releases.number LIMIT ").push_bind(limit);
        Ok(query.build().fetch_all(&self.readers).await?)
    }

    /// Releases whose counts changed last, those with failures alone when `failing`.
    pub async fn changed_releases(&self, failing: bool, limit: i64) -> Result<Vec<Release>> {
        // Only the newest few hundred changes are looked at, so that a long time without failures costs no scan.
        let sql = format!(
            "{RELEASE} WHERE releases.number IN (SELECT number FROM releases ORDER BY change_number DESC LIMIT 500) \
             GROUP BY releases.number HAVING sum(pass + fail + na + unknown) > 0 AND (NOT $1 OR sum(fail) > 0) \
             ORDER BY change_number DESC LIMIT $2"
        );
        Ok(query(sql).bind(failing).bind(limit).fetch_all(&self.readers).await?)
    }

    pub async fn partitions(&self, release: ReleaseNumber) -> Result<Vec<PartitionView>> {
        let partition = |row: Row<'_>| {
            let development: bool = row.get("development")?;
            Ok(PartitionView {
                language_maturity: if development { "development" } else { "stable" }.to_owned(),
                patched: row.get("patched")?,
                counts: counts(row)?,
            })
        };
        let statement = query(
            "SELECT development, patched, pass, fail, na, unknown FROM summaries WHERE release = $1 \
             ORDER BY development, patched",
        );
        Ok(statement.bind(release.0).fetch_with(&self.readers, partition).await?)
    }
}

/// A release that changed, by its names.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkedRelease {
    pub language: Language,
    pub distribution: String,
    pub version: String,
    pub author: Option<String>,
}

/// What is read of a [`MarkedRelease`].
pub(super) const MARKED: &str = "releases.language, releases.distribution, releases.version, releases.author";

/// Which releases a list of summaries shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryFilter {
    pub language: Option<Language>,
    pub distribution: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    pub developer: Option<bool>,
    pub changed_since: Option<DateTime<Utc>>,
}

impl Tx {
    /// Makes releases known, and gives their numbers. Whose they are is told by uploads and reports.
    ///
    /// Most are known already. Of these nothing is written, nor are they locked: others may have to mark them, and would
    /// wait for this transaction while it waits for their change numbers.
    pub async fn put_releases(&mut self, keys: &[ReleaseKey], now: DateTime<Utc>) -> Result<KnownReleases> {
        let keys: Vec<&ReleaseKey> = keys.iter().collect();
        let mut known = self.named_releases(&keys).await?;
        let missing: Vec<&ReleaseKey> = keys.iter().copied().filter(|key| !known.contains_key(&key.name())).collect();
        if !missing.is_empty() {
            self.insert_releases(&missing, now).await?;
            // Others may have been quicker with some.
            known.extend(self.named_releases(&missing).await?);
        }
        // Only an extractor that reads versions differently lets a release change its maturity.
        for key in keys {
            if let Some((number, _)) = known.get(&key.name()).filter(|(_, developer)| *developer != key.developer) {
                query("UPDATE releases SET developer = $2 WHERE number = $1")
                    .bind(number.0)
                    .bind(key.developer)
                    .execute(self.connection())
                    .await?;
            }
        }
        let numbers = known.into_iter().map(|(name, (number, _))| (name, number)).collect();
        Ok(KnownReleases { numbers, new: !missing.is_empty() })
    }

    /// Numbers of those releases that are known, and whether they are developer releases, by name.
    async fn named_releases(&mut self, keys: &[&ReleaseKey]) -> Result<HashMap<ReleaseName, (ReleaseNumber, bool)>> {
        let select = Bulk {
            head: "WITH wanted (language, distribution, version) AS (",
            columns: 3,
            tail: ") SELECT number, language, distribution, version, developer FROM releases \
                   JOIN wanted USING (language, distribution, version)",
        };
        let known: Vec<NamedRelease> = select
            .fetch(self.connection(), keys, |values, key| {
                values.push(key.language.as_str()).push(key.distribution.as_str()).push(key.version.as_str());
            })
            .await?;
        let named = |NamedRelease { number, language, distribution, version, developer }| {
            Some(((language_from(&language)?, distribution, version), (ReleaseNumber(number), developer)))
        };
        Ok(known.into_iter().filter_map(named).collect())
    }

    /// Makes releases known that nobody has made known meanwhile; they take up their uploads.
    async fn insert_releases(&mut self, keys: &[&ReleaseKey], now: DateTime<Utc>) -> Result<()> {
        let insert = Bulk {
            head: "INSERT INTO releases (language, distribution, version, developer, changed_at)",
            columns: 5,
            tail: "ON CONFLICT (language, distribution, version) DO NOTHING RETURNING number",
        };
        let numbers: Vec<i64> = insert
            .fetch(self.connection(), keys, |values, key| {
                values
                    .push(key.language.as_str())
                    .push(key.distribution.as_str())
                    .push(key.version.as_str())
                    .push(key.developer)
                    .push(now);
            })
            .await?;
        self.adopt_uploads(&numbers).await
    }

    /// Moves counts by signed differences.
    pub async fn adjust_summaries(&mut self, deltas: &[SummaryDelta]) -> Result<()> {
        let upsert = Bulk {
            head: "INSERT INTO summaries (release, development, patched, pass, fail, na, unknown)",
            columns: 7,
            tail: "ON CONFLICT (release, development, patched) DO UPDATE SET \
                   pass = summaries.pass + excluded.pass, fail = summaries.fail + excluded.fail, \
                   na = summaries.na + excluded.na, unknown = summaries.unknown + excluded.unknown",
        };
        upsert
            .execute(self.connection(), deltas, |values, delta| {
                values
                    .push(delta.release.0)
                    .push(delta.development)
                    .push(delta.patched)
                    .push(delta.counts.pass)
                    .push(delta.counts.fail)
                    .push(delta.counts.na)
                    .push(delta.counts.unknown);
            })
            .await?;
        if deltas.iter().any(|delta| delta.counts.total() <= 0) {
            query("DELETE FROM summaries WHERE pass = 0 AND fail = 0 AND na = 0 AND unknown = 0 AND release IN (SELECT value FROM json_each($1))")
                .bind(super::list(&deltas.iter().map(|delta| delta.release.0).collect::<Vec<_>>()))
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Gives changed releases their change numbers, in the order given, from `first` on, and tells which they are, in
    /// no order.
    pub async fn mark_releases(
        &mut self,
        releases: &[ReleaseNumber],
        first: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<MarkedRelease>> {
        let numbers: Vec<i64> = releases.iter().map(|release| release.0).collect();
        Ok(query(format!(
            "UPDATE releases SET change_number = $2 + marked.key, changed_at = $3 \
             FROM json_each($1) AS marked WHERE releases.number = marked.value RETURNING {MARKED}"
        ))
        .bind(super::list(&numbers))
        .bind(first)
        .bind(now)
        .fetch_all(self.connection())
        .await?)
    }
}

/// Releases changed after a change number and up to another, those without reports included.
pub(super) async fn releases_after(on: impl Into<On<'_>>, after: i64, end: i64, limit: i64) -> Result<Vec<Release>> {
    let sql = format!(
        "{RELEASE} WHERE releases.number IN (SELECT number FROM releases \
         WHERE change_number > $1 AND change_number <= $2 ORDER BY change_number LIMIT $3) \
         GROUP BY releases.number ORDER BY change_number"
    );
    Ok(query(sql).bind(after).bind(end).bind(limit).fetch_all(on).await?)
}

pub(super) fn counts(row: Row<'_>) -> sql::Result<Counts> {
    Ok(Counts { pass: row.get("pass")?, fail: row.get("fail")?, na: row.get("na")?, unknown: row.get("unknown")? })
}

pub(super) fn language_from(text: &str) -> Option<Language> {
    [Language::Perl, Language::Raku].into_iter().find(|language| language.as_str() == text)
}

/// The language of a row, which is that of `what`.
pub(super) fn language(row: Row<'_>, what: &str) -> sql::Result<Language> {
    let text: &str = row.get("language")?;
    language_from(text).ok_or_else(|| sqlx::Error::Decode(format!("language {text} of {what}").into()))
}

/// A release's number, names and maturity, as they lie in the database.
struct NamedRelease {
    number: i64,
    language: String,
    distribution: String,
    version: String,
    developer: bool,
}

record!(NamedRelease { number, language, distribution, version, developer });

impl Record for MarkedRelease {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(MarkedRelease {
            language: language(row, "a release")?,
            distribution: row.get("distribution")?,
            version: row.get("version")?,
            author: row.get("author")?,
        })
    }
}

impl Record for Release {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let developer: bool = row.get("developer")?;
        Ok(Release {
            number: ReleaseNumber(row.get("number")?),
            summary: SummaryView {
                language: row.get("language")?,
                distribution: row.get("distribution")?,
                version: row.get("version")?,
                author: row.get("author")?,
                maturity: if developer { "developer" } else { "stable" }.to_owned(),
                counts: counts(row)?,
                number: row.get("change_number")?,
                changed_at: row.get("changed_at")?,
            },
            archive: row.get("archive")?,
            released_at: row.get("released_at")?,
        })
    }
}
