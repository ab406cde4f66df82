//! The CPAN Testers lists: whole distributions, authors, ranges of numbers, the newest (contract §1.8, §1.9).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use schemas::feeds::Listed;
use schemas::perl::compare_versions;
use schemas::views::{ResultView, SummaryView};

use super::Readers;
use crate::store::{ListedRow, Release, ReleaseNumber, StoreError};

/// What a list of reports is taken from, and what is left out of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Releases in the order in which they are listed.
    pub releases: Vec<ReleaseNumber>,
    /// Without passes.
    pub failing: bool,
    /// Testers' addresses are shown.
    pub addresses: bool,
    /// Number of the newest change to what is listed: names the content.
    pub version: i64,
}

/// How far a list has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Releases that are done.
    releases: usize,
    /// Number of the last report read of the next one.
    number: i64,
}

impl Readers {
    /// Counts of a distribution's releases that have reports, newest first.
    pub async fn release_counts(&self, language: Language, distribution: &str) -> Result<Vec<SummaryView>, StoreError> {
        let mut releases = self.store.distribution_releases(language, distribution).await?;
        releases.retain(|release| !release.summary.counts.zero());
        releases.sort_by(|a, b| compare_versions(&b.summary.version, &a.summary.version));
        Ok(releases.into_iter().map(|release| release.summary).collect())
    }

    /// All releases of a distribution, newest first.
    pub async fn whole_distribution(&self, language: Language, distribution: &str) -> Result<Selection, StoreError> {
        Ok(selection(self.store.distribution_releases(language, distribution).await?))
    }

    /// The newest release of a distribution, or one version of it. `None`: nobody has reported on it.
    pub async fn one_release(
        &self,
        language: Language,
        distribution: &str,
        version: Option<&str>,
    ) -> Result<Option<(Selection, String)>, StoreError> {
        let mut releases = self.store.distribution_releases(language, distribution).await?;
        releases.retain(|release| {
            let wanted = version.is_none_or(|version| release.summary.version == version);
            wanted && !release.summary.counts.zero()
        });
        let newest = releases.into_iter().max_by(|a, b| compare_versions(&a.summary.version, &b.summary.version));
        Ok(newest.map(|release| {
            let version = release.summary.version.clone();
            (selection(vec![release]), version)
        }))
    }

    /// The newest release of each of an author's distributions, by name. A correction can move a report out of the
    /// newest release, so the content's name counts changes to the others too.
    pub async fn newest_of_author(&self, author: &str) -> Result<Selection, StoreError> {
        let releases = self.store.author_releases(author).await?;
        let version = newest_change(&releases);
        let mut newest: HashMap<String, Release> = HashMap::new();
        let perl = |release: &Release| release.summary.language == Language::Perl.as_str();
        for release in releases.into_iter().filter(|release| perl(release) && !release.summary.counts.zero()) {
            let known = newest.get(&release.summary.distribution);
            if known.is_none_or(|known| compare_versions(&known.summary.version, &release.summary.version).is_lt()) {
                newest.insert(release.summary.distribution.clone(), release);
            }
        }
        let mut releases: Vec<Release> = newest.into_values().collect();
        releases.sort_by(|a, b| a.summary.distribution.cmp(&b.summary.distribution));
        Ok(Selection {
            releases: releases.iter().map(|release| release.number).collect(),
            version,
            ..Selection::default()
        })
    }

    /// The next rows of a list, at most `limit`; fewer only at its end.
    ///
    /// Whole releases one after the other, each by number: what is added meanwhile is met or not, and nothing that was
    /// there is left out.
    pub async fn listed(
        &self,
        selection: &Selection,
        place: &mut Place,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut rows: Vec<Listed> = Vec::new();
        while let Some(release) = selection.releases.get(place.releases) {
            let left = limit - rows.len();
            if left == 0 {
                break;
            }
            let bound = i64::try_from(left).unwrap_or(i64::MAX);
            let found = self.store.release_rows(*release, selection.failing, place.number, bound).await?;
            let done = found.len() < left;
            place.number = found.last().map_or(place.number, |last| last.number);
            if done {
                *place = Place { releases: place.releases + 1, number: 0 };
            }
            for row in found {
                rows.push(listed(row, selection.addresses)?);
            }
        }
        Ok(rows)
    }

    /// The newest rows of a list received since a moment, newest first.
    pub async fn newest_listed(
        &self,
        selection: &Selection,
        since: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<Listed>, StoreError> {
        let rows = self.store.newest_release_rows(&selection.releases, selection.failing, since, limit).await?;
        rows.into_iter().map(|row| listed(row, selection.addresses)).collect()
    }

    /// The first rows from one number to another, by number. None beyond a report that is still to be processed, so
    /// that a reader who goes on from the greatest number seen misses none.
    pub async fn range(&self, from: i64, to: i64, limit: i64, addresses: bool) -> Result<Vec<Listed>, StoreError> {
        let to = to.min(self.store.settled_before().await? - 1);
        let rows = self.store.rows_from(from, to, limit).await?;
        rows.into_iter().map(|row| listed(row, addresses)).collect()
    }

    /// The last rows up to a number, by number, none beyond a report that is still to be processed.
    pub async fn range_up_to(&self, to: i64, limit: i64, addresses: bool) -> Result<Vec<Listed>, StoreError> {
        let to = to.min(self.store.settled_before().await? - 1);
        let rows = self.store.rows_up_to(to, limit).await?;
        rows.into_iter().rev().map(|row| listed(row, addresses)).collect()
    }

    /// The newest rows of Perl, newest first.
    pub async fn newest(&self, limit: i64) -> Result<Vec<Listed>, StoreError> {
        let rows = self.store.rows_up_to(i64::MAX, limit).await?;
        rows.into_iter().map(|row| listed(row, false)).collect()
    }
}

fn selection(mut releases: Vec<Release>) -> Selection {
    let version = newest_change(&releases);
    releases.sort_by(|a, b| compare_versions(&b.summary.version, &a.summary.version));
    Selection {
        releases: releases.into_iter().map(|release| release.number).collect(),
        version,
        ..Selection::default()
    }
}

fn newest_change(releases: &[Release]) -> i64 {
    releases.iter().map(|release| release.summary.number).max().unwrap_or_default()
}

fn listed(row: ListedRow, addresses: bool) -> Result<Listed, StoreError> {
    let result: ResultView =
        serde_json::from_str(&row.document).map_err(|_| StoreError::inconsistent("extracts", row.number))?;
    // A report that names its archive's author named the archive. When it is another author than the release's, the
    // archive is guessed as today's server does (contract §3.1).
    let archive = match &result.author {
        None => None,
        said if *said == row.author && row.archive.is_some() => row.archive,
        Some(_) => Some(format!("{}-{}.tar.gz", result.distribution, result.version)),
    };
    Ok(Listed { result, upload: row.upload, archive, address: row.address.filter(|_| addresses) })
}
