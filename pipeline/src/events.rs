//! What is new, told to those who wait in this process.

use std::sync::Arc;

use schemas::contract::UploadView;
use schemas::extract::Language;
use tokio::sync::{Notify, broadcast, watch};

/// What one processing transaction changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Processed {
    /// Newest change number after it.
    pub head: i64,
    /// Releases whose counts or rows changed.
    pub releases: Vec<(Language, String, String)>,
    /// Public ids of testers whose counts changed.
    pub testers: Vec<String>,
    /// Authors of those releases, where known.
    pub authors: Vec<String>,
}

/// The process's board of news. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    processed: broadcast::Sender<Arc<Processed>>,
    uploads: broadcast::Sender<Arc<UploadView>>,
    head: Arc<watch::Sender<i64>>,
    jobs: Arc<Notify>,
}

impl Events {
    pub fn new(head: i64) -> Self {
        Events {
            processed: broadcast::Sender::new(1024),
            uploads: broadcast::Sender::new(1024),
            head: Arc::new(watch::Sender::new(head)),
            jobs: Arc::new(Notify::new()),
        }
    }

    /// Tells what was processed. Nobody listening is fine.
    pub fn announce(&self, processed: Processed) {
        self.note_head(processed.head);
        // An error means that nobody listens.
        drop(self.processed.send(Arc::new(processed)));
    }

    pub fn processed(&self) -> broadcast::Receiver<Arc<Processed>> {
        self.processed.subscribe()
    }

    /// Tells up to which change number the database is, so that those who wait hear of what other processes wrote.
    pub fn note_head(&self, newest: i64) {
        self.head.send_if_modified(|head| {
            let newer = newest > *head;
            *head = (*head).max(newest);
            newer
        });
    }

    /// Tells of an upload to CPAN that was not known before. Nobody listening is fine.
    pub fn announce_upload(&self, upload: UploadView) {
        // An error means that nobody listens.
        drop(self.uploads.send(Arc::new(upload)));
    }

    /// Uploads from now on; a reader that falls 1,024 behind is told so.
    pub fn uploads(&self) -> broadcast::Receiver<Arc<UploadView>> {
        self.uploads.subscribe()
    }

    /// The newest change number this process has seen.
    pub fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// Rung when a job was queued.
    pub fn jobs(&self) -> Arc<Notify> {
        Arc::clone(&self.jobs)
    }
}
