//! Jobs as readers see them: where each stands, what was tried, and which reports it is about.

use schemas::views::jobs::{JobDetailView, JobReportView, JobState, JobView};

use super::receipts::attempt_view;
use super::{Readers, links};
use crate::store::{Group, GroupNumber, GroupReport, StoreError};

impl Readers {
    /// Jobs in a state, or all, before a number, newest first.
    pub async fn jobs(
        &self,
        state: Option<JobState>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<JobView>, StoreError> {
        Ok(self.store.groups(state, before, limit).await?.into_iter().map(job_view).collect())
    }

    /// A job with its attempts and reports. `None`: there is none of that number.
    pub async fn job(&self, number: GroupNumber) -> Result<Option<JobDetailView>, StoreError> {
        let Some(group) = self.store.group(number).await? else { return Ok(None) };
        let attempts = self.store.attempts(number).await?;
        let children = self.store.child_groups(number).await?;
        let reports = self.store.reports_of_group(number).await?;
        Ok(Some(JobDetailView {
            job: job_view(group),
            children: children.into_iter().map(|child| child.0).collect(),
            attempts: attempts.into_iter().map(attempt_view).collect(),
            reports: reports.into_iter().map(report_view).collect(),
            links: links([("page", format!("/jobs/{}", number.0)), ("self", format!("/v4/jobs/{}", number.0))]),
        }))
    }
}

fn job_view(group: Group) -> JobView {
    JobView {
        number: group.number.0,
        state: group.state,
        size: group.reports,
        parked: group.parked,
        tries: group.attempts,
        parent: group.parent.map(|parent| parent.0),
        created_at: group.created_at,
        settled_at: group.settled_at,
        retry_at: group.retry_at,
        reason: group.reason,
    }
}

fn report_view(report: GroupReport) -> JobReportView {
    JobReportView { id: report.id.to_string(), state: report.state, reason: report.reason }
}
