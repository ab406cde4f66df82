//! Rows as the consumers of www.cpantesters.org and of the tail log read them (contract §1.8, §1.9, §3.2).

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::contract::reporter;
use crate::perl::LanguageVersion;
use crate::platform;
use crate::views::ResultView;

/// A processed report with all that a row of these lists shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub result: ResultView,
    /// Number of the upload it was about; `None` while none is known.
    pub upload: Option<i64>,
    /// Archive below its author's directory, where that is known: `Foo-Bar-1.0.tar.gz`.
    pub archive: Option<String>,
    /// The tester's address, where the operator lets it be shown.
    pub address: Option<String>,
}

/// A row of `/show/DIST.json` and `/author/AUTHOR.json` (contract §1.8).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedRow<'a> {
    /// In capitals.
    status: String,
    state: &'static str,
    grade: &'static str,
    guid: &'a str,
    dist: &'a str,
    distribution: &'a str,
    version: &'a str,
    distversion: String,
    #[serde(rename = "type")]
    kind: i64,
    osname: &'a str,
    osvers: &'a str,
    /// The system's name for people.
    ostext: &'a str,
    perl: &'a str,
    lang_version: String,
    platform: &'a str,
    /// As feeds of 2011 named the platform.
    archname: &'a str,
    uploadid: Option<i64>,
    tester: String,
    id: i64,
    postdate: String,
    fulldate: String,
    csspatch: &'static str,
    cssperl: &'static str,
    datetime: String,
}

/// A row of `reports-metadata.cgi`: all columns of today's summary table (contract §4.1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetadataRow<'a> {
    id: i64,
    guid: &'a str,
    state: &'static str,
    postdate: String,
    tester: String,
    dist: &'a str,
    version: &'a str,
    platform: &'a str,
    perl: &'a str,
    osname: &'a str,
    osvers: &'a str,
    fulldate: String,
    #[serde(rename = "type")]
    kind: i64,
    uploadid: Option<i64>,
}

/// `type` of every row: a report of CPAN Testers 2.0 (contract §3.2).
const KIND: i64 = 2;

impl Listed {
    pub fn feed_row(&self) -> FeedRow<'_> {
        let row = &self.result;
        let perl = LanguageVersion::read(&row.language_version);
        FeedRow {
            status: row.grade.as_str().to_ascii_uppercase(),
            state: row.grade.as_str(),
            grade: row.grade.as_str(),
            guid: &row.id,
            dist: &row.distribution,
            distribution: &row.distribution,
            version: &row.version,
            distversion: format!("{}-{}", row.distribution, row.version),
            kind: KIND,
            osname: &row.osname,
            osvers: &row.os_version,
            ostext: platform::title(&row.os),
            perl: &row.language_version,
            lang_version: format!("Perl 5 v{}", row.language_version),
            platform: &row.architecture,
            archname: &row.architecture,
            uploadid: self.upload,
            tester: signed(&row.tester, self.address.as_deref()),
            id: row.number,
            postdate: month(row.created_at),
            fulldate: minute(row.created_at),
            csspatch: if patched(&row.language_version) { "pat" } else { "unp" },
            cssperl: if perl.development { "dev" } else { "rel" },
            datetime: row.created_at.format("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }

    pub fn metadata_row(&self) -> MetadataRow<'_> {
        let row = &self.result;
        MetadataRow {
            id: row.number,
            guid: &row.id,
            state: row.grade.as_str(),
            postdate: month(row.created_at),
            tester: reporter(&row.tester, self.address.as_deref()),
            dist: &row.distribution,
            version: &row.version,
            platform: &row.architecture,
            perl: &row.language_version,
            osname: &row.osname,
            osvers: &row.os_version,
            fulldate: minute(row.created_at),
            kind: KIND,
            uploadid: self.upload,
        }
    }

    /// A line of the tail log, without its end (contract §1.9). `[/]` stands for an upload nobody knows yet.
    pub fn tail_line(&self) -> String {
        let row = &self.result;
        let created = moment(row.created_at);
        let upload = match (&row.author, &self.archive) {
            (Some(author), Some(archive)) => format!("{author}/{archive}"),
            _ => "/".to_owned(),
        };
        let perl = format!("perl-v{}", row.language_version);
        let fields = [&created, &row.tester, row.grade.as_str(), &upload, &row.architecture, &perl, &row.id, &created];
        fields.map(bracketed).join(" ")
    }

    /// What a feed's entry is called: `FAIL Foo-Bar-1.0 Perl 5 v5.36.0 on linux 6.1 (x86_64-linux)`.
    pub fn title(&self) -> String {
        let row = &self.result;
        format!(
            "{} {}-{} {} v{} on {} {} ({})",
            row.grade.as_str().to_ascii_uppercase(),
            row.distribution,
            row.version,
            if row.language == "raku" { "Raku" } else { "Perl 5" },
            row.language_version,
            row.osname,
            row.os_version,
            row.architecture,
        )
    }
}

/// A moment as today's servers write it: RFC 3339 in UTC, whole seconds.
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The name in quotes, and the address where it is shown. Readers take what stands in the quotes as the name.
fn signed(name: &str, address: Option<&str>) -> String {
    match address {
        Some(address) => format!("\"{name}\" <{address}>"),
        None => format!("\"{name}\""),
    }
}

fn month(at: DateTime<Utc>) -> String {
    at.format("%Y%m").to_string()
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y%m%d%H%M").to_string()
}

/// Whether `patch`, or `RC` with digits, stands in a language version as a word of its own.
fn patched(version: &str) -> bool {
    let mut words = version.split(|character: char| !character.is_alphanumeric() && character != '_');
    words.any(|word| {
        let candidate = word.strip_prefix("RC").filter(|number| !number.is_empty());
        word == "patch" || candidate.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// A field of the tail log. Brackets and ends of lines inside it would make it two, so they become parentheses and
/// blanks.
fn bracketed(field: &str) -> String {
    let mut text = String::with_capacity(field.len() + 2);
    text.push('[');
    text.extend(field.chars().map(|character| match character {
        '[' => '(',
        ']' => ')',
        control if control.is_control() => ' ',
        other => other,
    }));
    text.push(']');
    text
}
