//! The page of an error: what is wrong, and a way out.

use askama::Template;
use schemas::problem::Problem;

use crate::frame::{Frame, render};
use crate::passage::Passage;
use crate::site::Site;

/// The page shown instead of one that cannot be shown. `address` is the path that was asked for.
pub fn problem(site: &Site, problem: &Problem, address: &str) -> String {
    let mut frame = Frame::new(site, &problem.title, &problem.detail, address.to_owned()).unlisted();
    if problem.detail.is_empty() {
        frame.description.clone_from(&problem.title);
    }
    render(&ProblemShown { frame, problem })
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemShown<'a> {
    frame: Frame<'a>,
    problem: &'a Problem,
}

impl ProblemShown<'_> {
    fn way_out(&self) -> &'static str {
        match self.problem.status {
            400 | 422 => "Mend the address, or begin again from one of these.",
            404 | 410 => {
                "It may be misspelled; names are told apart by upper and lower case. Search for it, or begin from one of these."
            }
            429 => "Wait a little, then load the page again.",
            500..=599 => {
                "Nothing you sent is lost. Load the page again in a moment; if it stays, tell the operator the request's id."
            }
            _ => "Begin again from one of these.",
        }
    }
}
