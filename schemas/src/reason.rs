//! Why a report is not a pass: the phase it stopped in and a code, read from its text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
