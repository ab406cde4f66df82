//! Language versions, and what they say about maturity (contract §3.3).

use serde::{Deserialize, Serialize};

/// A language version as reported, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageVersion {
    /// As reported, all leading `v` cut: `5.16.0 RC0`, `5.11.0 patch GitLive-blead-1437-g8bca5c8`.
    pub verbatim: String,
    /// The first `d.d.d`, where there is one: `5.16.0`.
    pub number: Option<String>,
    /// Number of the release candidate: 0 of `RC0`.
    pub release_candidate: Option<u32>,
    /// What follows `patch`; empty text when nothing does.
    pub patch: Option<String>,
    /// A development version by contract §3.3 `perlmat`: `^5.(7|9|[1-9][13579])`.
    pub development: bool,
    /// Patched or a release candidate by contract §3.3 `patched`.
    pub patched: bool,
    /// `devel` of the contract's `perl_version` table: odd minor of 7 or more, or a release candidate.
    pub devel: bool,
}
