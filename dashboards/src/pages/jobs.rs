//! `/jobs` and `/jobs/{number}`: the work behind the reports, and what became of it.

use askama::Template;
use schemas::views::jobs::{JobDetailView, JobState, JobView};
use schemas::views::{Freshness, Page};

use crate::attempts::AttemptTable;
use crate::counts::Count;
use crate::frame::{Frame, render};
use crate::moment::Moment;
use crate::passage::Passage;
use crate::site::Site;

/// Seconds after which the page of a job under way is asked for again.
const REFRESH: u32 = 3;

/// What the list of jobs shows.
#[derive(Clone, Debug, PartialEq)]
pub struct JobsPage {
    /// Which jobs were asked for; all when absent.
    pub state: Option<JobState>,
    /// Cursor of the page shown; absent on the first.
    pub after: Option<String>,
    /// Newest first.
    pub jobs: Page<JobView>,
}

/// The page at `/jobs`.
pub fn jobs(site: &Site, page: &JobsPage) -> String {
    let title = page.state.map_or_else(|| "Jobs".to_owned(), |state| format!("Jobs: {}", state.as_str()));
    let address = site.jobs(page.state.map(JobState::as_str), page.after.as_deref());
    let description = "Groups of reports that are processed together, newest first.";
    let frame = Frame::new(site, title, description, address).fresh(page.jobs.freshness).unlisted();
    let next = page.jobs.next.as_deref().map(|next| site.jobs(page.state.map(JobState::as_str), Some(next)));
    let first = page.after.is_some().then(|| site.jobs(page.state.map(JobState::as_str), None));
    render(&Jobs { frame, page, next, first })
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs<'a> {
    frame: Frame<'a>,
    page: &'a JobsPage,
    /// Address of the following page.
    next: Option<String>,
    /// Address of the first page, when this is a later one.
    first: Option<String>,
}

impl Jobs<'_> {
    /// The choices of state: name, address, and whether it is the one shown.
    fn choices(&self) -> Vec<(&'static str, String, bool)> {
        let all = ("all", self.frame.site.jobs(None, None), self.page.state.is_none());
        let states = JobState::ALL.into_iter().map(|state| {
            (state.as_str(), self.frame.site.jobs(Some(state.as_str()), None), self.page.state == Some(state))
        });
        [all].into_iter().chain(states).collect()
    }
}

/// The page at `/jobs/{number}`. It asks to be loaded again every few seconds until the job is settled.
pub fn job(site: &Site, view: &JobDetailView, freshness: Freshness) -> String {
    let title = format!("Job {}: {}", view.job.number, view.job.state.as_str());
    let description = "A group of reports that are processed together, and each attempt at it.";
    let mut frame = Frame::new(site, title, description, site.job(&view.job.number)).fresh(freshness).unlisted();
    frame.refresh = matches!(view.job.state, JobState::Waiting | JobState::Running).then_some(REFRESH);
    render(&Job { frame, view, attempts: AttemptTable { site, rows: &view.attempts } })
}

#[derive(Template)]
#[template(path = "job.html")]
struct Job<'a> {
    frame: Frame<'a>,
    view: &'a JobDetailView,
    attempts: AttemptTable<'a>,
}

impl Job<'_> {
    fn explanation(&self) -> &'static str {
        match self.view.job.state {
            JobState::Waiting if self.view.job.retry_at.is_some() => "It failed, and is tried again by itself.",
            JobState::Waiting => "It waits for a worker.",
            JobState::Running => "A worker has it now.",
            JobState::Done if self.view.reports.is_empty() => "Its reports have gone on to other jobs.",
            JobState::Done => "Each of its reports has an outcome.",
            JobState::Parked => "Reports of it could not be processed; an operator can try them again.",
        }
    }
}
