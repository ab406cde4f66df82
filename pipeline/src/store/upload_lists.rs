//! Lists of uploads to CPAN (contract §1.3).

use chrono::{DateTime, Utc};
use schemas::contract::UploadView;
use schemas::extract::Language;

use super::contract_lists::narrowing;
use super::sql::{self, Builder, Row};
use super::{Result, Store};

/// Which uploads of Perl distributions a list shows: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UploadFilter {
    pub distribution: Option<String>,
    pub author: Option<String>,
    /// Released at this moment or later.
    pub since: Option<DateTime<Utc>>,
}

impl Store {
    /// Uploads after the last one given, by time of release.
    pub async fn uploads(
        &self,
        filter: &UploadFilter,
        after: Option<(DateTime<Utc>, i64)>,
        limit: i64,
    ) -> Result<Vec<(i64, UploadView)>> {
        let mut query =
            Builder::new("SELECT number, distribution, version, author, filename, released_at FROM uploads WHERE ");
        match &filter.distribution {
            Some(distribution) => {
                query.push("distribution = ").push_bind(distribution.clone());
                query.push(" AND language = ").push_bind(Language::Perl.as_str());
            }
            // By the time of release, not by language, which would leave all of them to be sorted for each piece.
            None => {
                query.push("language").push(narrowing(self.shared())).push(" = ").push_bind(Language::Perl.as_str());
            }
        }
        if let Some(author) = &filter.author {
            query.push(" AND author = ").push_bind(author.clone());
        }
        if let Some(since) = filter.since {
            query.push(" AND released_at >= ").push_bind(since);
        }
        if let Some((at, number)) = after {
            query.push(" AND (released_at, number) > (").push_bind(at).push(", ").push_bind(number).push(")");
        }
        query.push(" ORDER BY released_at, number LIMIT ").push_bind(limit);
        Ok(query.build().fetch_with(&self.readers, upload).await?)
    }
}

fn upload(row: Row<'_>) -> sql::Result<(i64, UploadView)> {
    let view = UploadView {
        distribution: row.get("distribution")?,
        version: row.get("version")?,
        author: row.get("author")?,
        filename: row.get("filename")?,
        released_at: row.get("released_at")?,
    };
    Ok((row.get("number")?, view))
}
