//! Whose a release is: what its reports say of it, and which of them is believed.

use super::releases::ReleaseNumber;
use super::sql::query;
use super::{Result, Tx};

/// What a report says of the release it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// CPAN author id.
    pub author: String,
    /// Below the author's directory: `Foo-Bar-1.0.tar.gz`.
    pub archive: Option<String>,
}

/// The report that a release believes, and the author that the release shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Teller {
    pub release: ReleaseNumber,
    /// `None`: no report of it names an author.
    pub told_by: Option<i64>,
    pub author: Option<String>,
}

impl Tx {
    /// Whom these releases believe, in no order.
    pub async fn tellers(&mut self, releases: &[ReleaseNumber]) -> Result<Vec<Teller>> {
        let tellers: Vec<(i64, Option<i64>, Option<String>)> =
            query("SELECT number, told_by, author FROM releases WHERE number IN (SELECT value FROM json_each($1))")
                .bind(numbers(releases))
                .fetch_all(self.connection())
                .await?;
        let teller = |(number, told_by, author)| Teller { release: ReleaseNumber(number), told_by, author };
        Ok(tellers.into_iter().map(teller).collect())
    }

    /// Lets releases say what the rule says: the word of their upload, or else that of the report with the lowest number
    /// of those that stand and name an author. The order in which reports were processed does not matter to it.
    pub async fn retell_releases(&mut self, releases: &[ReleaseNumber]) -> Result<()> {
        query(
            "UPDATE releases SET told_by = (SELECT extracts.number FROM extracts \
             WHERE extracts.release = releases.number AND NOT extracts.removed AND extracts.author IS NOT NULL \
             ORDER BY extracts.number LIMIT 1) WHERE number IN (SELECT value FROM json_each($1))",
        )
        .bind(numbers(releases))
        .execute(self.connection())
        .await?;
        let word = |uploads: &str, extracts: &str| {
            format!(
                "COALESCE((SELECT uploads.{uploads} FROM uploads WHERE uploads.language = releases.language \
                 AND uploads.distribution = releases.distribution AND uploads.version = releases.version), \
                 (SELECT extracts.{extracts} FROM extracts WHERE extracts.number = releases.told_by))"
            )
        };
        let (author, archive) = (word("author", "author"), word("filename", "archive"));
        query(format!(
            "UPDATE releases SET author = {author}, archive = {archive} \
             WHERE number IN (SELECT value FROM json_each($1))"
        ))
        .bind(numbers(releases))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn numbers(releases: &[ReleaseNumber]) -> String {
    super::list(&releases.iter().map(|release| release.0).collect::<Vec<_>>())
}
