//! What operators do with jobs: try again what is parked or waits, and park what does harm.

use chrono::{DateTime, Utc};
use schemas::ids::ReportId;
use schemas::views::State;
use schemas::views::jobs::{JobState, RetriedView};

use crate::clock::Clock;
use crate::events::Events;
use crate::process::bury;
use crate::queue::ProcessGroup;
use crate::store::{GroupNumber, Store, StoreError};

/// Orders about jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {
    pub store: Store,
    pub clock: Clock,
    pub events: Events,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("there is no job {0}")]
    NoJob(i64),
    #[error("no report {0} was accepted here")]
    NoReport(ReportId),
    /// It does not stand where the order could be carried out.
    #[error("{0}")]
    Unfit(String),
    #[error("the order could not be carried out")]
    Store(#[from] StoreError),
}

/// Jobs reopened in one transaction.
const BATCH: i64 = 256;

impl Jobs {
    /// Tries a job again: parked reports in a job of their own, with a fresh allowance of attempts; one that waits for
    /// its next attempt at once. Gives the job that will run.
    pub async fn retry(&self, group: GroupNumber) -> Result<GroupNumber, JobError> {
        let found = self.store.group(group).await?.ok_or(JobError::NoJob(group.0))?;
        match found.state {
            JobState::Parked => self.reopen(group, None).await,
            JobState::Waiting => self.hurry(group).await,
            JobState::Running => Err(JobError::Unfit(format!("job {} runs already", group.0))),
            JobState::Done => Err(JobError::Unfit(format!("job {} is done and has nothing parked", group.0))),
        }
    }

    /// Tries one parked report again, in a job of its own.
    pub async fn retry_report(&self, id: ReportId) -> Result<GroupNumber, JobError> {
        let report = self.store.report(id).await?.ok_or(JobError::NoReport(id))?;
        match report.state {
            State::Parked => self.reopen(report.group, Some(report.number)).await,
            State::Accepted => self.hurry(report.group).await,
            settled => Err(JobError::Unfit(format!(
                "the report is {}, and only parked ones are tried again",
                settled.as_str()
            ))),
        }
    }

    /// Tries every report again that is parked now.
    pub async fn retry_all(&self) -> Result<RetriedView, StoreError> {
        let mut retried = RetriedView::default();
        // What is parked again meanwhile is in a newer job, and is left alone.
        let last = self.store.newest_group().await?;
        let mut after = 0;
        loop {
            let parked = self.store.parked_groups(after, last, BATCH).await?;
            let Some(newest) = parked.last() else { return Ok(retried) };
            after = newest.0;
            let mut tx = self.store.begin().await?;
            let now = self.clock.now();
            for group in &parked {
                if let Some((child, reports)) = tx.reopen_parked(*group, None, now).await? {
                    tx.enqueue(&ProcessGroup::new(child)).await?;
                    retried.jobs += 1;
                    retried.reports += reports;
                }
            }
            tx.commit().await?;
            self.events.jobs().notify_one();
        }
    }

    /// Parks the reports of a job that have no outcome yet. If a worker has it in hand, what it reads is not counted; nor
    /// is what a report said before the correction that is parked.
    pub async fn park(&self, group: GroupNumber, why: &str) -> Result<u64, JobError> {
        self.store.group(group).await?.ok_or(JobError::NoJob(group.0))?;
        let reason = format!("parked by an operator: {why}");
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let waiting = tx.accepted_reports(group).await?;
        let parked = tx.park_group(group, &reason).await?;
        if parked == 0 {
            return Err(JobError::Unfit(format!("job {} has no report without an outcome", group.0)));
        }
        tx.close_parked_attempts(group, now, &reason).await?;
        tx.settle_group(group, now).await?;
        let news = bury(&mut tx, &waiting, &self.clock).await?;
        tx.commit().await?;
        if let Some(news) = news {
            self.events.announce(news);
        }
        Ok(parked)
    }

    async fn reopen(&self, group: GroupNumber, report: Option<i64>) -> Result<GroupNumber, JobError> {
        let now: DateTime<Utc> = self.clock.now();
        let mut tx = self.store.begin().await?;
        let Some((child, _)) = tx.reopen_parked(group, report, now).await? else {
            // Somebody else was quicker.
            return Err(JobError::Unfit(format!("job {} has nothing parked any more", group.0)));
        };
        tx.enqueue(&ProcessGroup::new(child)).await?;
        tx.commit().await?;
        self.events.jobs().notify_one();
        Ok(child)
    }

    /// Lets a job that waits run as soon as a worker is free. The job queued for later finds nothing left to do.
    async fn hurry(&self, group: GroupNumber) -> Result<GroupNumber, JobError> {
        let mut tx = self.store.begin().await?;
        tx.retry_group(group, None).await?;
        tx.enqueue(&ProcessGroup::new(group)).await?;
        tx.commit().await?;
        self.events.jobs().notify_one();
        Ok(group)
    }
}
