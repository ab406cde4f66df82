//! A pipeline to test: a real database, a clock that stands still, steps taken one by one.
//!
//! The database is an SQLite file. Where `TEST_PROFILE` says `postgres`, it is a PostgreSQL database of the test's own;
//! where it says `redis`, its queue is in Redis, too.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

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
use pipeline::withdraw;
use schemas::ids::ReportId;
use schemas::report::Reporter;
use schemas::views::ReceiptView;
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy};
use services::Database;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::raw::Raw;
use crate::test_queue::TestQueue;

pub struct Stack {
    pub process: Process,
    pub acceptor: Acceptor,
    pub readers: Readers,
    pub identify: Identify,
    // Removed with the last value of the test.
    pub directory: TempDir,
    database: Option<Database>,
    queue: Option<TestQueue>,
}

/// Where a stack stands: what is left of it when its process ends.
pub struct Place {
    directory: TempDir,
    database: Option<Database>,
    queue: Option<TestQueue>,
}

impl Stack {
    pub async fn new() -> Stack {
        let directory = tempfile::tempdir().unwrap();
        Stack::open(directory).await
    }

    pub async fn open(place: impl Into<Place>) -> Stack {
        Stack::with_groups(place, 256).await
    }

    /// Reports that arrive together are committed in groups of at most `group_limit`.
    pub async fn with_groups(place: impl Into<Place>, group_limit: usize) -> Stack {
        Stack::on(Profile::asked(), place, group_limit).await
    }

    /// A stack that several processes can share, whatever profile is asked for. `None` when there is no PostgreSQL.
    pub async fn shared() -> Option<Stack> {
        let profile = match Profile::asked() {
            Profile::Sqlite => Profile::Postgres,
            shared => shared,
        };
        services::postgres()?;
        Some(Stack::on(profile, tempfile::tempdir().unwrap(), 2).await)
    }

    async fn on(profile: Profile, place: impl Into<Place>, group_limit: usize) -> Stack {
        let Place { directory, mut database, mut queue } = place.into();
        if database.is_none() && profile != Profile::Sqlite {
            database = Some(fresh_database().await);
        }
        if queue.is_none() && profile == Profile::Redis {
            queue = Some(TestQueue::new(&services::redis().expect("Redis is asked for")));
        }
        let store = open_store(&directory, database.as_ref(), queue.as_ref()).await;
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
            database,
            queue,
        }
    }

    /// What is left when the process ends, for another stack.
    pub fn into_place(self) -> Place {
        Place { directory: self.directory, database: self.database, queue: self.queue }
    }

    /// The same database as another process opens it.
    pub async fn other_store(&self) -> Store {
        open_store(&self.directory, self.database.as_ref(), self.queue.as_ref()).await
    }

    /// What another process on the same database works with.
    pub async fn other_process(&self) -> Process {
        Process {
            store: self.other_store().await,
            clock: self.process.clock.clone(),
            events: Events::new(0),
            measures: Measures::new(),
        }
    }

    /// The queue in Redis, where there is one.
    pub fn queue(&self) -> Option<&TestQueue> {
        self.queue.as_ref()
    }

    /// Loses every job there is, wherever the queue is.
    pub async fn lose_jobs(&self) {
        match &self.queue {
            Some(queue) => queue.lose_jobs(),
            None => drop(self.raw().await.run("DELETE FROM Jobs").await),
        }
    }

    /// Jobs that are done, until they are forgotten.
    pub async fn done_jobs(&self) -> i64 {
        match &self.queue {
            Some(queue) => queue.done(),
            None => self.raw().await.value("SELECT count(*) FROM Jobs WHERE status = 'Done'").await,
        }
    }

    /// Jobs that a worker has fetched and not ended.
    pub async fn fetched_jobs(&self) -> i64 {
        match &self.queue {
            Some(queue) => queue.fetched(),
            None => self.raw().await.value("SELECT count(*) FROM Jobs WHERE status IN ('Queued', 'Running')").await,
        }
    }

    /// Lets a worker fetch every job that waits, and do nothing with it.
    pub async fn let_fetch(&self, worker: &str) {
        let raw = self.raw().await;
        match &self.queue {
            Some(queue) => queue.let_fetch(worker),
            None => {
                let now = raw.either("strftime('%s', 'now')", "now()");
                raw.run(format!(
                    "INSERT INTO Workers (id, worker_type, storage_name) VALUES ('{worker}', 'process-group', 'test') \
                     ON CONFLICT DO NOTHING; \
                     UPDATE Jobs SET status = 'Queued', lock_by = '{worker}', lock_at = {now} WHERE status = 'Pending'"
                ))
                .await;
            }
        }
    }

    /// Lets so much time go by for the queue that what was fetched is lost if its worker shows no sign of life.
    pub async fn pass_lease(&self) {
        let raw = self.raw().await;
        match &self.queue {
            Some(queue) => queue.age_workers(),
            None => {
                let earlier = raw.either("lock_at - 31", "lock_at - INTERVAL '31 seconds'");
                raw.run(format!("UPDATE Jobs SET lock_at = {earlier}")).await;
            }
        }
    }

    /// Seconds until the job is due that waits longest.
    pub async fn longest_wait(&self) -> i64 {
        let raw = self.raw().await;
        match &self.queue {
            Some(queue) => queue.longest_wait(),
            None => {
                let sqlite = "SELECT max(run_at) - CAST(strftime('%s', 'now') AS INTEGER) FROM Jobs";
                let postgres = "SELECT CAST(extract(epoch FROM max(run_at) - now()) AS BIGINT) FROM Jobs";
                raw.value(raw.either(sqlite, postgres)).await
            }
        }
    }

    /// Makes the queue refuse to give jobs.
    pub async fn break_queue(&self) {
        match &self.queue {
            Some(queue) => queue.damage(),
            None => drop(self.raw().await.run("ALTER TABLE Jobs RENAME TO Away").await),
        }
    }

    pub async fn mend_queue(&self) {
        match &self.queue {
            Some(queue) => queue.mend(),
            None => drop(self.raw().await.run("ALTER TABLE Away RENAME TO Jobs").await),
        }
    }

    /// Jobs the queue knows, those that are done among them until they are forgotten.
    pub async fn jobs(&self) -> i64 {
        match &self.queue {
            Some(queue) => queue.jobs(),
            None => self.raw().await.value("SELECT count(*) FROM Jobs").await,
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

    /// Marks a report as invalid, as an operator does.
    pub async fn withdraw(&self, number: usize, body: BodyFate) {
        let order = withdraw::Order {
            kind: WithdrawnAs::Invalid,
            reason: "a broken compiler".to_owned(),
            by: WithdrawnBy::Operator,
            who: "token".to_owned(),
            body,
        };
        let number = self.store().report(id(number).parse().unwrap()).await.unwrap().unwrap().number;
        withdraw::withdraw(&self.process, &[number], &order).await.unwrap();
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
    pub async fn raw(&self) -> Raw {
        match &self.database {
            None => Raw::sqlite(&self.directory.path().join("assay.db")).await,
            Some(database) => Raw::postgres(database.url()).await,
        }
    }
}

impl From<TempDir> for Place {
    fn from(directory: TempDir) -> Self {
        Place { directory, database: None, queue: None }
    }
}

/// What a stack stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Sqlite,
    Postgres,
    /// PostgreSQL, with the queue in Redis.
    Redis,
}

impl Profile {
    /// What the environment asks for.
    pub fn asked() -> Profile {
        match std::env::var("TEST_PROFILE").as_deref() {
            Err(_) | Ok("" | "sqlite") => Profile::Sqlite,
            Ok("postgres") => Profile::Postgres,
            Ok("redis") => Profile::Redis,
            Ok(other) => panic!("TEST_PROFILE is sqlite, postgres or redis, and not {other}"),
        }
    }
}

/// A migrated database. All but the first are copies of one.
async fn fresh_database() -> Database {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let server = services::postgres().expect("PostgreSQL is asked for");
    let template = TEMPLATE.get_or_init(async || {
        let template = template_name();
        if !services::has_template(&server, &template) {
            let database = services::fresh_database(&server);
            let store = Store::postgres(database.url()).unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            database.into_template(&template);
        }
        template
    });
    services::copied_database(&server, template.await)
}

/// Another one for each wording of the migrations, the queue's among them.
fn template_name() -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let migrations = std::fs::read_dir(workspace.join("migrations/postgres")).unwrap();
    let mut files: Vec<PathBuf> = migrations.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.push(workspace.join("Cargo.lock"));
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|file| std::fs::read(file).unwrap().hash(&mut hasher));
    format!("assay_template_{:016x}", hasher.finish())
}

async fn open_store(directory: &TempDir, database: Option<&Database>, queue: Option<&TestQueue>) -> Store {
    let store = match database {
        None => Store::open(&directory.path().join("assay.db")).await.unwrap(),
        Some(database) => Store::postgres(database.url()).unwrap(),
    };
    match queue {
        None => store,
        Some(queue) => store.with_queue(queue.connect().await),
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
