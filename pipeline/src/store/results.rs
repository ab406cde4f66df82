//! Lists of processed reports.

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use schemas::grade::Grade;

use super::releases::ReleaseNumber;
use super::sql::{Builder, query, query_either, record};
use super::{Result, Store};

/// Which reports a list shows: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultFilter {
    pub language: Option<Language>,
    pub distribution: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    /// Public id of the tester.
    pub tester: Option<String>,
    pub grade: Option<Grade>,
    pub language_version: Option<String>,
    pub os: Option<String>,
    pub architecture: Option<String>,
    /// Received at this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Changed at this moment or later.
    pub changed_since: Option<DateTime<Utc>>,
}

/// Failures of a release on one platform for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures {
    pub language_version: String,
    pub os: String,
    pub code: Option<String>,
    pub reports: i64,
    pub first_at: DateTime<Utc>,
}

record!(Failures { language_version, os, code, reports, first_at });

impl Store {
    /// Numbers and documents of reports before a number, newest first.
    pub async fn results(&self, filter: &ResultFilter, before: Option<i64>, limit: i64) -> Result<Vec<(i64, String)>> {
        let mut query = Builder::new("SELECT extracts.number, document FROM extracts");
        push_filter(&mut query, filter);
        if let Some(before) = before {
            query.push(" AND extracts.number < ").push_bind(before);
        }
        query.push(" ORDER BY extracts.number DESC LIMIT ").push_bind(limit);
        Ok(query.build().fetch_all(&self.readers).await?)
    }

    /// Failures of a release by platform and reason code: language version, os, code, how many, the first's receipt.
    pub async fn failures(&self, release: ReleaseNumber) -> Result<Vec<Failures>> {
        let failures = |code: &str| {
            format!(
                "SELECT language_version, os, {code} AS code, count(*) AS reports, min(received_at) AS first_at \
                 FROM extracts WHERE release = $1 AND removed = FALSE AND grade = 'fail' \
                 GROUP BY 1, 2, 3 ORDER BY reports DESC"
            )
        };
        Ok(query_either(
            failures("document -> 'reason' ->> 'code'"),
            failures("CAST(document AS JSON) -> 'reason' ->> 'code'"),
        )
        .bind(release.0)
        .fetch_all(&self.readers)
        .await?)
    }

    /// How many distributions, releases and testers there are.
    pub async fn sizes(&self) -> Result<(i64, i64, i64)> {
        Ok(query(
            "SELECT (SELECT count(DISTINCT language || '/' || distribution) FROM releases), \
             (SELECT count(*) FROM releases), (SELECT count(*) FROM testers)",
        )
        .fetch_one(&self.readers)
        .await?)
    }

    /// Number of different testers of a release, and when its first and last reports came.
    pub async fn release_span(
        &self,
        release: ReleaseNumber,
    ) -> Result<(i64, Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
        // `removed = FALSE` finds the index by grade, `NOT removed` leaves the one by number for the first and last.
        Ok(query(
            "SELECT (SELECT count(DISTINCT tester) FROM extracts WHERE release = $1 AND removed = FALSE), \
             (SELECT received_at FROM extracts WHERE release = $1 AND NOT removed ORDER BY number LIMIT 1), \
             (SELECT received_at FROM extracts WHERE release = $1 AND NOT removed ORDER BY number DESC LIMIT 1)",
        )
        .bind(release.0)
        .fetch_one(&self.readers)
        .await?)
    }

    /// When a tester's first and last reports came.
    pub async fn tester_span(&self, tester: i64) -> Result<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
        Ok(query(
            "SELECT (SELECT received_at FROM extracts WHERE tester = $1 AND NOT removed ORDER BY number LIMIT 1), \
             (SELECT received_at FROM extracts WHERE tester = $1 AND NOT removed ORDER BY number DESC LIMIT 1)",
        )
        .bind(tester)
        .fetch_one(&self.readers)
        .await?)
    }
}

fn push_filter(query: &mut Builder<'_>, filter: &ResultFilter) {
    let by_release = filter.language.is_some()
        || filter.distribution.is_some()
        || filter.version.is_some()
        || filter.author.is_some();
    if by_release {
        query.push(" JOIN releases ON releases.number = extracts.release");
    }
    if filter.tester.is_some() {
        query.push(" JOIN testers ON testers.number = extracts.tester");
    }
    query.push(" WHERE NOT removed");
    let texts = [
        ("releases.language", filter.language.map(|language| language.as_str().to_owned())),
        ("releases.distribution", filter.distribution.clone()),
        ("releases.version", filter.version.clone()),
        ("releases.author", filter.author.clone()),
        ("testers.id", filter.tester.clone()),
        ("extracts.grade", filter.grade.map(|grade| grade.as_str().to_owned())),
        ("extracts.language_version", filter.language_version.clone()),
        ("extracts.os", filter.os.clone()),
        ("extracts.architecture", filter.architecture.clone()),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ").push_bind(value);
        }
    }
    if let Some(since) = filter.since {
        query.push(" AND extracts.received_at >= ").push_bind(since);
        // Said of the reports too, which have an index by receipt: PostgreSQL takes it when few were received since.
        query.push(" AND EXISTS (SELECT 1 FROM reports WHERE reports.number = extracts.number");
        query.push(" AND reports.received_at >= ").push_bind(since).push(")");
    }
    if let Some(since) = filter.changed_since {
        query.push(" AND extracts.changed_at >= ").push_bind(since);
    }
}
