//! From a query's text to a [`Query`]: a parser by recursive descent, with limits.

use super::field::{self, Field};
use super::span::{Extent, Moment, Series, Span};
use super::{KeyField, MAX_DEPTH, MAX_LENGTH, MAX_TERMS, Query, QueryError, WordField, words};

/// Reads a query. Any text gives a query or an error; see [`super::HELP`] for the language.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_LENGTH {
        return refuse(text.floor_char_boundary(MAX_LENGTH), "the query is longer than 1,000 bytes");
    }
    let mut parser = Parser { text, at: 0, depth: 0, terms: 0 };
    let query = parser.any()?;
    if parser.peek().is_some() {
        return refuse(parser.at, "this closing parenthesis was never opened");
    }
    // The normal form spells out what was implied, and has to be accepted too when it is sent back.
    if query.to_string().len() > MAX_LENGTH {
        return refuse(0, "the query is longer than 1,000 bytes once AND, NOT and the fields' names are written out");
    }
    Ok(query)
}

/// Whether this character ends a bare word or value.
pub(super) fn ends_bare(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | '"')
}

struct Parser<'t> {
    text: &'t str,
    /// Byte offset of what comes next.
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'t> Parser<'t> {
    /// `all (OR all)*`
    fn any(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.all()?];
        while self.take_operator("OR") {
            parts.push(self.all()?);
        }
        Ok(any(parts))
    }

    /// `not (AND? not)*`
    fn all(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.not()?];
        loop {
            let and = self.take_operator("AND");
            let more = !matches!(self.peek(), None | Some(')')) && self.operator() != Some("OR");
            if !and && !more {
                return Ok(all(parts));
            }
            parts.push(self.not()?);
        }
    }

    /// `NOT not | -not | primary`
    fn not(&mut self) -> Result<Query, QueryError> {
        let start = self.at;
        let minus = self.peek() == Some('-')
            && self.rest()[1..].chars().next().is_some_and(|next| !next.is_whitespace() && next != ')');
        if minus {
            self.at += 1;
        } else if !self.take_operator("NOT") {
            return self.primary();
        }
        self.enter(start)?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(not(inner))
    }

    /// `( any ) | "phrase" | word | field:value`
    fn primary(&mut self) -> Result<Query, QueryError> {
        let next = self.peek();
        let start = self.at;
        match next {
            None => refuse(
                start,
                if start == 0 || self.text.trim().is_empty() {
                    "the query is empty"
                } else {
                    "a word, phrase or condition is expected here"
                },
            ),
            Some('(') => self.group(),
            Some(')') => refuse(start, "a word, phrase or condition is expected before this parenthesis"),
            Some('"') => {
                let phrase = self.quoted()?;
                self.words(WordField::Text, &phrase, start)
            }
            Some(_) => match self.operator() {
                Some(operator) => {
                    refuse(start, format!("{operator} needs a term on both sides; small letters make it a word"))
                }
                None => self.bare(),
            },
        }
    }

    fn group(&mut self) -> Result<Query, QueryError> {
        let start = self.at;
        self.enter(start)?;
        self.at += 1;
        let inner = self.any()?;
        if self.peek() != Some(')') {
            return refuse(start, "this parenthesis is never closed");
        }
        self.at += 1;
        self.depth -= 1;
        Ok(inner)
    }

    /// A word, or a field and its value.
    fn bare(&mut self) -> Result<Query, QueryError> {
        let start = self.at;
        let bare = self.take_bare();
        let Some((name, value)) = split_field(bare) else { return self.words(WordField::Text, bare, start) };
        let Some(field) = Field::named(name) else {
            return refuse(
                start,
                format!("there is no field `{name}`; put text in quotation marks, or use one of {}", field::NAMES),
            );
        };
        let at = start + name.len() + 1;
        if value.is_empty() && self.rest().starts_with('"') {
            let value = self.quoted()?;
            return self.condition(field, name, &value, Written::Quoted, at);
        }
        self.condition(field, name, value, Written::Bare, at)
    }

    /// `name` is the field as typed, `at` where its value begins.
    fn condition(
        &mut self,
        field: Field,
        name: &str,
        value: &str,
        written: Written,
        at: usize,
    ) -> Result<Query, QueryError> {
        if value.trim().is_empty() {
            return refuse(at, format!("`{name}:` needs a value"));
        }
        match field {
            Field::Words(field) => self.words(field, value, at),
            Field::Key(field) => self.key(field, value, written, at),
            Field::LanguageVersion(None) => self.version(value, written, at),
            Field::LanguageVersion(Some(language)) => {
                // Two conditions for one; where they are negated, the normal form needs parentheses.
                self.enter(at)?;
                let language = self.key(KeyField::Language, language.as_str(), Written::Quoted, at)?;
                let version = self.version(value, written, at)?;
                self.depth -= 1;
                Ok(all(vec![language, version]))
            }
            Field::Time(field) => {
                self.count(1, at)?;
                let span = span(
                    value,
                    |text| Moment::read(text.trim()),
                    at,
                    "a time such as 2026, 2026-01, 2026-01-31 or 2026-01-31T12:00",
                )?;
                Ok(Query::Time { field, span })
            }
        }
    }

    fn version(&mut self, value: &str, written: Written, at: usize) -> Result<Query, QueryError> {
        let range = written == Written::Bare && ranged(value);
        if !range && version(value).is_none() {
            return self.key(KeyField::LanguageVersion, value, written, at);
        }
        self.count(1, at)?;
        Ok(Query::Version(span(value, version, at, "a version such as 5, 5.36 or 5.36.0")?))
    }

    fn key(&mut self, field: KeyField, value: &str, written: Written, at: usize) -> Result<Query, QueryError> {
        self.count(1, at)?;
        if written == Written::Bare && ranged(value) {
            return refuse(at, format!("`{}` has no ranges; language_version, received and created do", field.name()));
        }
        let key = field.key(value);
        match field.refuse(&key) {
            Some(values) => refuse(at, format!("`{}` is one of: {values}", field.name())),
            None if key.is_empty() => refuse(at, format!("`{}` needs a value", field.name())),
            None => Ok(Query::Key { field, key }),
        }
    }

    fn words(&mut self, field: WordField, text: &str, at: usize) -> Result<Query, QueryError> {
        let mut folded = Vec::new();
        for run in words::runs(text) {
            let word = words::fold(&text[run.range.clone()]);
            if run.range.len().max(word.len()) > words::MAX_WORD {
                return refuse(at, "a word of more than 64 bytes is not indexed");
            }
            folded.push(word);
        }
        if folded.is_empty() {
            return refuse(at, "there is no letter or digit to look for here");
        }
        self.count(folded.len(), at)?;
        Ok(Query::Words { field, words: folded })
    }

    fn count(&mut self, terms: usize, at: usize) -> Result<(), QueryError> {
        self.terms += terms;
        if self.terms > MAX_TERMS {
            return refuse(at, "the query has more than 50 terms");
        }
        Ok(())
    }

    fn enter(&mut self, at: usize) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(at, "the query is nested more than 20 deep");
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next character that is not white space; `at` then stands before it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest().trim_start();
        self.at = self.text.len() - rest.len();
        rest.chars().next()
    }

    fn take_bare(&mut self) -> &'t str {
        let rest = self.rest();
        let bare = &rest[..rest.find(ends_bare).unwrap_or(rest.len())];
        self.at += bare.len();
        bare
    }

    /// The operator that comes next, if one does.
    fn operator(&mut self) -> Option<&'static str> {
        self.peek();
        let rest = self.rest();
        let bare = &rest[..rest.find(ends_bare).unwrap_or(rest.len())];
        ["AND", "OR", "NOT"].into_iter().find(|operator| *operator == bare)
    }

    fn take_operator(&mut self, operator: &str) -> bool {
        let taken = self.operator() == Some(operator);
        if taken {
            self.at += operator.len();
        }
        taken
    }

    /// Text between quotation marks, of which the first comes next; `\"` and `\\` stand for `"` and `\`.
    fn quoted(&mut self) -> Result<String, QueryError> {
        let start = self.at;
        let mut value = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(value);
                }
                '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                    Some((_, escaped)) => value.push(escaped),
                    None => value.push('\\'),
                },
                _ => value.push(character),
            }
        }
        refuse(start, "this quotation mark is never closed")
    }
}

/// How a value was written: a quoted one is never read as a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Bare,
    Quoted,
}

/// Splits `field:value`. The first colon decides: a double one, as in `Foo::Bar`, or one after something that is no
/// name, as in `12:30`, makes it a word.
fn split_field(bare: &str) -> Option<(&str, &str)> {
    let (name, value) = bare.split_once(':')?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    (named && !value.starts_with(':')).then_some((name, value))
}

/// Reads a point or a range of points.
fn span<T: Extent + Copy>(
    value: &str,
    read: impl Fn(&str) -> Option<T>,
    at: usize,
    expected: &str,
) -> Result<Span<T>, QueryError> {
    let point = |text: &str| read(text).ok_or_else(|| error(at, format!("expected {expected}, or a range of them")));
    let span = if let Some((from, to)) = value.split_once("..") {
        match (from.is_empty(), to.is_empty()) {
            (false, true) => Span::AtLeast(point(from)?),
            (true, false) => Span::AtMost(point(to)?),
            _ => Span::Within(point(from)?, point(to)?),
        }
    } else if let Some(from) = value.strip_prefix(">=") {
        Span::AtLeast(point(from)?)
    } else if let Some(to) = value.strip_prefix("<=") {
        Span::AtMost(point(to)?)
    } else if let Some(from) = value.strip_prefix('>') {
        Span::Above(point(from)?)
    } else if let Some(to) = value.strip_prefix('<') {
        Span::Below(point(to)?)
    } else {
        let only = point(value)?;
        Span::Within(only, only)
    };
    match span.bounds() {
        (least, greatest) if least > greatest => refuse(at, "the range ends before it begins"),
        _ => Ok(span),
    }
}

fn ranged(value: &str) -> bool {
    value.starts_with(['<', '>']) || value.contains("..")
}

/// A version that is a plain number.
fn version(value: &str) -> Option<Series> {
    Series::read(&KeyField::LanguageVersion.key(value))
}

fn any(parts: Vec<Query>) -> Query {
    let flat = parts.into_iter().flat_map(|part| match part {
        Query::Any(inner) => inner,
        other => vec![other],
    });
    match <[Query; 1]>::try_from(flat.collect::<Vec<Query>>()) {
        Ok([only]) => only,
        Err(parts) => Query::Any(parts),
    }
}

fn all(parts: Vec<Query>) -> Query {
    let flat = parts.into_iter().flat_map(|part| match part {
        Query::All(inner) => inner,
        other => vec![other],
    });
    match <[Query; 1]>::try_from(flat.collect::<Vec<Query>>()) {
        Ok([only]) => only,
        Err(parts) => Query::All(parts),
    }
}

fn not(inner: Query) -> Query {
    match inner {
        Query::Not(twice) => *twice,
        other => Query::Not(Box::new(other)),
    }
}

fn error(at: usize, message: impl Into<String>) -> QueryError {
    QueryError { at, message: message.into() }
}

fn refuse<T>(at: usize, message: impl Into<String>) -> Result<T, QueryError> {
    Err(error(at, message))
}
