//! The search language: words, phrases, `field:value`, ranges, and `AND`, `OR`, `NOT`.
//!
//! A query is parsed once, here, and means the same to every engine: `pipeline::index` translates a [`Query`], it
//! never reads query text. What counts as a word lies in [`words`], how values are compared in [`field`] and [`span`].

pub mod field;
mod highlight;
mod parse;
pub mod span;
pub mod words;

use std::fmt::{self, Display, Formatter};

pub use field::{KeyField, TimeField, WordField};
pub use highlight::{FRAGMENT_BYTES, FRAGMENTS, highlight};
pub use parse::parse;
pub use span::{Moment, Series, Span, ordinal};

/// Longest query, in bytes, as typed and as written out by [`Query`]'s `Display`.
pub const MAX_LENGTH: usize = 1_000;
/// Deepest nesting of parentheses and `NOT`.
pub const MAX_DEPTH: usize = 20;
/// Most terms: each word, also inside a phrase, and each condition on a field is one.
pub const MAX_TERMS: usize = 50;

/// What is asked of a report. Displayed, it is written in one normal form, which parses to the same query again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// These words, folded, stand next to each other in this order. Never empty.
    Words { field: WordField, words: Vec<String> },
    /// The field's [key](KeyField::key) is this one.
    Key { field: KeyField, key: String },
    /// The language version lies in this span.
    Version(Span<Series>),
    /// The time lies in this span.
    Time { field: TimeField, span: Span<Moment> },
    /// Reports the inner query does not find. Never holds another `Not`.
    Not(Box<Query>),
    /// Reports that all of these find. Two or more, none of them an `All`.
    All(Vec<Query>),
    /// Reports that any of these finds. Two or more, none of them an `Any`.
    Any(Vec<Query>),
}

/// What is wrong with a query, fit to show to whoever typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct QueryError {
    /// Byte offset in the query where the fault begins.
    pub at: usize,
    pub message: String,
}

/// The language in short, for the API's description and the command line.
pub const HELP: &str = r#"A search finds reports. Its parts, all of which may be combined:

  timeout                      a word, in the report's text or the distribution's name; case does not matter
  "out of memory"              these words next to each other, in this order
  Foo::Bar, t/01-basic.t       the same as "Foo Bar", "t 01 basic t": a word is letters, digits and inner _
  grade:fail                   a condition on a field
  tester:"Jane Doe"            a value with spaces, or with ( ) : in it, stands in quotation marks
  perl:5.36                    every 5.36.x; 5.36.0 is that one only, its release candidates and patches included
  perl:>=5.36, perl:<5.8.9     compared as numbers: 5.8.10 is above 5.8.9; also > and <=
  perl:5.8..5.36               both ends included, and all of 5.36.x with it
  received:2026-01             the whole month; also a year, a day, a minute 2026-01-31T12:00 (times are UTC)
  received:2026-01-01..2026-02-01, received:>=2026-11-01
  timeout grade:fail           both; AND may be written
  linux OR darwin              either; AND binds closer than OR
  NOT linux, -linux            reports the term does not find
  (a OR b) -c                  parentheses group

Fields:
  distribution (dist)          Foo-Bar or Foo::Bar, the whole name
  version                      of the release, as reported
  author                       CPAN author id
  tester, architecture (arch)  words of the tester's name, of the architecture: arch:x86_64 finds x86_64-linux
  grade                        pass, fail, na, unknown
  os                           canonical name: linux, mswin32, darwin
  language                     perl, raku
  perl, raku                   language versions, see above; one that is no plain number is compared as reported:
                               perl:"5.16.0 RC0"
  language_version             the same of any language
  reason                       missing_prerequisite, configure, build, test_failure, timeout, out_of_memory,
                               unsupported_platform, network, other
  phase                        configure, build, test, install
  id                           the report's UUID
  received, created            when assay received it, when the tester's clock says it was made

AND, OR and NOT are written in capitals; in small letters they are words. Inside quotation marks \" and \\ stand for
" and \. At most 1,000 bytes, 50 terms, 20 levels of parentheses and NOT. Words of more than 64 bytes are not
indexed; of a text longer than 320 KB, the first 256 KB and the last 64 KB are.
"#;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Query::Words { field, words } => write_words(*field, words, f),
            Query::Key { field, key } => {
                write!(f, "{}:", field.name())?;
                write_value(key, f)
            }
            Query::Version(span) => write!(f, "language_version:{span}"),
            Query::Time { field, span } => write!(f, "{}:{span}", field.name()),
            Query::Not(inner) => {
                f.write_str("NOT ")?;
                write_part(inner, matches!(**inner, Query::All(_) | Query::Any(_)), f)
            }
            Query::All(parts) => write_joined(parts, " AND ", f),
            Query::Any(parts) => write_joined(parts, " OR ", f),
        }
    }
}

fn write_joined(parts: &[Query], between: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        // AND binds closer than OR, so only an OR inside an AND needs parentheses.
        write_part(part, matches!(part, Query::Any(_)), f)?;
    }
    Ok(())
}

fn write_part(part: &Query, parenthesised: bool, f: &mut Formatter<'_>) -> fmt::Result {
    if parenthesised { write!(f, "({part})") } else { part.fmt(f) }
}

fn write_words(field: WordField, words: &[String], f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(name) = field.name() {
        write!(f, "{name}:")?;
    }
    match words {
        [word] => f.write_str(word),
        _ => write!(f, "\"{}\"", words.join(" ")),
    }
}

/// Writes a value bare where it reads back as the same value, quoted otherwise.
fn write_value(value: &str, f: &mut Formatter<'_>) -> fmt::Result {
    // A range's signs would be read as one, and a second colon would make the whole a word.
    let sign = value.starts_with(['<', '>', ':']) || value.contains("..");
    if !sign && !value.contains(parse::ends_bare) {
        return f.write_str(value);
    }
    write!(f, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
