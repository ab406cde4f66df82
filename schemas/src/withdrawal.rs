//! A report that was withdrawn: as what, by whom, why, and what became of its bytes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// As what a report is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithdrawnAs {
    /// Taken back: its tester no longer stands by it.
    Retracted,
    /// Found to be none: spam, or the work of a broken smoker.
    Invalid,
}

/// Who withdrew a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithdrawnBy {
    /// The tester who sent it.
    Tester,
    /// Someone with a token of the scope admin.
    Operator,
}

/// What becomes of a withdrawn report's bytes, those that corrections replaced included. The digest stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyFate {
    Kept,
    Purged,
}

/// That a report was withdrawn, as readers are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WithdrawnView {
    #[serde(rename = "as")]
    pub kind: WithdrawnAs,
    /// Why, in the words of who withdrew it; addresses hidden.
    pub reason: String,
    pub by: WithdrawnBy,
    pub at: DateTime<Utc>,
    pub body: BodyFate,
}

/// What an order to withdraw many reports did, or with a dry run would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InvalidationView {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Reports that the order selects.
    pub matched: i64,
    /// Those of them that were withdrawn so before.
    pub already: i64,
    /// Those withdrawn by this request.
    pub withdrawn: i64,
    /// Those still to be withdrawn: a request does so many and no more, and is to be sent again.
    pub remaining: i64,
    /// Ids of some that were to be withdrawn when the request came, the oldest first.
    pub sample: Vec<String>,
}

/// The text is none of a word's values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct NotAWord(&'static str);

impl WithdrawnAs {
    pub fn as_str(self) -> &'static str {
        match self {
            WithdrawnAs::Retracted => "retracted",
            WithdrawnAs::Invalid => "invalid",
        }
    }
}

impl WithdrawnBy {
    pub fn as_str(self) -> &'static str {
        match self {
            WithdrawnBy::Tester => "tester",
            WithdrawnBy::Operator => "operator",
        }
    }
}

impl BodyFate {
    pub fn as_str(self) -> &'static str {
        match self {
            BodyFate::Kept => "kept",
            BodyFate::Purged => "purged",
        }
    }
}

impl fmt::Display for WithdrawnAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for WithdrawnBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for BodyFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WithdrawnAs {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let words = [WithdrawnAs::Retracted, WithdrawnAs::Invalid];
        words.into_iter().find(|word| word.as_str() == text).ok_or(NotAWord("retracted or invalid"))
    }
}

impl FromStr for WithdrawnBy {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let words = [WithdrawnBy::Tester, WithdrawnBy::Operator];
        words.into_iter().find(|word| word.as_str() == text).ok_or(NotAWord("tester or operator"))
    }
}

impl FromStr for BodyFate {
    type Err = NotAWord;

    /// Also the orders `keep` and `purge`.
    fn from_str(text: &str) -> Result<Self, NotAWord> {
        match text {
            "kept" | "keep" => Ok(BodyFate::Kept),
            "purged" | "purge" => Ok(BodyFate::Purged),
            _ => Err(NotAWord("keep or purge")),
        }
    }
}
