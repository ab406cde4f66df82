//! The four grades a tester can give, and counts of them.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tester's verdict on one release on one platform (contract §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The tests passed.
    Pass,
    /// The tests failed.
    Fail,
    /// The distribution does not support this language version or operating system.
    Na,
    /// No verdict: the build failed, there are no tests, or something else went wrong.
    Unknown,
}

impl Grade {
    pub const ALL: [Grade; 4] = [Grade::Pass, Grade::Fail, Grade::Na, Grade::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Pass => "pass",
            Grade::Fail => "fail",
            Grade::Na => "na",
            Grade::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text was none of `pass`, `fail`, `na`, `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a grade: expected pass, fail, na or unknown")]
pub struct NotAGrade;

impl FromStr for Grade {
    type Err = NotAGrade;

    fn from_str(text: &str) -> Result<Self, NotAGrade> {
        Grade::ALL.into_iter().find(|grade| grade.as_str() == text).ok_or(NotAGrade)
    }
}

/// How many reports gave each grade. Signed, so that a correction is a difference of two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    pub pass: i64,
    pub fail: i64,
    pub na: i64,
    pub unknown: i64,
}

impl Counts {
    pub fn one(grade: Grade) -> Self {
        let mut counts = Counts::default();
        match grade {
            Grade::Pass => counts.pass = 1,
            Grade::Fail => counts.fail = 1,
            Grade::Na => counts.na = 1,
            Grade::Unknown => counts.unknown = 1,
        }
        counts
    }

    pub fn of(self, grade: Grade) -> i64 {
        match grade {
            Grade::Pass => self.pass,
            Grade::Fail => self.fail,
            Grade::Na => self.na,
            Grade::Unknown => self.unknown,
        }
    }

    pub fn total(self) -> i64 {
        self.pass + self.fail + self.na + self.unknown
    }

    pub fn zero(self) -> bool {
        self == Counts::default()
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            pass: self.pass + other.pass,
            fail: self.fail + other.fail,
            na: self.na + other.na,
            unknown: self.unknown + other.unknown,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        *self = *self + other;
    }
}

impl Neg for Counts {
    type Output = Counts;

    fn neg(self) -> Counts {
        Counts { pass: -self.pass, fail: -self.fail, na: -self.na, unknown: -self.unknown }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, other: Counts) -> Counts {
        self + -other
    }
}
