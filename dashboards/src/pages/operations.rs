//! `/status`: how the service itself is doing.

use askama::Template;
use schemas::views::{Freshness, State};

use crate::counts::Count;
use crate::frame::{Frame, render};
use crate::moment::Span;
use crate::site::Site;

/// Seconds after which the page is asked for again.
const REFRESH: u32 = 15;

/// What the status page of the service shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationsPage {
    /// Version of assay.
    pub version: String,
    /// Seconds since this process began.
    pub uptime: i64,
    /// Jobs waiting.
    pub queue_depth: i64,
    /// Age in seconds of the job that waits longest; absent when none waits.
    pub queue_age: Option<i64>,
    /// Changes not yet in the document index.
    pub index_lag: i64,
    /// Newest change number.
    pub feed_head: i64,
    /// Workers asked for; 0 holds processing.
    pub workers_wanted: i64,
    pub workers: Vec<WorkerRow>,
    /// Submissions by state.
    pub states: Vec<StateCount>,
    /// The parts the service stands on, and whether each answers.
    pub checks: Vec<CheckRow>,
    pub freshness: Freshness,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    pub name: String,
    /// What it does now: `idle`, `processing`.
    pub activity: String,
    /// Jobs done since it began.
    pub done: i64,
    /// Seconds since it was last heard of.
    pub seen: i64,
}

/// How many submissions are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCount {
    pub state: State,
    pub submissions: i64,
}

/// One part the service stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// `database`, `queue`, `index`.
    pub part: String,
    pub working: bool,
    /// What it is, or what is wrong with it. Addresses of servers and credentials do not belong here.
    pub detail: String,
}

/// The page at `/status`. It asks to be loaded again every quarter of a minute.
pub fn operations(site: &Site, page: &OperationsPage) -> String {
    let description = "How the service is doing: queue, workers, index and change feed.";
    let mut frame = Frame::new(site, "Status", description, site.path("/status")).fresh(page.freshness).unlisted();
    frame.refresh = Some(REFRESH);
    render(&Operations { frame, page })
}

#[derive(Template)]
#[template(path = "operations.html")]
struct Operations<'a> {
    frame: Frame<'a>,
    page: &'a OperationsPage,
}

impl Operations<'_> {
    /// The state of the whole in a sentence.
    fn verdict(&self) -> String {
        let failing: Vec<&str> =
            self.page.checks.iter().filter(|check| !check.working).map(|check| check.part.as_str()).collect();
        if !failing.is_empty() {
            format!("Not answering: {}.", failing.join(", "))
        } else if self.page.workers_wanted == 0 {
            "Processing is held: reports are accepted and wait.".to_owned()
        } else {
            "All parts answer.".to_owned()
        }
    }
}
