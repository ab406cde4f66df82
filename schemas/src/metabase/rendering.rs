//! A report in the legacy shape, for those who still read that (contract §1.8 `?json=1`, §3.1).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::feeds::moment;
use crate::ids::ReportId;
use crate::report::Report;

/// What the legacy shape says of a report beyond the report itself.
#[derive(Clone, Debug)]
pub struct Rendering<'a> {
    pub id: ReportId,
    /// `metabase:user:` and the tester's profile.
    pub creator: &'a str,
    /// `cpan:///distfile/AUTHOR/Foo-Bar-1.0.tar.gz`
    pub resource: &'a str,
    pub created: DateTime<Utc>,
    /// The report's text as readers may see it.
    pub text: &'a str,
}

impl Rendering<'_> {
    /// The report with its two facts, as objects and not as strings of JSON.
    pub fn of(&self, report: &Report) -> Value {
        let (language, system) = (&report.environment.language, &report.environment.system);
        let summary = json!({
            "grade": report.result.grade,
            "osname": system.osname,
            "osversion": system.osversion.as_deref().unwrap_or_default(),
            "archname": language.archname,
            "perl_version": language.version,
        });
        let mut whole = summary.clone();
        whole["textreport"] = self.text.into();
        json!({
            "metadata": {"core": self.core("CPAN-Testers-Report")},
            "content": [
                {"metadata": {"core": self.core("CPAN-Testers-Fact-LegacyReport")}, "content": whole},
                {"metadata": {"core": self.core("CPAN-Testers-Fact-TestSummary")}, "content": summary},
            ],
        })
    }

    fn core(&self, kind: &str) -> Value {
        let created = moment(self.created);
        json!({
            "guid": self.id,
            "type": kind,
            "resource": self.resource,
            "creator": self.creator,
            "creation_time": created,
            "update_time": created,
            "schema_version": 1,
            "valid": 1,
        })
    }
}
