//! `/status/{id}`: what became of a submission.

use askama::Template;
use schemas::views::{Freshness, ReceiptView, State};
use schemas::withdrawal::BodyFate;

use crate::attempts::AttemptTable;
use crate::frame::{Frame, render};
use crate::moment::Moment;
use crate::passage::Passage;
use crate::site::Site;
use crate::tables;

/// Seconds after which the page of a submission under way is asked for again.
const REFRESH: u32 = 3;

/// The page at `/status/{id}`. It asks to be loaded again every few seconds until the submission is settled.
pub fn receipt(site: &Site, view: &ReceiptView, freshness: Freshness) -> String {
    let state = if view.withdrawn.is_some() { "withdrawn" } else { view.state.as_str() };
    let title = format!("Submission {}: {state}", view.id);
    let mut frame = Frame::new(site, title, "What became of a submitted report.", site.receipt(&view.id));
    frame = frame.fresh(freshness).unlisted();
    frame.refresh = (!view.state.settled()).then_some(REFRESH);
    render(&Receipt { frame, view, state, attempts: AttemptTable { site, rows: &view.attempts } })
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Receipt<'a> {
    frame: Frame<'a>,
    view: &'a ReceiptView,
    /// In one word, for people.
    state: &'a str,
    attempts: AttemptTable<'a>,
}

impl Receipt<'_> {
    fn explanation(&self) -> &'static str {
        if self.view.withdrawn.is_some() {
            return "It was taken back: it is counted and listed nowhere.";
        }
        match self.view.state {
            State::Spooled => "It is safe on disk, and goes into the database as soon as that answers.",
            State::Accepted => "It is stored, and waits for a worker.",
            State::Processing => "A worker reads it now.",
            State::Processed => "It is counted, and everybody can read it.",
            State::Rejected => "It is not a report that can be counted; mend it and send it again.",
            State::Parked => {
                "It could not be processed for a reason its sender cannot mend; an operator can try again."
            }
        }
    }

    /// The way a submission goes, and whether this one has come past each place or stands at it.
    fn way(&self) -> [(&'static str, &'static str); 3] {
        let last = match self.view.state {
            State::Rejected | State::Parked => self.view.state.as_str(),
            _ => "processed",
        };
        let at = match self.view.state {
            State::Spooled | State::Accepted => 0,
            State::Processing => 1,
            State::Rejected | State::Parked => 2,
            State::Processed => 3,
        };
        let first = if self.view.state == State::Spooled { "spooled" } else { "accepted" };
        let mark = |place| match usize::cmp(&place, &at) {
            std::cmp::Ordering::Less => "past",
            std::cmp::Ordering::Equal => "here",
            std::cmp::Ordering::Greater => "ahead",
        };
        [(first, mark(0)), ("processing", mark(1)), (last, mark(2))]
    }
}
