//! Why a report is not a pass: the phase it stopped in and a code, read from its text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::grade::Grade;

mod signs;
mod stage;

use signs::Kind;
pub(crate) use signs::Signs;
pub(crate) use stage::Stage;

/// The step of an installation in which it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Configure,
    Build,
    Test,
    Install,
}

/// What went wrong, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    MissingPrerequisite,
    Configure,
    Build,
    TestFailure,
    Timeout,
    OutOfMemory,
    UnsupportedPlatform,
    Network,
    Other,
}

/// Why a report is not a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    pub code: Code,
    pub phase: Option<Phase>,
    /// The line or name that told, at most 200 characters: a module, a test file, a compiler's message.
    pub detail: Option<String>,
}

/// Longest detail, in characters.
const LONGEST_DETAIL: usize = 200;

/// What is known of a run that did not pass.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub grade: Grade,
    /// The phase it had come to.
    pub stage: Option<Phase>,
    /// Whether the harness told anything.
    pub ran: bool,
    pub failing_files: &'a [String],
    pub signs: Signs,
    /// A prerequisite that was not there, by the report's own list.
    pub lacking: Option<String>,
    /// The last line printed.
    pub last_line: Option<&'a str>,
}

impl Reason {
    /// The reason a report is not a pass; `None` for a pass.
    ///
    /// A cause outside the distribution (memory, disk, time, network) is told before a missing module, which it can
    /// bring about, and both before the failures that follow from them.
    pub(crate) fn read(evidence: &Evidence<'_>) -> Option<Reason> {
        if evidence.grade == Grade::Pass {
            return None;
        }
        let phase = evidence.phase();
        let (code, told) = evidence.cause().unwrap_or_else(|| evidence.failure(phase));
        Some(Reason { code, phase, detail: told.map(detail).filter(|detail| !detail.is_empty()) })
    }
}

impl Evidence<'_> {
    /// The phase it stopped in. What stops `make test` before a test runs is the build.
    fn phase(&self) -> Option<Phase> {
        let failed_to_build = self.signs.get(Kind::Compiler).is_some() || self.signs.get(Kind::Make).is_some();
        match self.stage {
            _ if self.ran => Some(Phase::Test),
            Some(Phase::Test) if failed_to_build => Some(Phase::Build),
            stage => stage,
        }
    }

    /// A cause that explains whatever followed from it.
    fn cause(&self) -> Option<(Code, Option<&str>)> {
        const CAUSES: [(Kind, Code); 6] = [
            (Kind::Memory, Code::OutOfMemory),
            (Kind::Disk, Code::Other),
            (Kind::Timeout, Code::Timeout),
            (Kind::Platform, Code::UnsupportedPlatform),
            (Kind::Network, Code::Network),
            (Kind::Module, Code::MissingPrerequisite),
        ];
        let sign = CAUSES.into_iter().find_map(|(kind, code)| Some((code, Some(self.signs.get(kind)?))));
        sign.or_else(|| {
            // Tests that ran had what they needed, whatever the lists say.
            let lacking = self.signs.get(Kind::Warned).or(self.lacking.as_deref()).filter(|_| !self.ran);
            lacking.map(|module| (Code::MissingPrerequisite, Some(module)))
        })
        .or_else(|| (self.grade == Grade::Na).then_some((Code::UnsupportedPlatform, self.last_line)))
    }

    /// What failed, where nothing tells why.
    fn failure(&self, phase: Option<Phase>) -> (Code, Option<&str>) {
        match phase {
            Some(Phase::Configure) => (Code::Configure, self.signs.get(Kind::Configure).or(self.last_line)),
            Some(Phase::Build) => {
                (Code::Build, self.signs.get(Kind::Compiler).or(self.signs.get(Kind::Make)).or(self.last_line))
            }
            _ if self.grade == Grade::Fail || !self.failing_files.is_empty() => {
                let file = self.failing_files.first().map(String::as_str);
                (Code::TestFailure, file.or(self.signs.get(Kind::Stopped)))
            }
            _ => (Code::Other, self.signs.get(Kind::NoTests).or(self.signs.get(Kind::Stopped)).or(self.last_line)),
        }
    }
}

/// The first line of a text, cut to the length of a detail, without marks of a comment and characters that cannot be
/// shown.
fn detail(text: &str) -> String {
    let line = text
        .trim_start_matches(|mark: char| mark == '#' || mark.is_whitespace())
        .chars()
        .take_while(|character| *character != '\n');
    let shown: String = line.filter(|character| !character.is_control()).take(LONGEST_DETAIL).collect();
    shown.trim_end().to_owned()
}
