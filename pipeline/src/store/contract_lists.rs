//! The lists of the CPAN Testers contract: counts of releases, rows of reports, ids by receipt. Each is read in pieces,
//! so that a long answer holds neither a connection nor memory.
//!
//! A piece must cost as much as its rows and no more: it is found by the index that has the list's order. For SQLite, a
//! condition that only narrows is written on `column || ''`, so that it does not take an index for it and sort the rest
//! of the list for each piece. PostgreSQL knows how frequent a value is as long as the column stands alone.

use chrono::{DateTime, Utc};
use schemas::contract::ReleaseRow;
use schemas::extract::Language;
use schemas::grade::{Counts, Grade};
use schemas::ids::ReportId;
use uuid::Uuid;

use super::releases::{ReleaseNumber, counts};
use super::sql::{self, Builder, On, Row, Transaction, query, query_either, record};
use super::{Result, Store};

/// Which releases of Perl a list shows: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleaseFilter {
    pub distribution: Option<String>,
    pub version: Option<String>,
    /// By the report that named the archive, or by the upload.
    pub author: Option<String>,
    pub developer: Option<bool>,
    pub changed_since: Option<DateTime<Utc>>,
}

/// Which reports on Perl releases a list shows: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportFilter {
    pub grade: Option<Grade>,
    /// One of these, as reported.
    pub language_versions: Vec<String>,
    /// One of these, in canonical form.
    pub systems: Vec<String>,
    pub changed_since: Option<DateTime<Utc>>,
}

/// Part of a list of reports that an index gives in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Strand {
    /// Of one release.
    Release(ReleaseNumber),
    LanguageVersion(String),
    System(String),
    /// Of all releases, by the time of the last change, from this moment on.
    Changed(DateTime<Utc>),
}

/// A report in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundReport {
    pub number: i64,
    pub changed_at: DateTime<Utc>,
    /// A `ResultView` in JSON.
    pub document: String,
    pub tester: String,
    pub address: Option<String>,
}

record!(FoundReport { number, changed_at, document, tester, address });

const RELEASES: &str = "SELECT releases.number, releases.distribution, releases.version, \
                        (SELECT uploads.number FROM uploads WHERE uploads.language = releases.language AND \
                        uploads.distribution = releases.distribution AND uploads.version = releases.version) AS upload, \
                        CAST(sum(pass) AS BIGINT) AS pass, CAST(sum(fail) AS BIGINT) AS fail, \
                        CAST(sum(na) AS BIGINT) AS na, CAST(sum(unknown) AS BIGINT) AS unknown \
                        FROM releases JOIN summaries ON summaries.release = releases.number WHERE releases.number > ";

impl Store {
    /// Releases after a number with their counts, by number; those without reports are left out.
    pub async fn contract_releases(
        &self,
        filter: &ReleaseFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, ReleaseRow)>> {
        releases(&self.readers, filter, after, limit).await
    }

    /// How a distribution is written that was asked for in other capitals; the first of several.
    pub async fn spelling(&self, distribution: &str) -> Result<Option<String>> {
        let sql = |narrowing: &str| {
            format!(
                "SELECT distribution FROM releases WHERE language{narrowing} = $1 AND lower(distribution) = lower($2) \
                 ORDER BY distribution LIMIT 1"
            )
        };
        Ok(query_either(sql(narrowing(false)), sql(narrowing(true)))
            .bind(Language::Perl.as_str())
            .bind(distribution)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Numbers of a distribution's releases, or of the one with this version.
    pub async fn release_numbers(&self, distribution: &str, version: Option<&str>) -> Result<Vec<ReleaseNumber>> {
        let mut query = Builder::new("SELECT number FROM releases WHERE language = ");
        query.push_bind(Language::Perl.as_str()).push(" AND distribution = ").push_bind(distribution);
        if let Some(version) = version {
            query.push(" AND version = ").push_bind(version);
        }
        query.push(" ORDER BY number");
        let numbers: Vec<i64> = query.build().fetch_all(&self.readers).await?;
        Ok(numbers.into_iter().map(ReleaseNumber).collect())
    }

    /// Reports of a strand after the last one given, in the strand's order.
    pub async fn contract_reports(
        &self,
        strand: &Strand,
        filter: &ReportFilter,
        after: Option<(DateTime<Utc>, i64)>,
        limit: i64,
    ) -> Result<Vec<FoundReport>> {
        let narrowing = narrowing(self.shared());
        let mut query = Builder::new(
            "SELECT extracts.number, extracts.changed_at, extracts.document, testers.name AS tester, testers.address \
             FROM extracts JOIN releases ON releases.number = extracts.release \
             JOIN testers ON testers.number = extracts.tester WHERE NOT extracts.removed AND releases.language",
        );
        query.push(narrowing).push(" = ").push_bind(Language::Perl.as_str());
        let order = push_strand(&mut query, strand, after);
        if let Some(grade) = filter.grade {
            query.push(" AND extracts.grade").push(narrowing).push(" = ").push_bind(grade.as_str());
        }
        push_one_of(&mut query, &format!("extracts.language_version{narrowing}"), &filter.language_versions);
        push_one_of(&mut query, &format!("extracts.os{narrowing}"), &filter.systems);
        if let Some(since) = filter.changed_since {
            query.push(" AND extracts.changed_at >= ").push_bind(since);
        }
        query.push(order).push(" LIMIT ").push_bind(limit);
        Ok(query.build().fetch_all(&self.readers).await?)
    }

    /// Ids of reports received from one moment up to another, the end left out, after the last one given; by receipt.
    pub async fn ids_received(
        &self,
        from: DateTime<Utc>,
        end: DateTime<Utc>,
        after: Option<(DateTime<Utc>, i64)>,
        limit: i64,
    ) -> Result<Vec<(DateTime<Utc>, i64, ReportId)>> {
        let (at, number) = after.unwrap_or((from, i64::MIN));
        let rows: Vec<(DateTime<Utc>, i64, Uuid)> = query(
            "SELECT received_at, number, id FROM reports WHERE (received_at, number) > ($1, $2) AND received_at < $3 \
             AND NOT EXISTS (SELECT 1 FROM withdrawals WHERE withdrawals.number = reports.number) \
             ORDER BY received_at, number LIMIT $4",
        )
        .bind(at)
        .bind(number)
        .bind(end)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(|(at, number, id)| (at, number, ReportId(id))).collect())
    }

    /// When the oldest and the newest of the changes to releases after a change number were made.
    pub async fn release_changes(&self, after: i64) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
        let one = async |order: &str| -> Result<Option<DateTime<Utc>>> {
            let mut query = Builder::new("SELECT changed_at FROM releases WHERE change_number > ");
            query.push_bind(after).push(" ORDER BY change_number ").push(order).push(" LIMIT 1");
            Ok(query.build().fetch_optional(&self.readers).await?)
        };
        Ok(one("ASC").await?.zip(one("DESC").await?))
    }

    /// The database as it is now, for a reading that takes several queries.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { inner: self.readers.snapshot().await? })
    }
}

/// The database at one moment. It holds one of the readers' few connections: for the pipeline's own steps, not for
/// answers that a slow client takes.
pub struct Snapshot {
    inner: Transaction,
}

impl Snapshot {
    /// Newest change number.
    pub async fn head(&mut self) -> Result<i64> {
        Ok(query("SELECT value FROM counters WHERE name = 'changes'").fetch_one(&mut self.inner).await?)
    }

    /// As [`Store::contract_releases`].
    pub async fn contract_releases(
        &mut self,
        filter: &ReleaseFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, ReleaseRow)>> {
        releases(&mut self.inner, filter, after, limit).await
    }
}

async fn releases(
    on: impl Into<On<'_>>,
    filter: &ReleaseFilter,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, ReleaseRow)>> {
    let on = on.into();
    let mut query = Builder::new(RELEASES);
    query.push_bind(after);
    match &filter.distribution {
        Some(distribution) => {
            query.push(" AND releases.distribution = ").push_bind(distribution.clone());
            query.push(" AND releases.language = ").push_bind(Language::Perl.as_str());
        }
        None => {
            query.push(" AND releases.language").push(narrowing(on.postgres())).push(" = ");
            query.push_bind(Language::Perl.as_str());
        }
    }
    if let Some(version) = &filter.version {
        query.push(" AND releases.version = ").push_bind(version.clone());
    }
    if let Some(author) = &filter.author {
        // A union of two indexes; a condition with OR would read every release.
        query.push(" AND releases.number IN (SELECT number FROM releases WHERE author = ").push_bind(author.clone());
        query.push(
            " UNION SELECT known.number FROM uploads JOIN releases AS known ON known.language = uploads.language AND \
             known.distribution = uploads.distribution AND known.version = uploads.version WHERE uploads.author = ",
        );
        query.push_bind(author.clone()).push(")");
    }
    if let Some(developer) = filter.developer {
        query.push(" AND releases.developer = ").push_bind(developer);
    }
    if let Some(since) = filter.changed_since {
        query.push(" AND releases.changed_at >= ").push_bind(since);
    }
    query.push(" GROUP BY releases.number HAVING sum(pass + fail + na + unknown) > 0");
    query.push(" ORDER BY releases.number LIMIT ").push_bind(limit);
    Ok(query.build().fetch_with(on, release_row).await?)
}

/// What follows a column in a condition that is not to be looked up in an index.
pub(super) fn narrowing(postgres: bool) -> &'static str {
    if postgres { "" } else { " || ''" }
}

/// Narrows a query to a strand, and gives its order.
fn push_strand(query: &mut Builder<'_>, strand: &Strand, after: Option<(DateTime<Utc>, i64)>) -> &'static str {
    let number = after.map_or(0, |(_, number)| number);
    match strand {
        Strand::Release(release) => query.push(" AND extracts.release = ").push_bind(release.0),
        Strand::LanguageVersion(version) => query.push(" AND extracts.language_version = ").push_bind(version.clone()),
        Strand::System(system) => query.push(" AND extracts.os = ").push_bind(system.clone()),
        Strand::Changed(since) => {
            let (at, number) = after.unwrap_or((*since, i64::MIN));
            query.push(" AND (extracts.changed_at, extracts.number) > (").push_bind(at);
            query.push(", ").push_bind(number).push(")");
            return " ORDER BY extracts.changed_at, extracts.number";
        }
    };
    query.push(" AND extracts.number > ").push_bind(number);
    " ORDER BY extracts.number"
}

fn push_one_of(query: &mut Builder<'_>, column: &str, values: &[String]) {
    if values.is_empty() {
        return;
    }
    query.push(" AND ").push(column).push(" IN (");
    for (place, value) in values.iter().enumerate() {
        query.push(if place == 0 { "" } else { ", " }).push_bind(value.clone());
    }
    query.push(")");
}

fn release_row(row: Row<'_>) -> sql::Result<(i64, ReleaseRow)> {
    let counts: Counts = counts(row)?;
    let release = ReleaseRow::new(row.get("distribution")?, row.get("version")?, counts, row.get("upload")?);
    Ok((row.get("number")?, release))
}
