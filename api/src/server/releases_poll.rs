//! Asks the configured upstream for new releases, again and again.

use std::time::Duration;

use chrono::TimeDelta;
use pipeline::process::Process;
use pipeline::store::Upload;
use pipeline::uploads::{self, Stored};
use schemas::contract::UploadView;
use tokio_util::sync::CancellationToken;

use crate::upstream::{Place, Upstream};

/// Releases of the last days are asked for each time: some are told of late, and some are deleted (contract §3.4).
const DAYS: i64 = 7;

/// Longest wait after failures.
const LONGEST: Duration = Duration::from_secs(3600);

/// Polls until the stop. After a failure it waits longer each time, from a tenth of the usual time.
pub async fn poll(upstream: Upstream, every: Duration, process: Process, stop: CancellationToken) {
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        let pause = match once(&upstream, &process).await {
            Ok(stored) => {
                failures = 0;
                tracing::info!(new = stored.new.len(), changed = stored.changed.len(), "uploads were asked for");
                every
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let pause = (every / 10).saturating_mul(2_u32.saturating_pow(failures.min(12))).min(LONGEST);
                tracing::warn!(error = %format!("{error:#}"), failures, ?pause, "uploads could not be had");
                pause
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Asks for the last days, stores what is new, and tells those who wait for it.
pub async fn once(upstream: &Upstream, process: &Process) -> anyhow::Result<Stored> {
    let mut all = Stored::default();
    let mut place = Some(Place::at(process.clock.now() - TimeDelta::days(DAYS)));
    while let Some(here) = place {
        let (page, next) = upstream.page(&here).await?;
        let stored = uploads::store(process, page.uploads).await?;
        for collision in uploads::told(&stored.collisions) {
            tracing::debug!(collision, "an upload of a name that another archive has");
        }
        for new in &stored.new {
            process.events.announce_upload(view(new));
        }
        all.add(stored);
        place = next;
    }
    Ok(all)
}

/// As the contract's lists and feeds tell of it (§1.3).
fn view(Upload { upload, .. }: &Upload) -> UploadView {
    UploadView {
        distribution: upload.distribution.clone(),
        version: upload.version.clone(),
        author: upload.author.clone(),
        filename: upload.filename.clone(),
        // The beginning of the calendar, as in the lists, where no source has told it.
        released_at: upload.released_at.unwrap_or_default(),
    }
}
