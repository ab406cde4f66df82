//! The slow reading: every place where a document is not a report (contract §2.1).

use std::fmt;

use serde_json::{Map, Value};

use super::rules::{self, MOST, TEXTS};
use super::tree::below;
use super::{Dialect, moment};
use crate::grade::Grade;
use crate::ids::ReportId;

/// One fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// JSON Pointer into the document; for what is missing, where it should be.
    pub pointer: String,
    pub wrong: Wrong,
    /// Which of the two schemas of a language was broken: 0 for all languages, 1 for the one named.
    pub part: Option<u8>,
}

impl Found {
    pub(super) fn unnamed(text: String) -> Self {
        Found { pointer: String::new(), wrong: Wrong::Rule(text), part: None }
    }
}

/// What is wrong at a place. Shown as v4 shows it; `validator` has the words of today's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Missing,
    Type {
        expected: &'static str,
        got: &'static str,
    },
    NotIn(Vec<&'static str>),
    /// The language has no name that could choose its schema.
    Nameless,
    /// A language assay does not know.
    Stranger(String),
    Pattern,
    Negative(String),
    TooLarge,
    NotAMoment,
    NotAnId,
    Twice,
    Rule(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Missing => write!(f, "is missing"),
            Wrong::Type { expected, got } => write!(f, "must be of type {expected}, and is of type {got}"),
            Wrong::NotIn(words) => write!(f, "must be one of: {}", words.join(", ")),
            Wrong::Nameless => write!(f, "must have a name"),
            Wrong::Stranger(name) => write!(f, "is named {name:?}, which assay does not know"),
            Wrong::Pattern => write!(f, "must begin like 5.36.0, without a v"),
            Wrong::Negative(number) => write!(f, "is {number}, and must not be less than 0"),
            Wrong::TooLarge => write!(f, "must not be more than {MOST}"),
            Wrong::NotAMoment => write!(f, "must be a date and time such as 2026-11-20T22:19:33Z"),
            Wrong::NotAnId => write!(f, "must be a UUID such as 0b45cd74-d944-4999-9c3d-c81021ca3d34"),
            Wrong::Twice => write!(f, "is given twice"),
            Wrong::Rule(text) => f.write_str(text),
        }
    }
}

/// Every fault of a document, in its schema's order. `twice` are pointers to values given again.
pub(super) fn faults(document: &Value, twice: &[String], dialect: Dialect) -> Vec<Found> {
    let mut walk = Walk { dialect, part: None, found: Vec::new() };
    walk.report(document);
    if dialect == Dialect::V4 {
        twice.iter().filter(|pointer| own(pointer)).for_each(|pointer| walk.add(pointer, Wrong::Twice));
    }
    for (pointer, rule) in TEXTS {
        if let Some(text) = document.pointer(pointer).and_then(Value::as_str).and_then(|text| rule.broken_by(text)) {
            walk.add(pointer, Wrong::Rule(text));
        }
    }
    walk.found
}

/// Whether a value is a field of one of assay's own objects, not of a map or an extra.
fn own(pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    matches!(parent, "" | "/reporter" | "/environment" | "/environment/language" | "/environment/language/backend")
        || matches!(parent, "/environment/system" | "/distribution" | "/result" | "/result/output" | "/result/todo")
        || parent.starts_with("/distribution/prerequisites/")
}

struct Walk {
    dialect: Dialect,
    part: Option<u8>,
    found: Vec<Found>,
}

impl Walk {
    fn report(&mut self, document: &Value) {
        let Some(fields) = self.object(document, "") else { return };
        self.required(fields, "", &["reporter", "environment", "distribution", "result"]);
        if let Some((reporter, at)) = self.child(fields, "", "reporter") {
            self.required(reporter, &at, &["email"]);
            self.strings(reporter, &at, &["name", "email"]);
        }
        if let Some((environment, at)) = self.child(fields, "", "environment") {
            self.environment(environment, &at);
        }
        if let Some((distribution, at)) = self.child(fields, "", "distribution") {
            self.distribution(distribution, &at);
        }
        if let Some((result, at)) = self.child(fields, "", "result") {
            self.result(result, &at);
        }
        self.read(fields, "created", moment::read, Wrong::NotAMoment);
        if self.dialect == Dialect::V4 {
            self.read(fields, "id", |text| text.parse::<ReportId>().ok(), Wrong::NotAnId);
        }
    }

    fn environment(&mut self, fields: &Map<String, Value>, at: &str) {
        self.required(fields, at, &["language", "system"]);
        self.strings(fields, at, &["user_agent"]);
        self.map(fields, at, "toolchain", true);
        if let Some((language, at)) = self.child(fields, at, "language") {
            self.language(language, &at);
        }
        if let Some((system, at)) = self.child(fields, at, "system") {
            self.required(system, &at, &["osname"]);
            self.strings(system, &at, &["osname", "osversion", "hostname", "cpu_count", "cpu_type"]);
            self.strings(system, &at, &["cpu_description", "filesystem"]);
            self.map(system, &at, "variables", self.dialect == Dialect::V3);
        }
    }

    /// A language's name chooses the schema for the rest of it.
    fn language(&mut self, fields: &Map<String, Value>, at: &str) {
        let name = match fields.get("name") {
            None => return self.nameless(at),
            Some(Value::String(name)) if name.is_empty() => return self.nameless(at),
            Some(Value::String(name)) => name.as_str(),
            Some(other) => return self.mistyped(&below(at, "name"), "string", other),
        };
        if !rules::languages(self.dialect).contains(&name) {
            return self.stranger(at, name);
        }
        self.part = Some(0);
        self.required(fields, at, &["name", "version", "archname"]);
        self.strings(fields, at, &["archname", "build", "version"]);
        self.map(fields, at, "variables", self.dialect == Dialect::V3);
        self.part = Some(1);
        if rules::perl(name) {
            self.required(fields, at, &["version"]);
            self.strings(fields, at, &["version"]);
            if fields.get("version").and_then(Value::as_str).is_some_and(|text| !rules::version(text)) {
                self.add(&below(at, "version"), Wrong::Pattern);
            }
        }
        self.strings(fields, at, &["commit_id", "implementation"]);
        if let Some((backend, at)) = self.child(fields, at, "backend") {
            self.strings(backend, &at, &["engine", "version"]);
        }
        self.map(fields, at, "toolchain", false);
        self.part = None;
    }

    fn nameless(&mut self, at: &str) {
        match self.dialect {
            Dialect::V3 => self.add(at, Wrong::Nameless),
            Dialect::V4 => self.add(&below(at, "name"), Wrong::Missing),
        }
    }

    fn stranger(&mut self, at: &str, name: &str) {
        match self.dialect {
            Dialect::V3 => self.add(at, Wrong::Stranger(name.to_owned())),
            Dialect::V4 => self.add(&below(at, "name"), Wrong::NotIn(rules::languages(Dialect::V4).to_vec())),
        }
    }

    fn distribution(&mut self, fields: &Map<String, Value>, at: &str) {
        self.required(fields, at, &["name", "version"]);
        self.strings(fields, at, &["name", "version", "path"]);
        let at = below(at, "prerequisites");
        match fields.get("prerequisites") {
            None => {}
            Some(Value::Array(items)) => {
                for (number, item) in items.iter().enumerate() {
                    let at = below(&at, &number.to_string());
                    if let Some(item) = self.object(item, &at) {
                        self.required(item, &at, &["phase", "name", "need"]);
                        self.strings(item, &at, &["phase", "name", "need", "have"]);
                    }
                }
            }
            Some(other) => self.mistyped(&at, "array", other),
        }
    }

    fn result(&mut self, fields: &Map<String, Value>, at: &str) {
        self.required(fields, at, &["grade", "output"]);
        self.strings(fields, at, &["grade"]);
        if fields.get("grade").and_then(Value::as_str).is_some_and(|text| text.parse::<Grade>().is_err()) {
            self.add(&below(at, "grade"), Wrong::NotIn(Grade::ALL.map(Grade::as_str).to_vec()));
        }
        if let Some((output, at)) = self.child(fields, at, "output") {
            self.strings(output, &at, &["uncategorized", "configure", "build", "test", "install"]);
        }
        self.counts(fields, at, &["tests", "failures", "skipped", "warnings"]);
        if let Some((todo, at)) = self.child(fields, at, "todo") {
            self.required(todo, &at, &["pass", "fail"]);
            self.counts(todo, &at, &["pass", "fail"]);
        }
        match fields.get("duration") {
            Some(Value::Number(seconds)) if seconds.as_f64().is_some_and(|seconds| seconds < 0.0) => {
                self.add(&below(at, "duration"), Wrong::Negative(seconds.to_string()));
            }
            None | Some(Value::Number(_)) => {}
            Some(other) => self.mistyped(&below(at, "duration"), "number", other),
        }
    }

    fn add(&mut self, pointer: &str, wrong: Wrong) {
        self.found.push(Found { pointer: pointer.to_owned(), wrong, part: self.part });
    }

    fn mistyped(&mut self, pointer: &str, expected: &'static str, value: &Value) {
        self.add(pointer, Wrong::Type { expected, got: kind(value) });
    }

    fn object<'v>(&mut self, value: &'v Value, at: &str) -> Option<&'v Map<String, Value>> {
        if !value.is_object() {
            self.mistyped(at, "object", value);
        }
        value.as_object()
    }

    fn child<'v>(
        &mut self,
        fields: &'v Map<String, Value>,
        at: &str,
        key: &str,
    ) -> Option<(&'v Map<String, Value>, String)> {
        let at = below(at, key);
        let value = fields.get(key)?;
        Some((self.object(value, &at)?, at))
    }

    fn required(&mut self, fields: &Map<String, Value>, at: &str, keys: &[&str]) {
        keys.iter().filter(|key| !fields.contains_key(**key)).for_each(|key| self.add(&below(at, key), Wrong::Missing));
    }

    fn strings(&mut self, fields: &Map<String, Value>, at: &str, keys: &[&str]) {
        for key in keys {
            if let Some(value) = fields.get(*key).filter(|value| !value.is_string()) {
                self.mistyped(&below(at, key), "string", value);
            }
        }
    }

    fn map(&mut self, fields: &Map<String, Value>, at: &str, key: &str, strings: bool) {
        if let Some((map, at)) = self.child(fields, at, key) {
            for (key, value) in map.iter().filter(|(_, value)| strings && !value.is_string()) {
                self.mistyped(&below(&at, key), "string", value);
            }
        }
    }

    fn counts(&mut self, fields: &Map<String, Value>, at: &str, keys: &[&str]) {
        for (key, value) in keys.iter().filter_map(|key| Some((key, fields.get(*key)?))) {
            let wrong = match value {
                Value::Number(number) if number.as_u64().is_some_and(|count| count <= MOST) => continue,
                Value::Number(number) if number.is_u64() => Wrong::TooLarge,
                Value::Number(number) if number.as_f64().is_some_and(|number| number < 0.0) => {
                    Wrong::Negative(number.to_string())
                }
                Value::Number(number) if number.as_f64().is_some_and(|number| number > MOST as f64) => Wrong::TooLarge,
                other => Wrong::Type { expected: "integer", got: kind(other) },
            };
            self.add(&below(at, key), wrong);
        }
    }

    fn read<T>(&mut self, fields: &Map<String, Value>, key: &str, read: impl Fn(&str) -> Option<T>, wrong: Wrong) {
        match fields.get(key) {
            Some(Value::String(text)) if read(text).is_none() => self.add(&below("", key), wrong),
            None | Some(Value::String(_)) => {}
            Some(other) => self.mistyped(&below("", key), "string", other),
        }
    }
}

/// The name of a value's type in JSON Schema.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
