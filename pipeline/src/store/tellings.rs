//! Whose a release is: what its reports say of it, and which of them is believed.

use chrono::{DateTime, Utc};

use super::fsck::Span;
use super::releases::{MARKED, MarkedRelease, ReleaseNumber};
use super::sql::{On, query};
use super::{Result, Store, Tx};

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

/// The report that a release has to believe.
const TOLD_BY: &str = "(SELECT extracts.number FROM extracts WHERE extracts.release = releases.number \
                       AND NOT extracts.removed AND extracts.author IS NOT NULL ORDER BY extracts.number LIMIT 1)";

/// What a release has to show: the word of its upload, or else that of the report it believes. These are the names of the
/// word in the one and in the other.
fn word(upload: &str, extract: &str) -> String {
    format!(
        "COALESCE((SELECT uploads.{upload} FROM uploads WHERE uploads.language = releases.language \
         AND uploads.distribution = releases.distribution AND uploads.version = releases.version), \
         (SELECT extracts.{extract} FROM extracts WHERE extracts.number = releases.told_by))"
    )
}

impl Store {
    /// Releases that show or believe anything else than they have to, by number.
    pub async fn author_faults(&self, span: Span) -> Result<Vec<ReleaseNumber>> {
        author_faults(&self.readers, span).await
    }
}

impl Tx {
    pub async fn author_faults(&mut self, span: Span) -> Result<Vec<ReleaseNumber>> {
        author_faults(self.connection(), span).await
    }

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
        let sql = retelling("", " FROM releases WHERE number IN (SELECT value FROM json_each($1))");
        query(sql).bind(numbers(releases)).execute(self.connection()).await?;
        Ok(())
    }

    /// [`Tx::retell_releases`] and [`Tx::mark_releases`] at once, so that each is written once.
    pub async fn mark_retold_releases(
        &mut self,
        releases: &[ReleaseNumber],
        first: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<MarkedRelease>> {
        let mark = "change_number = $2 + asked.place, changed_at = $3, ";
        let asked =
            ", marked.key AS place FROM json_each($1) AS marked JOIN releases ON releases.number = marked.value";
        let sql = format!("{} RETURNING {MARKED}", retelling(mark, asked));
        let marked = query(sql).bind(numbers(releases)).bind(first).bind(now).fetch_all(self.connection());
        Ok(marked.await?)
    }
}

/// A statement that lets releases say what the rule says, and sets something more of them; `asked` is the rest of a
/// selection of them.
fn retelling(more: &str, asked: &str) -> String {
    format!(
        "UPDATE releases SET {more}told_by = asked.told_by, author = COALESCE(uploads.author, extracts.author), \
         archive = COALESCE(uploads.filename, extracts.archive) \
         FROM (SELECT number, language, distribution, version, {TOLD_BY} AS told_by{asked}) AS asked \
         LEFT JOIN extracts ON extracts.number = asked.told_by \
         LEFT JOIN uploads ON uploads.language = asked.language AND uploads.distribution = asked.distribution \
         AND uploads.version = asked.version WHERE releases.number = asked.number"
    )
}

async fn author_faults(on: impl Into<On<'_>>, span: Span) -> Result<Vec<ReleaseNumber>> {
    let (author, archive) = (word("author", "author"), word("filename", "archive"));
    let faults: Vec<i64> = query(format!(
        "SELECT number FROM releases WHERE number > $1 AND number <= $2 AND (told_by IS DISTINCT FROM {TOLD_BY} \
         OR author IS DISTINCT FROM {author} OR archive IS DISTINCT FROM {archive}) ORDER BY number"
    ))
    .bind(span.after)
    .bind(span.end)
    .fetch_all(on)
    .await?;
    Ok(faults.into_iter().map(ReleaseNumber).collect())
}

fn numbers(releases: &[ReleaseNumber]) -> String {
    super::list(&releases.iter().map(|release| release.0).collect::<Vec<_>>())
}
