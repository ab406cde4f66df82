//! A legacy report in the current shape (contract §3.1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::envelope::shown;
use super::{LegacyReport, OptionalFacts, Refused};
use crate::distname;
use crate::report::{self, Distribution, Environment, LanguageUsed, Outcome, Output, Report, Reporter, System};

/// What every resource of a report begins with.
const SCHEME: &str = "cpan:///distfile/";

impl LegacyReport {
    /// The same report in the current shape (contract §3.1).
    ///
    /// Refused when author, distribution or version cannot be told from the resource, or a name is none assay takes.
    pub fn upgrade(self, reporter: Reporter) -> Result<Report, Refused> {
        let OptionalFacts { output, comment, compiled, variables, environment, prerequisites, toolchain } =
            self.optional;
        let mut distribution = distribution(&self.resource)?;
        distribution.prerequisites = prerequisites;
        let report = Report {
            id: Some(self.id),
            created: Some(self.created),
            reporter,
            environment: Environment {
                user_agent: None,
                toolchain: unless_empty(toolchain),
                language: LanguageUsed {
                    name: "Perl 5".to_owned(),
                    version: self.perl_version.trim_start_matches('v').to_owned(),
                    archname: self.archname,
                    build: compiled,
                    commit_id: None,
                    variables: unless_empty(variables),
                    toolchain: None,
                    implementation: None,
                    backend: None,
                },
                system: System {
                    osname: self.osname,
                    osversion: Some(self.osversion),
                    variables: unless_empty(environment),
                    ..System::default()
                },
            },
            distribution,
            result: outcome(self.grade, Output { uncategorized: Some(self.text), ..output }),
            comments: comment.map(Value::String),
        };
        match report::broken(&report).as_slice() {
            [] => Ok(report),
            [fault, ..] => Err(Refused(fault.to_string())),
        }
    }
}

fn outcome(grade: crate::grade::Grade, output: Output) -> Outcome {
    Outcome { grade, output, tests: None, failures: None, skipped: None, todo: None, warnings: None, duration: None }
}

fn distribution(resource: &str) -> Result<Distribution, Refused> {
    let refused = |what: &str| Refused(format!("cannot tell the {what} from the resource {}", shown(resource)));
    let path = resource
        .strip_prefix(SCHEME)
        .ok_or_else(|| Refused(format!("the resource {} does not begin with {SCHEME}", shown(resource))))?;
    let read = distname::read(path);
    let author = read.author.ok_or_else(|| refused("author"))?;
    Ok(Distribution {
        name: read.distribution.ok_or_else(|| refused("distribution"))?,
        version: read.version.ok_or_else(|| refused("version"))?,
        path: Some(format!("{author}/{}", read.filename)),
        prerequisites: Vec::new(),
    })
}

fn unless_empty<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    Some(map).filter(|map| !map.is_empty())
}
