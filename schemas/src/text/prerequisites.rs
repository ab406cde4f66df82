//! The prerequisites a report lists: what the distribution asks for, and what was there.

use crate::extract::PrerequisiteView;

use super::lines::lines;
use super::table::Row;

/// Prerequisites kept of one report; a text can name any number.
const MOST: usize = 5_000;

/// Reads the section of a text that lists prerequisites.
pub(crate) fn read(section: &str) -> Vec<PrerequisiteView> {
    let mut phase = "requires";
    let mut order = None;
    let mut prerequisites = Vec::new();
    for line in lines(section) {
        let text = line.text;
        if let Some(named) = phase_of(text) {
            phase = named;
        } else if let Some(head) = Order::of(text) {
            order = Some(head);
        } else if text.starts_with("Perl module toolchain") || prerequisites.len() >= MOST {
            break;
        } else if let (Some(order), Some(row)) = (order, Row::read(text).filter(|row| !row.middle.is_empty())) {
            prerequisites.push(order.prerequisite(phase, &row));
        }
    }
    prerequisites
}

/// The order of a table's version columns.
#[derive(Clone, Copy)]
enum Order {
    /// CPAN-Reporter and cpanm-reporter.
    NeedHave,
    /// CPANPLUS.
    HaveWant,
}

impl Order {
    fn of(text: &str) -> Option<Order> {
        let head = text.trim_ascii_start();
        match head.starts_with("Module") {
            true if head.ends_with("Want") => Some(Order::HaveWant),
            true if head.ends_with("Have") && head.contains("Need") => Some(Order::NeedHave),
            _ => None,
        }
    }

    fn prerequisite(self, phase: &str, row: &Row<'_>) -> PrerequisiteView {
        let (need, have) = match self {
            Order::NeedHave => (row.middle, row.last),
            Order::HaveWant => (row.last, row.middle),
        };
        // CPANPLUS gives a module it could not load the version 0, and marks it.
        let unloadable = matches!(self, Order::HaveWant) && row.marked && have == "0";
        let installed = !matches!(have, "n/a" | "~" | "undef") && !unloadable;
        PrerequisiteView {
            phase: phase.to_owned(),
            name: row.module.to_owned(),
            need: need.to_owned(),
            have: installed.then(|| have.to_owned()),
            satisfied: Some(!row.marked),
        }
    }
}

/// The phase a heading such as `build_requires:` announces.
fn phase_of(text: &str) -> Option<&'static str> {
    match text {
        "requires:" | "runtime:" => Some("runtime"),
        "configure_requires:" | "configure:" => Some("configure"),
        "build_requires:" | "build:" => Some("build"),
        "test_requires:" | "test:" => Some("test"),
        "develop:" => Some("develop"),
        "recommends:" | "opt_requires:" | "opt_build_requires:" => Some("optional"),
        _ => None,
    }
}
