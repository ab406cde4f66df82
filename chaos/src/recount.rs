//! The counting that proves assay's counting: what a raw body says, and how many say it. Shares no code with it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

/// The grades, in the order [`Counts`] has them.
pub const GRADES: [&str; 4] = ["pass", "fail", "na", "unknown"];

/// How many reports gave each grade.
pub type Counts = [i64; 4];

/// What a report says that is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub distribution: String,
    pub version: String,
    /// Whose the release is, where the report says so.
    pub author: Option<String>,
    pub grade: String,
    pub perl: String,
    pub os: String,
    pub architecture: String,
}

impl Told {
    /// Reads a body in the v3 shape (contract §2.1), of a report on Perl.
    pub fn read(body: &[u8]) -> anyhow::Result<Told> {
        let report: Value = serde_json::from_slice(body).context("the body is not JSON")?;
        let text = |pointer: &str| {
            let value = report.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("there is no text at {pointer}"))
        };
        Ok(Told {
            distribution: text("/distribution/name")?,
            version: text("/distribution/version")?,
            author: author(&report),
            grade: text("/result/grade")?,
            perl: text("/environment/language/version")?.trim_start_matches('v').to_owned(),
            // Every system the generator knows is named alike but for its case (contract §3.5).
            os: text("/environment/system/osname")?.trim().to_lowercase(),
            architecture: text("/environment/language/archname")?,
        })
    }

    /// Reads a row as `/v4/results` lists it.
    pub fn of_row(row: &Value) -> Told {
        let text = |name: &str| row[name].as_str().unwrap_or("(none)").to_owned();
        Told {
            distribution: text("distribution"),
            version: text("version"),
            author: row["author"].as_str().map(str::to_owned),
            grade: text("grade"),
            perl: text("language_version"),
            os: text("os"),
            architecture: text("architecture"),
        }
    }

    /// Whether the perl is a development version, and whether it is patched or a release candidate (contract §3.3).
    pub fn maturity(&self) -> (bool, bool) {
        let bytes = self.perl.as_bytes();
        let minor = bytes.get(2..).unwrap_or_default();
        let development = bytes.first() == Some(&b'5')
            && match minor {
                [b'7' | b'9', ..] => true,
                [b'1'..=b'9', ones, ..] => matches!(ones, b'1' | b'3' | b'5' | b'7' | b'9'),
                _ => false,
            };
        let candidate = self.perl.split("RC").skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_digit()));
        (development, candidate || self.perl.contains("patch"))
    }
}

/// The directory of the archive that the report names.
fn author(report: &Value) -> Option<String> {
    let path = report.pointer("/distribution/path")?.as_str()?;
    Some(path.split_once('/')?.0.to_owned())
}

/// A release's names.
pub type Release = (String, String);

/// Counts of everything that assay counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recount {
    /// By distribution and version.
    pub releases: BTreeMap<Release, Counts>,
    /// By distribution, then by version, perl and operating system.
    pub cells: BTreeMap<String, BTreeMap<(String, String, String), Counts>>,
    /// By release, then by development and patch state of the perl.
    pub partitions: BTreeMap<Release, BTreeMap<(bool, bool), Counts>>,
    /// By the tester's name.
    pub testers: BTreeMap<String, Counts>,
}

impl Recount {
    /// Counts one report of a tester.
    pub fn add(&mut self, told: &Told, tester: &str) {
        let Some(grade) = GRADES.iter().position(|grade| *grade == told.grade) else { return };
        let release = (told.distribution.clone(), told.version.clone());
        let cell = (told.version.clone(), told.perl.clone(), told.os.clone());
        self.releases.entry(release.clone()).or_default()[grade] += 1;
        self.cells.entry(told.distribution.clone()).or_default().entry(cell).or_default()[grade] += 1;
        self.partitions.entry(release).or_default().entry(told.maturity()).or_default()[grade] += 1;
        self.testers.entry(tester.to_owned()).or_default()[grade] += 1;
    }
}

/// Counts as every answer of assay shows them.
pub fn counts(value: &Value) -> Counts {
    GRADES.map(|grade| value[grade].as_i64().unwrap_or(i64::MIN))
}

/// The sum of counts.
pub fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counts {
    all.into_iter().fold([0; 4], |sum, one| std::array::from_fn(|grade| sum[grade] + one[grade]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(perl: &str) -> Told {
        let body = serde_json::json!({
            "distribution": {"name": "Foo-Bar", "version": "1.0", "path": "ANN/Foo-Bar-1.0.tar.gz"},
            "result": {"grade": "fail"},
            "environment": {
                "language": {"version": perl, "archname": "x86_64-linux"},
                "system": {"osname": "MSWin32"},
            },
        });
        Told::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_body_is_read_as_the_contract_says() {
        let told = told("v5.24.0");
        assert_eq!((told.perl.as_str(), told.os.as_str()), ("5.24.0", "mswin32"));
        assert_eq!(told.author.as_deref(), Some("ANN"));
        assert!(Told::read(b"{}").is_err());
    }

    #[test]
    fn maturity_is_told_by_the_version() {
        for (perl, maturity) in [
            ("5.24.0", (false, false)),
            ("5.25.3", (true, false)),
            ("5.9.4", (true, false)),
            ("5.8.9", (false, false)),
            ("5.22.3 RC3", (false, true)),
            ("5.11.0 patch 4", (true, true)),
            ("5", (false, false)),
        ] {
            assert_eq!(told(perl).maturity(), maturity, "{perl}");
        }
    }

    #[test]
    fn every_count_has_the_same_sum() {
        let mut recount = Recount::default();
        for perl in ["5.24.0", "5.25.3", "5.24.0"] {
            recount.add(&told(perl), "Ann");
        }
        let all = [0, 3, 0, 0];
        assert_eq!(sum(recount.releases.values()), all);
        assert_eq!(sum(recount.cells.values().flat_map(BTreeMap::values)), all);
        assert_eq!(sum(recount.partitions.values().flat_map(BTreeMap::values)), all);
        assert_eq!(recount.testers["Ann"], all);
        assert_eq!(recount.cells["Foo-Bar"].len(), 2);
    }
}
