//! The body of `submit/CPAN-Testers-Report`, taken apart (contract §2.2).

use serde::Deserialize;
use serde_json::Value;

use super::envelope::{self, Content, Fact, shown, text};
use super::optional::Optional;
use super::{LegacyReport, Refused};
use crate::grade::Grade;
use crate::ids::ReportId;
use crate::report::Object;

const REPORT: &str = "CPAN-Testers-Report";
const LEGACY_REPORT: &str = "CPAN-Testers-Fact-LegacyReport";
const TEST_SUMMARY: &str = "CPAN-Testers-Fact-TestSummary";

/// Reads the body of `submit/CPAN-Testers-Report`.
///
/// Needs exactly one `LegacyReport` and one `TestSummary`, as the fact's own definition does; the optional facts are
/// read when they are there.
pub fn report(bytes: &[u8]) -> Result<LegacyReport, Refused> {
    let Object(envelope): Object<Fact> = envelope::outermost(bytes)?;
    let kind = envelope.kind()?;
    if kind != REPORT {
        return Err(Refused(format!("the fact is of type {}, not {REPORT}", shown(kind))));
    }
    let (id, creator, created) = (ReportId(envelope.guid()?), envelope.creator()?, envelope.created()?);
    let resource = envelope.resource()?.to_owned();
    let facts = Facts::sorted(envelope.content.facts("the report")?)?;
    let said: LegacyContent = facts.legacy.read(LEGACY_REPORT)?;
    Ok(LegacyReport {
        id,
        creator,
        resource,
        created,
        grade: grade(&said.grade)?,
        osname: owned(said.osname, "osname")?,
        osversion: owned(said.osversion, "osversion")?,
        archname: owned(said.archname, "archname")?,
        perl_version: owned(said.perl_version, "perl_version")?,
        text: owned(said.textreport, "textreport")?,
        optional: facts.optional.finished(),
    })
}

/// Exactly these fields, all of them there (contract §2.2). What they hold is checked by name afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LegacyContent {
    grade: Value,
    osname: Value,
    osversion: Value,
    archname: Value,
    perl_version: Value,
    textreport: Value,
}

struct Facts {
    legacy: Content,
    optional: Optional,
}

impl Facts {
    fn sorted(facts: Vec<Fact>) -> Result<Self, Refused> {
        let (mut legacy, mut summaries, mut optional) = (None, 0, Optional::default());
        for fact in facts {
            match fact.kind()?.to_owned().as_str() {
                LEGACY_REPORT if legacy.is_some() => return Err(number(LEGACY_REPORT, "more than one")),
                LEGACY_REPORT => legacy = Some(fact.content),
                TEST_SUMMARY => summaries += 1,
                kind => optional.take(kind, fact.content)?,
            }
        }
        match (legacy, summaries) {
            (None, _) => Err(number(LEGACY_REPORT, "no")),
            (_, 0) => Err(number(TEST_SUMMARY, "no")),
            (Some(legacy), 1) => Ok(Facts { legacy, optional }),
            _ => Err(number(TEST_SUMMARY, "more than one")),
        }
    }
}

fn number(kind: &str, count: &str) -> Refused {
    Refused(format!("the report holds {count} fact of type {kind}; it must hold exactly one"))
}

/// Grades are lower-cased and never mapped (contract §2.3).
fn grade(value: &Value) -> Result<Grade, Refused> {
    let spelt = text(value, "grade")?;
    let refused = |error| Refused(format!("grade {}: {error}", shown(spelt)));
    spelt.to_ascii_lowercase().parse().map_err(refused)
}

fn owned(value: Value, place: &str) -> Result<String, Refused> {
    match value {
        Value::String(text) => Ok(text),
        other => text(&other, place).map(str::to_owned),
    }
}
