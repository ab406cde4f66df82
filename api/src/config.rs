//! Settings: read from flags, environment and file, checked once at the start, and then only passed on.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. A key that nobody
//! knows is an error that says where it came from and which key is near. [`keys`] is the table of them all.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use pipeline::index::Address;
use pipeline::retention::Policy;
use reqwest::Url;

pub mod keys;
pub mod layers;
pub mod networks;
pub mod outside;
pub mod units;

pub use keys::{Bounds, Key, Log, Privacy, Publishing, Reading, Spooling, Uploads};
pub use layers::{Origin, Sources};
pub use networks::Networks;
pub use units::{Listen, LogFormat, Secret, Size};

use keys::{Asking, Doors, Keeping, Node};
use layers::Layers;

/// The checked settings of a server, and of the commands that work on its data directory.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds all state of the embedded profile. Absolute; it need not exist yet.
    pub data: PathBuf,
    /// At least one address.
    pub listen: Vec<Listen>,
    /// Where a worker is watched. `None`: nowhere.
    pub worker_listen: Option<Listen>,
    pub database: Database,
    pub queue: Queue,
    /// The Redis that carries news between processes and holds shared limits.
    pub events: Option<Secret>,
    pub index: Index,
    /// Jobs at the same time; 0 holds the queue.
    pub workers: usize,
    pub public_url: Option<Url>,
    /// Whose word on where a request comes from is believed.
    pub proxies: Networks,
    pub bounds: Bounds,
    pub intake: Intake,
    pub spool: Spooling,
    pub privacy: Privacy,
    pub read: Reading,
    pub publish: Publishing,
    pub uploads: Uploads,
    /// For how long bytes are kept.
    pub retention: Policy,
    pub log: Log,
    /// Each setting as it is in force and where it was said, in the order of the manual, secrets masked.
    pub effective: Vec<Effective>,
}

/// Where reports are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file. Absolute; it need not exist yet.
    Sqlite(PathBuf),
    /// A PostgreSQL database by its URL, which may hold a password.
    Postgres(String),
}

/// Where jobs wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// In the same database as the reports.
    InDatabase,
    /// In a Redis, by its URL.
    Redis(Secret),
}

/// Where documents are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// No search.
    None,
    /// A directory of tantivy's. Absolute; it need not exist yet.
    Directory(PathBuf),
    /// Elasticsearch or OpenSearch, which all processes share.
    Engine(Address),
}

/// Rights and limits at the doors.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Whether reports are taken without a credential.
    pub anonymous: bool,
    /// Longest body, after decompression.
    pub body_limit: Size,
    /// Most reports in one commit.
    pub group_limit: usize,
    /// Waiting reports beyond which new ones are answered 429.
    pub queue_limit: usize,
    /// Age of the oldest waiting report beyond which new ones are answered 429.
    pub queue_age: Duration,
    /// What one address may send.
    pub address_rate: Rate,
    /// What one tester may send.
    pub tester_rate: Rate,
    /// Addresses without limits of their own.
    pub exempt: Networks,
    /// Memory for bodies under way, all together.
    pub memory: Size,
    /// Bytes kept free on the disk. `None`: worked out from the disk's size.
    pub disk_reserve: Option<Size>,
}

/// How many reports one sender may send: a burst, filled up again by so many a minute. 0 a minute is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub a_minute: u32,
    pub burst: u32,
}

/// How a server is asked by the commands that read and submit.
#[derive(Clone, Debug)]
pub struct Server {
    pub url: Url,
    pub token: Option<Secret>,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Where the spool and the bookmarks of imports are kept: `$XDG_STATE_HOME/assay`.
    pub state: Option<PathBuf>,
    /// The tester's home, where clients keep their Metabase identity.
    pub home: Option<PathBuf>,
}

/// A setting in force.
#[derive(Clone, Debug)]
pub struct Effective {
    pub key: &'static Key,
    pub value: String,
    pub origin: Origin,
}

/// The settings cannot be used; every fault is told, one a line.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Reads and checks the settings of a server.
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let mut layers = Layers::gather(sources);
    let node = Node::read(&mut layers);
    let doors = Doors::read(&mut layers);
    let spool = Spooling::read(&mut layers);
    let bounds = Bounds::read(&mut layers);
    let privacy = Privacy::read(&mut layers);
    let read = Reading::read(&mut layers);
    let publish = Publishing::read(&mut layers);
    let uploads = Uploads::read(&mut layers);
    let keeping = Keeping::read(&mut layers);
    let log = Log::read(&mut layers);
    Asking::read(&mut layers);

    let data = data_directory(node.data, &mut layers);
    let database = database(node.database, &data, &mut layers);
    let queue = outside::queue(node.queue, &database, &mut layers);
    let events = outside::events(node.events, &queue, &mut layers);
    let index = index(node.index.as_deref(), &data, &mut layers);
    let workers = node.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let anonymous = doors.anonymous.unwrap_or_else(|| node.listen.iter().all(Listen::loopback));
    layers.derive("workers", workers.to_string());
    layers.derive("intake.anonymous", anonymous.to_string());

    let intake = intake(doors, anonymous, &mut layers);
    Ok(Settings {
        data,
        listen: node.listen,
        worker_listen: node.worker_listen,
        database,
        queue,
        events,
        index,
        workers,
        public_url: node.public_url,
        proxies: node.proxies,
        bounds,
        intake,
        spool,
        privacy,
        read,
        publish,
        uploads,
        retention: policy(&keeping),
        log,
        effective: layers.finish()?,
    })
}

/// Reads and checks what the commands need that ask a server. They need no data directory.
pub fn load_server(sources: &Sources) -> Result<Server, ConfigError> {
    let mut layers = Layers::gather(sources);
    let Asking { server, token, timeout } = Asking::read(&mut layers);
    let state = layers.base_directory("XDG_STATE_HOME", ".local/state").map(|base| base.join("assay"));
    let home = sources.environment.get("HOME").map(PathBuf::from);
    layers.finish()?;
    Ok(Server { url: server, token, timeout, state, home })
}

/// Memory for bodies when the operator has not said how much, unless the longest bodies need more.
const USUAL_MEMORY: Size = Size(256 * Size::MIB);

fn intake(doors: Doors, anonymous: bool, layers: &mut Layers) -> Intake {
    // Two parts are for the body that comes last, one for all others.
    let least = Size(doors.body_limit.0 * 3);
    let memory = doors.memory.unwrap_or(USUAL_MEMORY.max(least));
    if memory < least {
        layers.fault("intake.memory", "expected at least three times intake.body_limit");
    }
    layers.derive("intake.memory", memory.to_string());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Intake {
        anonymous,
        body_limit: doors.body_limit,
        group_limit: doors.group_limit,
        queue_limit: doors.queue_limit,
        queue_age: doors.queue_age,
        address_rate: Rate { a_minute: count(doors.address_rate), burst: count(doors.address_burst) },
        tester_rate: Rate { a_minute: count(doors.tester_rate), burst: count(doors.tester_burst) },
        exempt: doors.exempt,
        memory,
        disk_reserve: doors.disk_reserve,
    }
}

fn policy(keeping: &Keeping) -> Policy {
    let months = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Policy { bodies: months(keeping.bodies), superseded_bodies: months(keeping.superseded_bodies) }
}

fn data_directory(said: Option<PathBuf>, layers: &mut Layers) -> PathBuf {
    let usual = layers.base_directory("XDG_DATA_HOME", ".local/share").map(|base| base.join("assay"));
    let data = said.or(usual).unwrap_or_else(|| {
        layers.fault("data", "neither HOME nor XDG_DATA_HOME is set; say where with --data DIR");
        PathBuf::new()
    });
    layers.derive("data", data.display().to_string());
    data
}

fn database(said: Option<String>, data: &std::path::Path, layers: &mut Layers) -> Database {
    let database = match said {
        None => Database::Sqlite(data.join("assay.db")),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Database::Postgres(url),
        Some(said) => Database::Sqlite(sqlite_path(&said).unwrap_or_else(|| {
            layers.fault("database", "expected sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME");
            PathBuf::new()
        })),
    };
    layers.derive("database", database.url());
    database
}

impl Database {
    /// As one would write it.
    pub fn url(&self) -> String {
        match self {
            Database::Sqlite(file) => format!("sqlite://{}", file.display()),
            Database::Postgres(url) => url.clone(),
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        if said.starts_with("postgres://") || said.starts_with("postgresql://") {
            return Ok(Database::Postgres(said.to_owned()));
        }
        let file = sqlite_path(said).map(Database::Sqlite);
        file.ok_or_else(|| "expected sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned())
    }
}

impl fmt::Display for Database {
    /// Fit to be shown: without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(file) => write!(f, "{}", file.display()),
            Database::Postgres(url) => f.write_str(&keys::without_password(url)),
        }
    }
}

fn index(said: Option<&str>, data: &std::path::Path, layers: &mut Layers) -> Index {
    if said == Some("none") {
        return Index::None;
    }
    if let Some(said) = said.filter(|said| Address::meant_by(said)) {
        match said.parse() {
            Ok(address) => return Index::Engine(address),
            Err(fault) => layers.fault("index", &fault.to_string()),
        }
    }
    let directory = match said {
        None => data.join("index"),
        Some(said) => std::path::absolute(said).unwrap_or_default(),
    };
    layers.derive("index", directory.display().to_string());
    Index::Directory(directory)
}

/// The path in `sqlite://PATH`, `sqlite:PATH` or a bare path; `None` for other schemes.
fn sqlite_path(said: &str) -> Option<PathBuf> {
    let path = match said.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => said,
    };
    match path.is_empty() || path.contains("://") {
        true => None,
        false => std::path::absolute(path).ok(),
    }
}
