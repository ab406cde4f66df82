//! Uploads as CPAN's servers tell of them: MetaCPAN's release search, and `02packages.details.txt` (contract §3.4).

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::distname;
use crate::report::moment;

/// Where an upload can be fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// On CPAN.
    Cpan,
    /// Deleted from CPAN, kept in its history.
    Backpan,
    /// Nobody has told.
    Unknown,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Cpan => "cpan",
            Kind::Backpan => "backpan",
            Kind::Unknown => "unknown",
        }
    }

    /// Reads `cpan`, `latest` (MetaCPAN's word for the newest on CPAN) and `backpan`; all else is unknown.
    pub fn read(text: &str) -> Kind {
        match text.trim().to_ascii_lowercase().as_str() {
            "cpan" | "latest" => Kind::Cpan,
            "backpan" => Kind::Backpan,
            _ => Kind::Unknown,
        }
    }
}

/// An archive that an author has uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub distribution: String,
    /// `0` where the archive's name has none (contract §3.4).
    pub version: String,
    pub author: String,
    /// Below the author's directory: `Foo-Bar-1.0.tar.gz`.
    pub filename: String,
    /// `None`: this source does not tell.
    pub released_at: Option<DateTime<Utc>>,
    pub kind: Kind,
}

/// One answer of a release search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub uploads: Vec<Upload>,
    /// Hits in it, those that are no upload assay can name included.
    pub hits: usize,
    /// Release time of the last hit, as it was spelt: where the next page begins.
    pub last: Option<String>,
}

/// Longest name, as at the doors.
const LONGEST: usize = 255;

impl Upload {
    /// Names an archive by CPAN::DistnameInfo's rules. `None` when it has no distribution (contract §3.4).
    pub fn of_archive(author: &str, archive: &str, released_at: Option<DateTime<Utc>>, kind: Kind) -> Option<Upload> {
        let read = distname::read(&format!("{author}/{archive}"));
        let distribution = read.distribution.filter(|name| sound(name))?;
        let version = read.version.filter(|version| !version.is_empty()).unwrap_or_else(|| "0".to_owned());
        if !sound(&version) || !sound(author) || !sound(archive) {
            return None;
        }
        let filename = archive.to_owned();
        Some(Upload { distribution, version, author: author.to_owned(), filename, released_at, kind })
    }
}

/// Not empty, no control characters, not too long.
fn sound(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

/// Reads a moment as these sources spell them: RFC 3339, without a zone (UTC), or seconds since 1970.
pub fn released_at(text: &str) -> Option<DateTime<Utc>> {
    let seconds = || text.trim().parse::<i64>().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    moment::read(text).or_else(seconds).filter(|moment| moment.timestamp() > 0)
}

/// Reads an answer of MetaCPAN's `release/_search`: `{"hits": {"hits": [{"_source": {…}}, …]}}`, with `fields` in the
/// place of `_source` where some were chosen; or a bare array of hits, or of the rows `/v3/upload` gives (contract §1.3).
pub fn metacpan(bytes: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(bytes)?;
    let hits = match answer {
        Answer::Search { hits } => hits.hits,
        Answer::Hits(hits) => hits,
    };
    let mut page = Page { hits: hits.len(), ..Page::default() };
    for hit in hits {
        let source = ["_source", "fields"].iter().find_map(|key| hit.get(key)).unwrap_or(&hit);
        let date = field(source, &["date", "released"]);
        if !date.is_empty() {
            page.last = Some(date.to_owned());
        }
        let kind = Kind::read(field(source, &["status"]));
        let (author, archive) = (field(source, &["author"]), field(source, &["archive", "filename"]));
        page.uploads.extend(Upload::of_archive(author, archive, released_at(date), kind));
    }
    Ok(page)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Search { hits: Hits },
    Hits(Vec<Value>),
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Value>,
}

/// A text under the first of these names, which a search for chosen fields may wrap in an array.
fn field<'a>(source: &'a Value, names: &[&str]) -> &'a str {
    let value = names.iter().find_map(|name| source.get(*name)).unwrap_or(&Value::Null);
    let value = value.as_array().and_then(|values| values.first()).unwrap_or(value);
    value.as_str().unwrap_or_default()
}

/// Reads a line of `02packages.details.txt`: module, version, path. `None` for its header, and for what names no
/// distribution. What the index holds is on CPAN; it tells no times.
pub fn package(line: &str) -> Option<Upload> {
    let mut words = line.split_ascii_whitespace();
    let (_, _, path) = (words.next()?, words.next()?, words.next()?);
    // Three words and no more, the last a path: a header line is no such thing.
    if words.next().is_some() || path.split('/').count() < 4 {
        return None;
    }
    let read = distname::read(path);
    Upload::of_archive(&read.author?, &read.filename, None, Kind::Cpan)
}
