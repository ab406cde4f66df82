//! `/status`: how the service itself is doing.

use askama::Template;
use schemas::views::Freshness;

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
    /// Reports processed.
    pub reports: i64,
    /// Age in seconds of the report that waits longest; absent when none waits.
    pub oldest_wait: Option<i64>,
    /// Changes not yet in the document index; absent on a server without search.
    pub index_lag: Option<i64>,
    /// Jobs that may run at the same time; 0 holds processing.
    pub workers: i64,
    /// The parts the service stands on, and whether each answers.
    pub checks: Vec<CheckRow>,
    pub freshness: Freshness,
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
        } else if self.page.workers == 0 {
            "Processing is held: reports are accepted and wait.".to_owned()
        } else {
            "All parts answer.".to_owned()
        }
    }
}
