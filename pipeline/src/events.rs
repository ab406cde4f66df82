//! What is new, told to those who wait in this process. The [`bridge`] carries it from one process to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use schemas::contract::UploadView;
use schemas::extract::Language;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast, watch};

pub mod bridge;

/// What one processing transaction changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Processed {
    /// Newest change number after it.
    pub head: i64,
    /// Releases whose counts or rows changed.
    pub releases: Vec<(Language, String, String)>,
    /// Public ids of testers whose counts changed.
    pub testers: Vec<String>,
    /// Authors of those releases, where known.
    pub authors: Vec<String>,
    /// More than is named here may have changed, up to `head`: news from another process was missed.
    #[serde(default)]
    pub everything: bool,
}

impl Processed {
    /// Anything may have changed, up to a change number.
    pub fn everything(head: i64) -> Self {
        Processed { head, releases: Vec::new(), testers: Vec::new(), authors: Vec::new(), everything: true }
    }
}

/// A piece of news, as it goes from one process to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Processed(Processed),
    Upload(UploadView),
    /// A token was revoked, or a tester's secret forgotten.
    Identities,
}

/// The process's board of news. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    processed: broadcast::Sender<Arc<Processed>>,
    uploads: broadcast::Sender<Arc<UploadView>>,
    head: Arc<watch::Sender<i64>>,
    jobs: Arc<Notify>,
    identities: Arc<watch::Sender<()>>,
    /// What this process itself has announced.
    own: broadcast::Sender<Arc<News>>,
    /// Newest change number that was announced, here or elsewhere.
    announced: Arc<AtomicI64>,
}

impl Events {
    pub fn new(head: i64) -> Self {
        Events {
            processed: broadcast::Sender::new(1024),
            uploads: broadcast::Sender::new(1024),
            head: Arc::new(watch::Sender::new(head)),
            jobs: Arc::new(Notify::new()),
            identities: Arc::new(watch::Sender::new(())),
            own: broadcast::Sender::new(1024),
            announced: Arc::new(AtomicI64::new(head)),
        }
    }

    /// Tells what was processed. Nobody listening is fine.
    pub fn announce(&self, processed: Processed) {
        self.spread(News::Processed(processed));
    }

    /// Tells in this process alone what another one has announced.
    pub fn repeat(&self, news: News) {
        // An error means that nobody listens.
        match news {
            News::Processed(processed) => {
                self.announced.fetch_max(processed.head, Ordering::Relaxed);
                self.note_head(processed.head);
                drop(self.processed.send(Arc::new(processed)));
            }
            News::Upload(upload) => drop(self.uploads.send(Arc::new(upload))),
            News::Identities => self.identities.send_modify(|()| ()),
        }
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
        self.spread(News::Upload(upload));
    }

    /// Tells that a token was revoked, or a tester's secret forgotten.
    pub fn announce_identities(&self) {
        self.spread(News::Identities);
    }

    /// Changes whenever what is known of testers and tokens is not to be believed any more.
    pub fn identities(&self) -> watch::Receiver<()> {
        self.identities.subscribe()
    }

    /// Tells here, and then lets the bridge tell elsewhere.
    fn spread(&self, news: News) {
        let carried = (self.own.receiver_count() > 0).then(|| Arc::new(news.clone()));
        self.repeat(news);
        if let Some(news) = carried {
            // An error means that the bridge has just ended.
            drop(self.own.send(news));
        }
    }

    /// What this process announces from now on, for the bridge to carry; one who falls 1,024 behind is told so.
    pub(crate) fn own(&self) -> broadcast::Receiver<Arc<News>> {
        self.own.subscribe()
    }

    /// The newest change number that was announced with what it changed.
    pub(crate) fn announced(&self) -> i64 {
        self.announced.load(Ordering::Relaxed)
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
