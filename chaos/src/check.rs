//! One thing that has to be so after a run, and where it was not.

use std::sync::Mutex;

use serde::Serialize;

/// Examples kept of each check; the number of violations is told in full.
const EXAMPLES: usize = 5;

/// A check, and what it found.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// What has to be so.
    pub claim: &'static str,
    /// How many things were looked at.
    pub looked_at: u64,
    pub violations: u64,
    pub examples: Vec<String>,
}

impl Check {
    pub fn new(name: &'static str, claim: &'static str) -> Self {
        Check { name, claim, looked_at: 0, violations: 0, examples: Vec::new() }
    }

    /// Looks at one thing; `example` says what is wrong with it if it is not as it has to be.
    pub fn expect(&mut self, right: bool, example: impl FnOnce() -> String) {
        self.looked_at += 1;
        if !right {
            self.violations += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(example());
            }
        }
    }

    /// Two values that have to be equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: impl FnOnce() -> String, found: &T, expected: &T) {
        self.expect(found == expected, || format!("{}: found {found:?}, expected {expected:?}", what()));
    }

    pub fn passed(&self) -> bool {
        self.violations == 0
    }
}

/// Checks that are made while a run is under way, by everyone who takes part in it.
pub struct Watch {
    /// Each answer is one the contract allows.
    pub answers: Mutex<Check>,
    /// Processes end when they are told to, and not by themselves.
    pub processes: Mutex<Check>,
    /// A full disk is forgotten as soon as there is room, and a damaged index made anew.
    pub recoveries: Mutex<Check>,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            answers: Mutex::new(Check::new("answers", "every answer is one the contract allows")),
            processes: Mutex::new(Check::new("processes", "no process ends by itself or panics")),
            recoveries: Mutex::new(Check::new(
                "recoveries",
                "once a full disk has room, an index was damaged, or a server is back, all goes on without a restart",
            )),
        }
    }
}

impl Watch {
    pub fn answer(&self, right: bool, example: impl FnOnce() -> String) {
        self.answers.lock().expect("no holder of a check panics").expect(right, example);
    }

    pub fn process(&self, right: bool, example: impl FnOnce() -> String) {
        self.processes.lock().expect("no holder of a check panics").expect(right, example);
    }

    pub fn recovery(&self, right: bool, example: impl FnOnce() -> String) {
        self.recoveries.lock().expect("no holder of a check panics").expect(right, example);
    }

    /// What was seen.
    pub fn checks(&self) -> [Check; 3] {
        [&self.answers, &self.processes, &self.recoveries]
            .map(|check| check.lock().expect("no holder of a check panics").clone())
    }
}
