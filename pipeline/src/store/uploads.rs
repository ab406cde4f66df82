//! Uploads, and the releases that follow them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use schemas::extract::Language;
use schemas::uploads::{self, Kind};

use super::bulk::Bulk;
use super::releases::ReleaseNumber;
use super::sql::{self, Record, Row, query, query_either};
use super::{Result, Store, Tx};

/// An upload as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    pub number: i64,
    pub language: Language,
    /// `released_at` is `None` while no source has told it.
    pub upload: uploads::Upload,
    pub seen_at: DateTime<Utc>,
}

/// What names an upload: distribution and version.
pub type UploadName = (String, String);

/// The pairs of distribution and version in $2 as rows, on SQLite and PostgreSQL.
const WANTED: (&str, &str) = ("json_each($2) AS wanted", "jsonb_array_elements(CAST($2 AS JSONB)) AS wanted (value)");

const UPLOAD: &str = "number, language, distribution, version, author, filename, released_at, kind, seen_at";

impl Store {
    /// The upload of a release.
    pub async fn upload(&self, language: Language, distribution: &str, version: &str) -> Result<Option<Upload>> {
        let sql = format!("SELECT {UPLOAD} FROM uploads WHERE language = $1 AND distribution = $2 AND version = $3");
        Ok(query(sql).bind(language.as_str()).bind(distribution).bind(version).fetch_optional(&self.readers).await?)
    }
}

impl Tx {
    /// Uploads of these names, by name.
    pub async fn uploads(
        &mut self,
        language: Language,
        names: &[UploadName],
    ) -> Result<HashMap<UploadName, uploads::Upload>> {
        let sql = |wanted: &str| {
            format!(
                "SELECT {UPLOAD} FROM uploads JOIN {wanted} \
                 ON distribution = wanted.value ->> 0 AND version = wanted.value ->> 1 WHERE language = $1"
            )
        };
        let found: Vec<Upload> = query_either(sql(WANTED.0), sql(WANTED.1))
            .bind(language.as_str())
            .bind(serde_json::to_string(names).expect("names are texts"))
            .fetch_all(self.connection())
            .await?;
        let named = |one: Upload| ((one.upload.distribution.clone(), one.upload.version.clone()), one.upload);
        Ok(found.into_iter().map(named).collect())
    }

    /// Writes uploads over those of the same names, and gives them as they are stored.
    pub async fn put_uploads(
        &mut self,
        language: Language,
        uploads: &[uploads::Upload],
        now: DateTime<Utc>,
    ) -> Result<Vec<Upload>> {
        let upsert = Bulk {
            head: "INSERT INTO uploads (language, distribution, version, author, filename, released_at, kind, seen_at)",
            columns: 8,
            tail: "ON CONFLICT (language, distribution, version) DO UPDATE SET author = excluded.author, \
                   filename = excluded.filename, released_at = excluded.released_at, kind = excluded.kind, \
                   seen_at = excluded.seen_at \
                   RETURNING number, language, distribution, version, author, filename, released_at, kind, seen_at",
        };
        upsert
            .fetch(self.connection(), uploads, |values, upload| {
                values
                    .push(language.as_str())
                    .push(upload.distribution.as_str())
                    .push(upload.version.as_str())
                    .push(upload.author.as_str())
                    .push(upload.filename.as_str())
                    .push(upload.released_at.unwrap_or(DateTime::UNIX_EPOCH))
                    .push(upload.kind.as_str())
                    .push(now);
            })
            .await
    }

    /// Lets the releases of these uploads say what the uploads say, and gives those that said otherwise.
    pub async fn follow_uploads(&mut self, language: Language, names: &[UploadName]) -> Result<Vec<ReleaseNumber>> {
        let sql = |wanted: &str| {
            format!(
                "UPDATE releases SET author = uploads.author, archive = uploads.filename, \
             on_cpan = uploads.kind <> 'backpan', released_at = NULLIF(uploads.released_at, $3) \
             FROM uploads, {wanted} WHERE releases.language = $1 AND uploads.language = $1 \
             AND uploads.distribution = wanted.value ->> 0 AND uploads.version = wanted.value ->> 1 \
             AND releases.distribution = uploads.distribution AND releases.version = uploads.version \
             AND (releases.author IS DISTINCT FROM uploads.author OR releases.archive IS DISTINCT FROM uploads.filename \
             OR releases.on_cpan <> (uploads.kind <> 'backpan') \
             OR releases.released_at IS DISTINCT FROM NULLIF(uploads.released_at, $3)) RETURNING releases.number"
            )
        };
        let numbers: Vec<i64> = query_either(sql(WANTED.0), sql(WANTED.1))
            .bind(language.as_str())
            .bind(serde_json::to_string(names).expect("names are texts"))
            .bind(DateTime::<Utc>::UNIX_EPOCH)
            .fetch_all(self.connection())
            .await?;
        Ok(numbers.into_iter().map(ReleaseNumber).collect())
    }

    /// Lets releases that have just become known, and that no upload has told of, take theirs up: it may have come before
    /// their first report.
    pub(super) async fn adopt_uploads(&mut self, releases: &[i64]) -> Result<()> {
        query(
            "UPDATE releases SET author = uploads.author, archive = uploads.filename, \
             on_cpan = uploads.kind <> 'backpan', released_at = NULLIF(uploads.released_at, $2) \
             FROM uploads WHERE releases.number IN (SELECT value FROM json_each($1)) \
             AND releases.released_at IS NULL AND uploads.language = releases.language \
             AND uploads.distribution = releases.distribution AND uploads.version = releases.version",
        )
        .bind(super::list(releases))
        .bind(DateTime::<Utc>::UNIX_EPOCH)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Record for Upload {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let kind: &str = row.get("kind")?;
        let released_at: DateTime<Utc> = row.get("released_at")?;
        Ok(Upload {
            number: row.get("number")?,
            language: super::releases::language(row, "an upload")?,
            upload: uploads::Upload {
                distribution: row.get("distribution")?,
                version: row.get("version")?,
                author: row.get("author")?,
                filename: row.get("filename")?,
                released_at: Some(released_at).filter(|at| *at != DateTime::UNIX_EPOCH),
                kind: Kind::read(kind),
            },
            seen_at: row.get("seen_at")?,
        })
    }
}
