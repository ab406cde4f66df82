//! The facts a report may hold beside the two it must: today's ETL ignores them, assay reads them (contract §2.2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::envelope::{Content, shown};
use super::{OptionalFacts, Refused, latin1};
use crate::report::{Output, Prerequisite};

type Values = BTreeMap<String, Value>;

/// Optional facts as they are met, in any order.
#[derive(Default)]
pub(super) struct Optional {
    facts: OptionalFacts,
    /// Module to version, for what is asked for.
    present: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TestOutput {
    configure: Option<String>,
    build: Option<String>,
    test: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PerlConfig {
    build: Values,
    config: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TestEnvironment {
    environment_vars: Values,
    special_vars: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Prereqs {
    configure_requires: Values,
    build_requires: Values,
    requires: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InstalledModules {
    prereqs: Values,
    toolchain: Values,
}

impl Optional {
    /// Reads one fact. A type that is none of the known ones is refused.
    pub(super) fn take(&mut self, kind: &str, content: Content) -> Result<(), Refused> {
        match kind.strip_prefix("CPAN-Testers-Fact-") {
            Some("TestOutput") => {
                let TestOutput { configure, build, test } = content.read(kind)?;
                self.facts.output = Output { configure, build, test, ..Output::default() };
            }
            Some("TesterComment") => self.facts.comment = Some(latin1::decode(content.string(kind)?)),
            Some("PerlConfig") => {
                let PerlConfig { build, config } = content.read(kind)?;
                self.facts.compiled = build.get("stamp").and_then(scalar);
                self.facts.variables.extend(config);
            }
            Some("TestEnvironment") => {
                let TestEnvironment { environment_vars, special_vars } = content.read(kind)?;
                self.facts.environment = environment_vars;
                self.facts.variables.extend(special_vars);
            }
            Some("Prereqs") => {
                let Prereqs { configure_requires, build_requires, requires } = content.read(kind)?;
                let phases = [("configure", configure_requires), ("build", build_requires), ("runtime", requires)];
                self.facts.prerequisites = phases.into_iter().flat_map(|(phase, needs)| needed(phase, needs)).collect();
            }
            Some("InstalledModules") => {
                let InstalledModules { prereqs, toolchain } = content.read(kind)?;
                self.present = prereqs;
                let versions = toolchain.iter().filter_map(|(module, version)| Some((module.clone(), had(version)?)));
                self.facts.toolchain = versions.collect();
            }
            _ => {
                return Err(Refused(format!(
                    "the report holds a fact of type {}, which assay does not know",
                    shown(kind)
                )));
            }
        }
        Ok(())
    }

    pub(super) fn finished(mut self) -> OptionalFacts {
        for prerequisite in &mut self.facts.prerequisites {
            prerequisite.have = self.present.get(&prerequisite.name).and_then(had);
        }
        self.facts
    }
}

fn needed(phase: &'static str, needs: Values) -> impl Iterator<Item = Prerequisite> {
    needs.into_iter().map(move |(name, need)| Prerequisite {
        phase: phase.to_owned(),
        name,
        need: scalar(&need).unwrap_or_else(|| "0".to_owned()),
        have: None,
    })
}

/// A module's version: itself, or beside what was wanted.
fn had(value: &Value) -> Option<String> {
    scalar(value.get("have").unwrap_or(value))
}

/// Perl does not tell numbers from strings, so a version may come as either.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
