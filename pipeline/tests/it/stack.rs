//! A pipeline to test: a real SQLite file, a clock that stands still, steps taken one by one.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::accept::{Acceptance, Acceptor};
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::identify::Identify;
use pipeline::measures::Measures;
use pipeline::process::Process;
use pipeline::readers::Readers;
use pipeline::store::{Door, Store, Tester};
use pipeline::submission::Submission;
use schemas::ids::ReportId;
use schemas::report::Reporter;
use tempfile::TempDir;

pub struct Stack {
    pub process: Process,
    pub acceptor: Acceptor,
    pub readers: Readers,
    pub identify: Identify,
    // Removed with the last value of the test.
    pub directory: TempDir,
}

impl Stack {
    pub async fn new() -> Stack {
        let directory = tempfile::tempdir().unwrap();
        Stack::open(directory).await
    }

    pub async fn open(directory: TempDir) -> Stack {
        let store = Store::open(&directory.path().join("assay.db")).await.unwrap();
        store.migrate().await.unwrap();
        let clock = Clock::fixed("2026-11-21T08:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let events = Events::new(store.head().await.unwrap());
        let measures = Measures::new();
        let acceptor = Acceptor::start(store.clone(), clock.clone(), events.clone(), measures.clone(), 256);
        Stack {
            acceptor,
            readers: Readers { store: store.clone(), clock: clock.clone() },
            identify: Identify::new(store.clone(), clock.clone()),
            process: Process { store, clock, events, measures },
            directory,
        }
    }

    pub fn store(&self) -> &Store {
        &self.process.store
    }

    pub async fn tester(&self, name: &str) -> Tester {
        let email = format!("{}@example.org", name.to_lowercase());
        self.identify.anonymous(&Reporter { name: Some(name.to_owned()), email }).await.unwrap()
    }

    pub async fn accept(&self, id: &str, body: &str, tester: &str) -> Acceptance {
        let tester = self.tester(tester).await;
        let id: ReportId = id.parse().unwrap();
        let submission = Submission::new(id, Door::V4, &tester, Bytes::copy_from_slice(body.as_bytes()));
        self.acceptor.accept(submission).await.unwrap()
    }

    /// Processes all that waits, one group after the other.
    pub async fn work_off(&self) {
        loop {
            let groups = self.store().open_groups(1000).await.unwrap();
            if groups.is_empty() {
                return;
            }
            for group in groups {
                self.process.process(group, "test").await.unwrap();
            }
        }
    }
}

/// A small v4 report.
pub fn report(distribution: &str, version: &str, grade: &str, perl: &str, os: &str) -> String {
    serde_json::json!({
        "reporter": {"name": "Tester", "email": "tester@example.org"},
        "environment": {
            "language": {"name": "Perl 5", "version": perl, "archname": "x86_64-linux"},
            "system": {"osname": os, "osversion": "6.1"},
        },
        "distribution": {"name": distribution, "version": version},
        "result": {"grade": grade, "output": {"uncategorized": "All tests successful.\n"}},
    })
    .to_string()
}
