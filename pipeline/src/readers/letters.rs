//! Single reports as today's site gives them: as a letter, and in the legacy shape (contract §1.8).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use schemas::extract;
use schemas::ids::ReportId;
use schemas::metabase::Rendering;
use schemas::platform;
use schemas::report::{Report, Reporter};
use schemas::{addresses, perl::LanguageVersion};
use serde_json::Value;

use super::{Original, Readers};
use crate::store::StoreError;
use crate::submission;

/// A report, read again from its bytes, with who sent it. Processed or not.
pub struct Letter {
    pub id: ReportId,
    /// The newest bytes' digest.
    pub digest: String,
    /// The tester's name.
    pub from: String,
    pub created_at: DateTime<Utc>,
    creator: String,
    report: Report,
}

impl Readers {
    /// The report with a number. `None`: there is none.
    pub async fn id_of(&self, number: i64) -> Result<Option<ReportId>, StoreError> {
        self.store.report_id(number).await
    }

    /// A report as a letter. `None`: there is no such report, it was withdrawn, its bytes are kept no longer, or they
    /// cannot be read as one.
    pub async fn letter(&self, id: ReportId) -> Result<Option<Letter>, StoreError> {
        let Some(Original { report: stored, bytes, withdrawn: None, dropped: None }) = self.original(id).await? else {
            return Ok(None);
        };
        let tester = self.store.tester_by_number(stored.tester).await?;
        let tester = tester.ok_or_else(|| StoreError::inconsistent("testers", stored.tester.0))?;
        let reporter = Reporter { name: Some(tester.name.clone()), email: String::new() };
        let Ok(report) = submission::read(stored.door, &bytes, reporter) else { return Ok(None) };
        // A legacy tester is known by the profile; others have no other public name than their id here.
        let profile = if tester.door == "metabase" { &tester.identity } else { &tester.id };
        Ok(Some(Letter {
            id: stored.id,
            digest: stored.digest.to_string(),
            from: addresses::hidden(&tester.name).into_owned(),
            created_at: report.created.unwrap_or(stored.received_at),
            creator: format!("metabase:user:{profile}"),
            report,
        }))
    }
}

impl Letter {
    /// `GRADE Dist-Version perl OS` (contract §3.1).
    pub fn subject(&self) -> String {
        let row = extract::read(&self.report);
        format!(
            "{} {}-{} {} {}",
            row.grade.as_str().to_ascii_uppercase(),
            row.distribution,
            row.version,
            row.language_version.verbatim,
            platform::title(&row.os),
        )
    }

    /// The report's text, mail addresses hidden unless `addresses`.
    pub fn text(&self, addresses: bool) -> Cow<'_, str> {
        match self.report.text() {
            text if addresses => text,
            text => Cow::Owned(schemas::addresses::hidden(&text).into_owned()),
        }
    }

    /// The report in the legacy shape.
    pub fn legacy(&self, addresses: bool) -> Value {
        let mut report = self.report.clone();
        report.environment.language.version = LanguageVersion::read(&report.environment.language.version).verbatim;
        let text = self.text(addresses);
        Rendering {
            id: self.id,
            creator: &self.creator,
            resource: &self.resource(),
            created: self.created_at,
            text: &text,
        }
        .of(&report)
    }

    /// `cpan:///distfile/AUTHOR/Foo-Bar-1.0.tar.gz`; of a report that names no archive, what it would be called.
    fn resource(&self) -> String {
        let row = extract::read(&self.report);
        let archive = row.archive.unwrap_or_else(|| format!("{}-{}.tar.gz", row.distribution, row.version));
        match row.author {
            Some(author) => format!("cpan:///distfile/{author}/{archive}"),
            None => archive,
        }
    }
}
