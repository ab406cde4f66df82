//! The fields a query can name, and how their values are compared.

use std::str::FromStr;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::extract::Language;
use crate::grade::Grade;
use crate::ids::ReportId;
use crate::reason::{Code, Phase};

use super::words;

/// A field that is searched by its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WordField {
    /// The report's text and the distribution's name: what a word without a field asks for.
    Text,
    /// The tester's name.
    Tester,
    Architecture,
}

/// A field that is compared as a whole, by its [key](KeyField::key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyField {
    Distribution,
    Version,
    Author,
    Grade,
    Os,
    Language,
    /// The language version as reported.
    LanguageVersion,
    Reason,
    Phase,
    Id,
}

/// A field that is a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeField {
    Received,
    Created,
}

/// What a field's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Words(WordField),
    Key(KeyField),
    /// Compared as a number where the value is one, as [`KeyField::LanguageVersion`] otherwise; of this language
    /// only, where the name is a language's.
    LanguageVersion(Option<Language>),
    Time(TimeField),
}

impl WordField {
    /// Name in a query; none for the text, which is meant where no field is named.
    pub fn name(self) -> Option<&'static str> {
        match self {
            WordField::Text => None,
            WordField::Tester => Some("tester"),
            WordField::Architecture => Some("architecture"),
        }
    }
}

impl KeyField {
    pub const ALL: [KeyField; 10] = [
        KeyField::Distribution,
        KeyField::Version,
        KeyField::Author,
        KeyField::Grade,
        KeyField::Os,
        KeyField::Language,
        KeyField::LanguageVersion,
        KeyField::Reason,
        KeyField::Phase,
        KeyField::Id,
    ];

    pub fn name(self) -> &'static str {
        match self {
            KeyField::Distribution => "distribution",
            KeyField::Version => "version",
            KeyField::Author => "author",
            KeyField::Grade => "grade",
            KeyField::Os => "os",
            KeyField::Language => "language",
            KeyField::LanguageVersion => "language_version",
            KeyField::Reason => "reason",
            KeyField::Phase => "phase",
            KeyField::Id => "id",
        }
    }

    /// The form in which values are compared: without white space around, in lower case; a distribution with `-`
    /// for `::` (Raku's names have the one, Perl's the other), a language version without leading `v`. Two values
    /// are the same if their keys are.
    pub fn key(self, value: &str) -> String {
        let key = words::fold(value.trim());
        match self {
            KeyField::Distribution => key.replace("::", "-"),
            KeyField::LanguageVersion => key.trim_start_matches(|c: char| c == 'v' || c.is_whitespace()).to_owned(),
            _ => key,
        }
    }

    /// The values there are, for a field that has a closed set of them, when `key` is none of them.
    pub(super) fn refuse(self, key: &str) -> Option<&'static str> {
        let (known, values) = match self {
            KeyField::Grade => (Grade::from_str(key).is_ok(), "pass, fail, na, unknown"),
            KeyField::Language => (named::<Language>(key), "perl, raku"),
            KeyField::Phase => (named::<Phase>(key), "configure, build, test, install"),
            KeyField::Id => (ReportId::from_str(key).is_ok(), "a UUID such as 0b45cd74-d944-4999-9c3d-c81021ca3d34"),
            KeyField::Reason => (
                named::<Code>(key),
                "missing_prerequisite, configure, build, test_failure, timeout, out_of_memory, unsupported_platform, \
                 network, other",
            ),
            _ => (true, ""),
        };
        (!known).then_some(values)
    }
}

impl TimeField {
    pub fn name(self) -> &'static str {
        match self {
            TimeField::Received => "received",
            TimeField::Created => "created",
        }
    }
}

impl Field {
    /// The field of this name or short name, in either case.
    pub(super) fn named(name: &str) -> Option<Field> {
        let name = name.to_ascii_lowercase();
        let field = match name.as_str() {
            "dist" => Field::Key(KeyField::Distribution),
            "tester" => Field::Words(WordField::Tester),
            "architecture" | "arch" => Field::Words(WordField::Architecture),
            "language_version" => Field::LanguageVersion(None),
            "perl" => Field::LanguageVersion(Some(Language::Perl)),
            "raku" => Field::LanguageVersion(Some(Language::Raku)),
            "received" => Field::Time(TimeField::Received),
            "created" => Field::Time(TimeField::Created),
            _ => Field::Key(KeyField::ALL.into_iter().find(|field| field.name() == name)?),
        };
        Some(field)
    }
}

/// All fields, as an error lists them.
pub(super) const NAMES: &str = "distribution (dist), version, author, tester, grade, os, language, language_version, \
                                perl, raku, architecture (arch), reason, phase, id, received, created";

/// Whether this is the wire name of a value of a closed set. The set's own `Deserialize` decides, so the two cannot
/// differ.
fn named<T: DeserializeOwned>(name: &str) -> bool {
    let deserializer: StrDeserializer<'_, Error> = name.into_deserializer();
    T::deserialize(deserializer).is_ok()
}
