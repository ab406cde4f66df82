//! Releases, distributions, authors, matrices.

use std::collections::HashMap;

use schemas::extract::Language;
use schemas::grade::Counts;
use schemas::perl::compare_versions;
use schemas::views::{AuthorView, DistributionView, MatrixView, ReleaseView, SummaryView};

use super::{Readers, links, segment};
use crate::store::{Axis, Release, StoreError};

impl Readers {
    pub async fn release(
        &self,
        language: Language,
        distribution: &str,
        version: &str,
    ) -> Result<Option<ReleaseView>, StoreError> {
        let freshness = self.store.freshness(self.clock.now()).await?;
        let Some(release) = self.store.release(language, distribution, version).await?.filter(present) else {
            return Ok(None);
        };
        let partitions = self.store.partitions(release.number).await?;
        let (testers, first_report_at, last_report_at) = self.store.release_span(release.number).await?;
        let (d, v) = (segment(distribution), segment(version));
        let links = links([
            ("distribution", format!("/v4/distributions/{d}")),
            ("matrix", format!("/v4/matrix/{d}/{v}")),
            ("page", format!("/dist/{d}/{v}")),
            ("results", format!("/v4/results?distribution={d}&version={v}")),
            ("self", format!("/v4/releases/{d}/{v}")),
        ]);
        Ok(Some(ReleaseView {
            summary: release.summary,
            partitions,
            archive: release.archive,
            released_at: release.released_at,
            testers,
            first_report_at,
            last_report_at,
            links,
            freshness,
        }))
    }

    /// A distribution with its releases, newest first.
    pub async fn distribution(
        &self,
        language: Language,
        distribution: &str,
    ) -> Result<Option<DistributionView>, StoreError> {
        let freshness = self.store.freshness(self.clock.now()).await?;
        let mut releases = self.store.distribution_releases(language, distribution).await?;
        releases.retain(present);
        if releases.is_empty() {
            return Ok(None);
        }
        releases.sort_by(|a, b| compare_versions(&b.summary.version, &a.summary.version));
        let d = segment(distribution);
        Ok(Some(DistributionView {
            distribution: distribution.to_owned(),
            language: language.as_str().to_owned(),
            author: releases.iter().find_map(|release| release.summary.author.clone()),
            counts: sum(releases.iter().map(|release| release.summary.counts)),
            releases: releases.into_iter().map(|release| release.summary).collect(),
            links: links([
                ("matrix", format!("/v4/matrix/{d}?axes=version,os")),
                ("page", format!("/dist/{d}")),
                ("results", format!("/v4/results?distribution={d}")),
                ("self", format!("/v4/distributions/{d}")),
            ]),
            freshness,
        }))
    }

    /// An author's distributions: the newest release of each, those with failures first.
    pub async fn author(&self, author: &str) -> Result<Option<AuthorView>, StoreError> {
        let freshness = self.store.freshness(self.clock.now()).await?;
        let mut newest: HashMap<(String, String), SummaryView> = HashMap::new();
        for release in self.store.author_releases(author).await?.into_iter().filter(present) {
            let summary = release.summary;
            let key = (summary.language.clone(), summary.distribution.clone());
            let newer = newest.get(&key).is_none_or(|known| compare_versions(&known.version, &summary.version).is_lt());
            if newer {
                newest.insert(key, summary);
            }
        }
        if newest.is_empty() {
            return Ok(None);
        }
        let mut distributions: Vec<SummaryView> = newest.into_values().collect();
        distributions.sort_by(|a, b| {
            (b.counts.fail > 0).cmp(&(a.counts.fail > 0)).then_with(|| a.distribution.cmp(&b.distribution))
        });
        let a = segment(author);
        Ok(Some(AuthorView {
            author: author.to_owned(),
            counts: sum(distributions.iter().map(|summary| summary.counts)),
            distributions,
            links: links([
                ("page", format!("/author/{a}")),
                ("results", format!("/v4/results?author={a}")),
                ("self", format!("/v4/authors/{a}")),
            ]),
            freshness,
        }))
    }

    /// Cells of a distribution or of one version of it. `None` when there are none.
    pub async fn matrix(
        &self,
        language: Language,
        distribution: &str,
        version: Option<&str>,
        axes: &[Axis],
    ) -> Result<Option<MatrixView>, StoreError> {
        let freshness = self.store.freshness(self.clock.now()).await?;
        let cells = self.store.matrix(language, distribution, version, axes).await?;
        if cells.is_empty() {
            return Ok(None);
        }
        Ok(Some(MatrixView {
            distribution: distribution.to_owned(),
            version: version.map(str::to_owned),
            language: language.as_str().to_owned(),
            axes: axes.iter().map(Axis::to_string).collect(),
            totals: sum(cells.iter().map(|cell| cell.counts)),
            cells,
            freshness,
        }))
    }
}

/// A release whose reports have all gone is not shown.
fn present(release: &Release) -> bool {
    !release.summary.counts.zero()
}

fn sum(counts: impl Iterator<Item = Counts>) -> Counts {
    counts.fold(Counts::default(), |sum, counts| sum + counts)
}
