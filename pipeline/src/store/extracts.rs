//! What was read out of each report, and the change numbers of it.

use chrono::{DateTime, Utc};
use schemas::grade::Grade;

use super::bulk::Bulk;
use super::releases::ReleaseNumber;
use super::sql::{self, Record, Row, query};
use super::tellings::Telling;
use super::testers::TesterNumber;
use super::{Result, Store, Tx};

/// A report as it is counted: where it stands in summaries, matrix and testers' counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    pub number: i64,
    pub release: ReleaseNumber,
    pub tester: TesterNumber,
    pub grade: Grade,
    pub language_version: String,
    pub development: bool,
    pub patched: bool,
    pub os: String,
    pub architecture: String,
}

/// A report's row about to be written: how it is counted, and the document readers get.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExtract {
    pub counted: Counted,
    pub extractor: i64,
    pub received_at: DateTime<Utc>,
    /// What it says of whose its release is.
    pub telling: Option<Telling>,
    /// A `ResultView` in JSON, `id` first.
    pub document: String,
    /// A tombstone: counted nowhere, and the document holds the id alone.
    pub removed: bool,
}

/// A row as it was written before.
#[derive(Clone, Debug, PartialEq)]
pub struct OldExtract {
    pub counted: Counted,
    pub extractor: i64,
    pub telling: Option<Telling>,
    pub document: String,
    pub removed: bool,
}

impl Store {
    /// The document of one report, and the extractor that wrote it.
    pub async fn extract(&self, number: i64) -> Result<Option<(String, i64)>> {
        Ok(query("SELECT document, extractor FROM extracts WHERE number = $1 AND NOT removed")
            .bind(number)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Documents by report number, in no order.
    pub async fn documents(&self, numbers: &[i64]) -> Result<Vec<(i64, String)>> {
        Ok(query(
            "SELECT number, document FROM extracts \
             WHERE NOT removed AND number IN (SELECT value FROM json_each($1))",
        )
        .bind(super::list(numbers))
        .fetch_all(&self.readers)
        .await?)
    }
}

impl Tx {
    /// Rows of these reports as they stand, in no order.
    pub async fn old_extracts(&mut self, numbers: &[i64]) -> Result<Vec<OldExtract>> {
        Ok(query(format!("{OLD} WHERE number IN (SELECT value FROM json_each($1))"))
            .bind(super::list(numbers))
            .fetch_all(self.connection())
            .await?)
    }

    /// Takes `count` change numbers and gives the first. The counter's row is held until the commit, so numbers become
    /// visible in their order, and whoever takes some waits for it: take them late.
    pub async fn take_changes(&mut self, count: usize) -> Result<i64> {
        let count = i64::try_from(count).expect("fewer than 2^63 changes in a transaction");
        let last: i64 = query("UPDATE counters SET value = value + $1 WHERE name = 'changes' RETURNING value")
            .bind(count)
            .fetch_one(self.connection())
            .await?;
        Ok(last - count + 1)
    }

    /// Writes rows with change numbers from `first` on, in their order.
    pub async fn put_extracts(&mut self, extracts: &[NewExtract], first: i64, now: DateTime<Utc>) -> Result<()> {
        let upsert = Bulk {
            head: "INSERT INTO extracts (number, change_number, changed_at, extractor, removed, release, tester, \
                   grade, language_version, development, patched, os, architecture, received_at, author, archive, \
                   document)",
            columns: 17,
            tail: "ON CONFLICT (number) DO UPDATE SET change_number = excluded.change_number, \
                   changed_at = excluded.changed_at, extractor = excluded.extractor, removed = excluded.removed, \
                   release = excluded.release, tester = excluded.tester, grade = excluded.grade, \
                   language_version = excluded.language_version, development = excluded.development, \
                   patched = excluded.patched, os = excluded.os, architecture = excluded.architecture, \
                   received_at = excluded.received_at, author = excluded.author, archive = excluded.archive, \
                   document = excluded.document",
        };
        let numbered: Vec<(i64, &NewExtract)> = (first..).zip(extracts).collect();
        upsert
            .execute(self.connection(), &numbered, |values, (change_number, extract)| {
                let counted = &extract.counted;
                values
                    .push(counted.number)
                    .push(*change_number)
                    .push(now)
                    .push(extract.extractor)
                    .push(extract.removed)
                    .push(counted.release.0)
                    .push(counted.tester.0)
                    .push(counted.grade.as_str())
                    .push(counted.language_version.as_str())
                    .push(counted.development)
                    .push(counted.patched)
                    .push(counted.os.as_str())
                    .push(counted.architecture.as_str())
                    .push(extract.received_at)
                    .push(extract.telling.as_ref().map(|telling| telling.author.as_str()))
                    .push(extract.telling.as_ref().and_then(|telling| telling.archive.as_deref()))
                    .push(extract.document.as_str());
            })
            .await?;
        Ok(())
    }

    /// Notes that rows were read again by a newer extractor with the same outcome: no change to tell.
    pub async fn mark_extractor(&mut self, numbers: &[i64], extractor: i64) -> Result<()> {
        query("UPDATE extracts SET extractor = $2 WHERE number IN (SELECT value FROM json_each($1))")
            .bind(super::list(numbers))
            .bind(extractor)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

const OLD: &str = "SELECT number, release, tester, grade, language_version, development, patched, os, architecture, \
                   extractor, author, archive, document, removed FROM extracts";

impl Record for OldExtract {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let grade: &str = row.get("grade")?;
        let (author, archive): (Option<String>, _) = (row.get("author")?, row.get("archive")?);
        Ok(OldExtract {
            counted: Counted {
                number: row.get("number")?,
                release: ReleaseNumber(row.get("release")?),
                tester: TesterNumber(row.get("tester")?),
                grade: grade.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                language_version: row.get("language_version")?,
                development: row.get("development")?,
                patched: row.get("patched")?,
                os: row.get("os")?,
                architecture: row.get("architecture")?,
            },
            extractor: row.get("extractor")?,
            telling: author.map(|author| Telling { author, archive }),
            document: row.get("document")?,
            removed: row.get("removed")?,
        })
    }
}
