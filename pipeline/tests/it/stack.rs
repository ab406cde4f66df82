//! A pipeline to test: a real database, a clock that stands still, steps taken one by one.
//!
//! The database is an SQLite file, or a PostgreSQL database of the test's own where `TEST_PROFILE` says `postgres`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::accept::{Acceptance, Acceptor};
use pipeline::clock::Clock;
use pipeline::events::Events;
use pipeline::identify::Identify;
use pipeline::measures::Measures;
use pipeline::process::Process;
use pipeline::readers::Readers;
use pipeline::store::{Door, GroupNumber, Store, Tester};
use pipeline::submission::Submission;
use schemas::ids::ReportId;
use schemas::report::Reporter;
use schemas::views::ReceiptView;
use services::Database;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;
use uuid::Uuid;

pub struct Stack {
    pub process: Process,
    pub acceptor: Acceptor,
    pub readers: Readers,
    pub identify: Identify,
    // Removed with the last value of the test.
    pub directory: TempDir,
    _database: Option<Database>,
}

impl Stack {
    pub async fn new() -> Stack {
        let directory = tempfile::tempdir().unwrap();
        Stack::open(directory).await
    }

    pub async fn open(directory: TempDir) -> Stack {
        Stack::with_groups(directory, 256).await
    }

    /// Reports that arrive together are committed in groups of at most `group_limit`.
    pub async fn with_groups(directory: TempDir, group_limit: usize) -> Stack {
        let database = (std::env::var("TEST_PROFILE").as_deref() == Ok("postgres"))
            .then(|| services::fresh_database(&services::postgres().expect("PostgreSQL is asked for")));
        let store = match &database {
            None => Store::open(&directory.path().join("assay.db")).await.unwrap(),
            Some(database) => Store::postgres(database.url()).unwrap(),
        };
        store.migrate().await.unwrap();
        let clock = Clock::fixed("2026-11-21T08:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let events = Events::new(store.head().await.unwrap());
        let measures = Measures::new();
        let acceptor = Acceptor::start(store.clone(), clock.clone(), events.clone(), measures.clone(), group_limit);
        Stack {
            acceptor,
            readers: Readers { store: store.clone(), clock: clock.clone() },
            identify: Identify::new(store.clone(), clock.clone()),
            process: Process { store, clock, events, measures },
            directory,
            _database: database,
        }
    }

    pub fn store(&self) -> &Store {
        &self.process.store
    }

    pub async fn tester(&self, name: &str) -> Tester {
        let email = format!("{}@example.org", name.to_lowercase());
        self.identify.anonymous(&Reporter { name: Some(name.to_owned()), email }).await.unwrap()
    }

    pub async fn submission(&self, id: &str, body: &str, tester: &str) -> Submission {
        let tester = self.tester(tester).await;
        let id: ReportId = id.parse().unwrap();
        Submission::new(id, Door::V4, &tester, Bytes::copy_from_slice(body.as_bytes()))
    }

    pub async fn accept(&self, id: &str, body: &str, tester: &str) -> Acceptance {
        let submission = self.submission(id, body, tester).await;
        self.acceptor.accept(submission).await.unwrap()
    }

    /// Processes all that waits, one group after the other.
    pub async fn work_off(&self) {
        loop {
            let groups = self.open_groups().await;
            if groups.is_empty() {
                return;
            }
            for group in groups {
                self.process.process(group, "test").await.unwrap();
            }
        }
    }

    pub async fn open_groups(&self) -> Vec<GroupNumber> {
        self.store().open_groups(1000).await.unwrap()
    }

    pub async fn receipt(&self, id: &str) -> ReceiptView {
        self.readers.receipt(id.parse().unwrap()).await.unwrap().expect("a receipt")
    }

    /// The database behind the pipeline's back: to look, and to do damage.
    pub async fn raw(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(self.directory.path().join("assay.db"));
        SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
    }
}

/// Ids of reports, the same at each run.
pub fn id(number: usize) -> String {
    Uuid::from_u128(0x0b45_cd74_d944_4999_9c3d_0000_0000_0000 + number as u128).to_string()
}

/// A small v4 report.
pub fn report(distribution: &str, version: &str, grade: &str, perl: &str, os: &str) -> String {
    report_with_text(distribution, version, grade, perl, os, "All tests successful.\n")
}

pub fn report_with_text(distribution: &str, version: &str, grade: &str, perl: &str, os: &str, text: &str) -> String {
    serde_json::json!({
        "reporter": {"name": "Tester", "email": "tester@example.org"},
        "environment": {
            "language": {"name": "Perl 5", "version": perl, "archname": "x86_64-linux"},
            "system": {"osname": os, "osversion": "6.1"},
        },
        "distribution": {"name": distribution, "version": version},
        "result": {"grade": grade, "output": {"uncategorized": text}},
    })
    .to_string()
}
