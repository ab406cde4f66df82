//! Which faults are under way: while one is, a request may reach assay more often than its sender knows.

use std::sync::Mutex;

/// Faults that have to do with how reports get in.
#[derive(Debug, Default)]
pub struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    ended: u64,
    newest: String,
}

/// How things stood at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    begun: u64,
    calm: bool,
}

impl Trouble {
    pub fn begin(&self, what: &str) {
        let mut state = self.state();
        state.begun += 1;
        what.clone_into(&mut state.newest);
    }

    pub fn end(&self) {
        self.state().ended += 1;
    }

    pub fn look(&self) -> Sight {
        let state = self.state();
        Sight { begun: state.begun, calm: state.begun == state.ended }
    }

    /// Whether there was none from then to now.
    pub fn none_since(&self, then: Sight) -> bool {
        then.calm && then.begun == self.state().begun
    }

    /// The newest fault, and whether all are over.
    pub fn told(&self) -> String {
        let state = self.state();
        let when = if state.begun == state.ended { "after" } else { "during" };
        format!("{when} {}", if state.newest.is_empty() { "nothing" } else { &state.newest })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the troubles panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_was_undisturbed_when_no_fault_met_it() {
        let trouble = Trouble::default();
        let before = trouble.look();
        assert!(trouble.none_since(before));
        trouble.begin("the first");
        let amid = trouble.look();
        assert!(!trouble.none_since(before) && !trouble.none_since(amid));
        trouble.end();
        assert!(!trouble.none_since(before) && !trouble.none_since(amid));
        assert!(trouble.none_since(trouble.look()));
        assert_eq!(trouble.told(), "after the first");
    }
}
