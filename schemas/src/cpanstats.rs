//! Rows of the predecessor's `cpanstats` table (contract §3.2, §4.1): reports of which only the row is left.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::grade::Grade;
use crate::ids::ReportId;
use crate::report::{self, Distribution, Environment, LanguageUsed, Outcome, Output, Report, Reporter, System};

/// A row, its texts as they stand in the table. Its JSON is what is stored in place of the report's own bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// The number that readers of `reports-metadata.cgi` know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    pub guid: String,
    pub state: String,
    pub postdate: String,
    pub tester: String,
    pub dist: String,
    pub version: String,
    pub platform: String,
    pub perl: String,
    pub osname: String,
    pub osvers: String,
    /// `YYYYMMDDHHMM`, UTC.
    pub fulldate: String,
    /// 2 is a report; other rows are announcements of uploads and requests of old.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploadid: Option<i64>,
}

/// Why a row is no report. The text names the column, and is the same for all rows with that fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("type is not 2: the row is no report")]
    NoReport,
    #[error("guid is not a GUID")]
    Guid,
    #[error("state is not pass, fail, na or unknown")]
    Grade,
    #[error("neither fulldate nor postdate is a date")]
    Date,
    #[error("dist is empty")]
    Distribution,
    #[error("{0}")]
    Text(String),
}

/// A row that is a report, and what it is stored under.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub id: ReportId,
    /// The minute it was made, which is the only time the row tells.
    pub created: DateTime<Utc>,
    pub reporter: Reporter,
    pub report: Report,
}

/// Reads stored bytes: a row's JSON.
pub fn parse(bytes: &[u8]) -> Result<Reading, Unfit> {
    let row: Row = serde_json::from_slice(bytes)
        .map_err(|error| Unfit::Text(format!("the bytes are not a row of cpanstats: {error}")))?;
    read(&row)
}

/// Reads a row by the rules of contract §3.2 turned round. An empty version is 0 (§3.5), NUL goes, entities are
/// decoded, and what the platform's columns lack is left empty (§3.7).
pub fn read(row: &Row) -> Result<Reading, Unfit> {
    if row.kind.trim() != "2" {
        return Err(Unfit::NoReport);
    }
    let id: ReportId = row.guid.trim().parse().map_err(|_| Unfit::Guid)?;
    let grade: Grade = row.state.trim().to_ascii_lowercase().parse().map_err(|_| Unfit::Grade)?;
    let created = moment(row).ok_or(Unfit::Date)?;
    let (dist, version) = (clean(&row.dist), clean(&row.version));
    if dist.is_empty() {
        return Err(Unfit::Distribution);
    }
    let reporter = reporter(&row.tester);
    let report = Report {
        id: Some(id),
        created: Some(created),
        reporter: reporter.clone(),
        environment: Environment {
            user_agent: None,
            toolchain: None,
            language: language(row),
            system: System { osname: clean(&row.osname), osversion: Some(clean(&row.osvers)), ..System::default() },
        },
        distribution: Distribution {
            name: dist,
            version: if version.is_empty() { "0".to_owned() } else { version },
            path: None,
            prerequisites: Vec::new(),
        },
        result: Outcome {
            grade,
            output: Output::default(),
            tests: None,
            failures: None,
            skipped: None,
            todo: None,
            warnings: None,
            duration: None,
        },
        comments: None,
    };
    // What a platform was called is told as it is; a name that cannot be a path is refused as at every door.
    match report::broken(&report).iter().find(|fault| fault.pointer.starts_with("/distribution")) {
        Some(fault) => Err(Unfit::Text(fault.to_string())),
        None => Ok(Reading { id, created, reporter, report }),
    }
}

fn language(row: &Row) -> LanguageUsed {
    LanguageUsed {
        name: "Perl 5".to_owned(),
        version: clean(&row.perl).trim_start_matches('v').to_owned(),
        archname: clean(&row.platform),
        build: None,
        commit_id: None,
        variables: None,
        toolchain: None,
        implementation: None,
        backend: None,
    }
}

/// `fulldate` with or without seconds; where it is damaged, the first day of `postdate`'s month.
fn moment(row: &Row) -> Option<DateTime<Utc>> {
    let digits = row.fulldate.trim();
    let minute = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M").ok();
    let full = match (digits.len(), digits.bytes().all(|byte| byte.is_ascii_digit())) {
        (12, true) => minute(digits),
        (14, true) => NaiveDateTime::parse_from_str(digits, "%Y%m%d%H%M%S").ok(),
        (8, true) => NaiveDate::parse_from_str(digits, "%Y%m%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0)),
        _ => None,
    };
    let month = || minute(&format!("{}010000", row.postdate.trim())).filter(|_| row.postdate.trim().len() == 6);
    full.or_else(month).map(|moment| moment.and_utc()).filter(|moment| moment.timestamp() > 0)
}

/// Control characters, NUL first of all, are damage in these columns.
fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect::<String>().trim().to_owned()
}

/// Who sent it: `"Name" <address>`, `Name <address>`, `address (Name)` or a bare address, with entities (contract
/// §3.2, §3.5).
pub fn reporter(tester: &str) -> Reporter {
    // C1 controls stay: names encoded twice hold them (contract §11.1).
    let text: String = decoded(tester).chars().filter(|character| !character.is_ascii_control()).collect();
    let text = text.trim();
    let (name, email) = match (text.rfind('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => (text[..open].trim(), text[open + 1..close].trim()),
        _ => match text.split_once('(') {
            Some((address, name)) => (name.trim_end_matches([')', ' ']), address.trim()),
            None if text.contains('@') => ("", text.trim()),
            None => (text.trim(), ""),
        },
    };
    let name = unquoted(name);
    Reporter { name: Some(name.to_owned()).filter(|name| !name.is_empty()), email: email.to_owned() }
}

fn unquoted(name: &str) -> &str {
    let inner = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(name).trim()
}

/// Decimal and hexadecimal character references, and the four named ones of HTML. Others stay as they are.
fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        rest = &rest[start..];
        match rest[1..].split_once(';').and_then(|(name, after)| Some((character(name)?, after))) {
            Some((character, after)) => {
                decoded.push(character);
                rest = after;
            }
            None => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}
