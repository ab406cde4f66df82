//! The table of settings: one place for the manual, the defaults, the environment and the hints.

use std::path::PathBuf;
use std::time::Duration;

use pipeline::queue::MOST_WORKERS;
use reqwest::Url;

use super::layers::Layers;
use super::networks::Networks;
use super::units::{Listen, LogFormat, Secret, Size};

/// One setting, as the manual shows it.
#[derive(Debug)]
pub struct Key {
    /// Dotted name: `intake.body_limit`.
    pub name: &'static str,
    /// What it is for, as the doc comment of its field.
    pub manual: &'static str,
    /// Default as one would write it; empty when it is worked out, see `accepts`.
    pub default: &'static str,
    /// Unit and range.
    pub accepts: &'static str,
    /// Its own environment variable, beside `ASSAY_SECTION__KEY`.
    pub variable: Option<&'static str>,
    /// What of its value is shown to nobody. Such a setting can be given by `<name>_file`.
    pub secret: Option<Hidden>,
}

/// The part of a secret setting that is hidden where settings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    All,
    /// Only the password in a URL.
    Password,
}

impl Key {
    /// A value of this setting, as it may be shown.
    pub fn shown(&self, text: &str) -> String {
        match self.secret {
            Some(Hidden::All) if !text.is_empty() => "***".to_owned(),
            Some(Hidden::Password) => without_password(text),
            _ => text.to_owned(),
        }
    }
}

/// Declares the settings of one concern: a struct, its table, and how it is read.
macro_rules! concern {
    ($(#[$about:meta])* $visibility:vis struct $concern:ident in $section:literal, table $table:ident {
        $($(#[doc = $line:literal])+
        $field:ident: $type:ty = $default:literal, $accepts:literal
            $(, if $fits:expr)? $(, variable $variable:literal)? $(, secret $secret:ident)?;)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        $visibility struct $concern {
            $($(#[doc = $line])+ pub $field: $type,)+
        }

        const $table: &[Key] = &[$(Key {
            name: concat!($section, stringify!($field)),
            manual: concat!($($line, "\n"),+),
            default: $default,
            accepts: $accepts,
            variable: concern!(@option $($variable)?),
            secret: concern!(@hidden $($secret)?),
        },)+];

        impl $concern {
            pub fn read(layers: &mut Layers) -> Self {
                let mut keys = $table.iter();
                let mut next = || keys.next().expect("the table has a key for each field");
                $(let $field = layers.value(next(), concern!(@fits $type $(, $fits)?));)+
                $concern { $($field),+ }
            }
        }
    };
    (@option) => { None };
    (@option $variable:literal) => { Some($variable) };
    (@hidden) => { None };
    (@hidden $secret:ident) => { Some(Hidden::$secret) };
    (@fits $type:ty) => { |_: &$type| true };
    (@fits $type:ty, $fits:expr) => { $fits };
}

concern! {
    /// What belongs to this process as a whole, as it was said.
    pub struct Node in "", table NODE {
        /// Directory that holds all state of the embedded profile. It is made when missing.
        data: Option<PathBuf> = "", "a path; by default $XDG_DATA_HOME/assay, or ~/.local/share/assay",
            variable "ASSAY_DATA";
        /// Addresses that requests are taken on. Port 0 picks a free one.
        listen: Vec<Listen> = "127.0.0.1:8080", "HOST:PORT, several in a list or with commas between them",
            variable "ASSAY_LISTEN";
        /// Address at which `assay worker` answers `/healthz`, `/readyz` and `/metrics`, and nothing else. `assay serve`
        /// and `assay api` answer these where they take requests.
        worker_listen: Option<Listen> = "", "HOST:PORT; by default a worker listens nowhere",
            variable "ASSAY_WORKER_LISTEN";
        /// Where reports and everything read out of them are stored.
        database: Option<String> = "", "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME; by default assay.db in the data directory",
            variable "ASSAY_DATABASE", secret Password;
        /// Where jobs wait for a worker. In Redis they are pushed once their reports are committed; a Redis that loses
        /// them, or is away, loses no report, since workers look for reports that no job carries. All names there begin with the prefix,
        /// `assay` if none is said, so that several installations can share one Redis.
        queue: Option<String> = "", "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?prefix=WORD]; by default in the database",
            variable "ASSAY_QUEUE", secret Password;
        /// The Redis that carries news between processes, so that readers of one node see at once what another has
        /// done, and that holds the limits of senders for all nodes together. Without one, each node asks the database
        /// once a second, and has limits of its own.
        events: Option<String> = "", "redis://…, or none; by default the queue's Redis, if it is in one",
            variable "ASSAY_EVENTS", secret Password;
        /// Where documents are put for the search: in a directory, for one process, or in Elasticsearch or OpenSearch,
        /// for all. The names of a cluster's nodes stand with commas between them; all indices and aliases there begin
        /// with the prefix, `assay` if none is said. `?shards=` and `&replicas=` say how each month's index is laid out:
        /// 1 shard, and 1 replica where there is a second node. With https, `&ca=` names a PEM file of the certificates
        /// that the nodes' are signed by, if those are not known to all the web.
        index: Option<String> = "", "a directory, by default `index` in the data directory; \
            http://USER:PASSWORD@HOST:9200,HOST:9200/PREFIX?shards=1&replicas=1; or none",
            variable "ASSAY_INDEX", secret Password;
        /// Jobs that are worked on at the same time. 0 holds the queue: reports are accepted and wait.
        workers: Option<usize> = "", "0 to 64; by default one for each core",
            if |workers: &Option<usize>| workers.is_none_or(|workers| workers <= MOST_WORKERS), variable "ASSAY_WORKERS";
        /// The address that readers see in links, feeds and mails, when it is not the one assay listens on.
        public_url: Option<Url> = "", "an http or https URL; by default links are relative",
            variable "ASSAY_PUBLIC_URL";
        /// Proxies in front of assay: what they say in `X-Forwarded-For` is believed, and limits are kept for the
        /// addresses they name. Nobody else's word is.
        proxies: Networks = "", "addresses or networks such as 10.0.0.0/8, with commas between them";
    }
}

concern! {
    /// Rights and limits at the doors, as they were said.
    pub struct Doors in "intake.", table INTAKE {
        /// Whether `POST /v3/report` and `POST /v4/reports` take reports without a credential, as the CPAN Testers
        /// servers do.
        anonymous: Option<bool> = "",
            "true or false; by default true only while every listening address is loopback";
        /// Longest request body, after decompression. A longer one is answered 413.
        body_limit: Size = "32 MiB", "a size from 1 KiB to 1 GiB",
            if |size: &Size| (Size::KIB..=Size::GIB).contains(&size.0);
        /// Most reports that are committed together, with one sync of the disk and one job.
        group_limit: usize = "256", "1 to 10000 reports", if |limit: &usize| (1..=10_000).contains(limit);
        /// Reports accepted and not yet processed beyond which new ones are answered 429 with `Retry-After`.
        queue_limit: usize = "1000000", "1 report or more", if |limit: &usize| *limit >= 1;
        /// Time that the oldest report may wait to be processed; beyond it new ones are answered 429. Waiting reports
        /// are safe, and a legacy client loses a report that is refused, so the default outlasts a day of repairs.
        queue_age: Duration = "2d", "a duration from 1s to 365d",
            if |age: &Duration| (Duration::from_secs(1)..=Duration::from_secs(365 * 86_400)).contains(age);
        /// Reports that one address may send in a minute, once its burst is used up; beyond it they are answered 429.
        /// Relays send the reports of many testers from one address, in bursts and late.
        address_rate: usize = "6000", "0 to 1000000 reports; 0 for no limit",
            if |rate: &usize| *rate <= 1_000_000;
        /// Reports that one address may send at once, after a time of silence. The default is more than all of CPAN's
        /// testers send in a day.
        address_burst: usize = "50000", "1 to 100000000 reports", if |burst: &usize| (1..=100_000_000).contains(burst);
        /// Reports of one tester that are taken in a minute, once the burst is used up.
        tester_rate: usize = "1200", "0 to 1000000 reports; 0 for no limit", if |rate: &usize| *rate <= 1_000_000;
        /// Reports of one tester that are taken at once, after a time of silence. The default is about what the
        /// busiest tester of CPAN sends in a day.
        tester_burst: usize = "20000", "1 to 100000000 reports", if |burst: &usize| (1..=100_000_000).contains(burst);
        /// Addresses without limits of their own: imports of the operator, proxies that are not in `proxies`.
        exempt: Networks = "127.0.0.0/8,::1", "addresses or networks, with commas between them";
        /// Memory for bodies under way, packed and unpacked, of all requests together. A body that finds none waits
        /// a while, and is then answered 503.
        memory: Option<Size> = "", "a size, at least three times body_limit; by default that, or 256 MiB if it is more",
            if |size: &Option<Size>| size.is_none_or(|size| size.0 <= 1024 * Size::GIB);
        /// Bytes kept free on the disk of the database. With less, reports are answered 503 until there is room
        /// again; readers go on.
        disk_reserve: Option<Size> = "", "a size, 0 for none; by default 512 MiB, or 2 % of the disk if that is less";
    }
}

concern! {
    /// What a node accepts while a database on another machine is away. The embedded profile needs no spool.
    pub struct Spooling in "spool.", table SPOOL {
        /// Most bytes of reports, packed, in the spool. Beyond it reports are answered 503 until the database is back.
        bytes: Size = "1 GiB", "a size from 1 MiB to 1 TiB",
            if |size: &Size| (Size::MIB..=1024 * Size::GIB).contains(&size.0);
        /// Most reports in the spool. Their ids are kept in memory, some 40 bytes each.
        reports: usize = "1000000", "1 to 100000000 reports", if |most: &usize| (1..=100_000_000).contains(most);
        /// Time that the database has for one question of a sender of reports; then the report is spooled.
        patience: Duration = "5s", "a duration from 100ms to 1m",
            if |time: &Duration| (Duration::from_millis(100)..=Duration::from_secs(60)).contains(time);
        /// Time for which receipts tell of reports that were spooled and then refused, and for which a legacy report
        /// waits for its profile to be registered.
        remember: Duration = "30d", "a duration from 1h to 365d",
            if |time: &Duration| (Duration::from_secs(3600)..=Duration::from_secs(365 * 86_400)).contains(time);
    }
}

concern! {
    /// Bounds on connections.
    pub struct Bounds in "server.", table SERVER {
        /// Connections that are open at the same time. Further ones wait with the system until one ends.
        connections: usize = "4096", "16 to 1000000", if |most: &usize| (16..=1_000_000).contains(most);
        /// Connections of one address; further ones are closed. Proxies and `intake.exempt` have no such limit.
        address_connections: usize = "512", "1 to 1000000, or 0 for any number", if |most: &usize| *most <= 1_000_000;
        /// Longest silence: of a connection on which nothing is asked, of a request before its body, of a body at its
        /// beginning, and of a reader who does not take the answer.
        idle_timeout: Duration = "60s", "a duration from 100ms to 1h",
            if |time: &Duration| (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(time);
        /// Longest time for a body to arrive.
        body_timeout: Duration = "10m", "a duration from 100ms to 24h",
            if |time: &Duration| (Duration::from_millis(100)..=Duration::from_secs(86_400)).contains(time);
        /// Slowest pace of a body, in bytes a second, counted from `idle_timeout` on.
        body_rate: Size = "1 KiB", "a size from 1 byte to 1 GiB", if |size: &Size| (1..=Size::GIB).contains(&size.0);
        /// Time that assay goes on taking requests after it was told to stop, while `/readyz` answers 503: a proxy in
        /// front of several nodes so learns to ask the others before this one closes its door.
        notice: Duration = "0s", "a duration up to 10m", if |time: &Duration| *time <= Duration::from_secs(600);
        /// Time for requests and jobs under way to end when assay is told to stop; then they are cut off. The default
        /// keeps within the ten seconds that container engines wait.
        drain: Duration = "7s", "a duration up to 10m", if |time: &Duration| *time <= Duration::from_secs(600);
    }
}

concern! {
    /// What is kept from the public.
    pub struct Privacy in "privacy.", table PRIVACY {
        /// Whether the answers of the CPAN Testers routes carry testers' e-mail addresses, as that contract shows
        /// them. Otherwise the name alone is sent.
        addresses: bool = "false", "true or false";
    }
}

concern! {
    /// Limits of readers.
    pub struct Reading in "read.", table READ {
        /// Most rows in one page of a list; a request for more gets this many.
        page_limit: usize = "1000", "1 to 100000 rows", if |limit: &usize| (1..=100_000).contains(limit);
        /// Memory for answers that were given lately. 0 keeps none.
        cache: Size = "64 MiB", "a size from 1 MiB to 64 GiB, or 0",
            if |size: &Size| size.0 == 0 || (Size::MIB..=64 * Size::GIB).contains(&size.0);
        /// Most feeds, WebSockets and server-sent events, that are open at a time; a request for one more is answered 503.
        feeds: usize = "1000", "0 to 100000 feeds", if |feeds: &usize| *feeds <= 100_000;
        /// Longest time for the reader of a feed to take what is sent. A slower one is sent away: a WebSocket with the
        /// close code 1013, server-sent events by their end.
        feed_patience: Duration = "30s", "a duration from 100ms to 1h",
            if |patience: &Duration| (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(patience);
    }
}

concern! {
    /// When whole-file artefacts are rewritten, such as the list of all releases.
    pub struct Publishing in "publish.", table PUBLISH {
        /// A file is rewritten once nothing in it has changed for so long.
        quiet: Duration = "5s", "a duration from 100ms to 1h",
            if |quiet: &Duration| (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(quiet);
        /// A file is rewritten at the latest so long after the first change that is not in it.
        latest: Duration = "1m", "a duration from 100ms to 24h",
            if |latest: &Duration| (Duration::from_millis(100)..=Duration::from_secs(86_400)).contains(latest);
    }
}

concern! {
    /// Where new releases are asked for.
    pub struct Uploads in "uploads.", table UPLOADS {
        /// Release search that a worker asks for the releases of the last seven days, such as MetaCPAN's:
        /// /v1/release/_search at fastapi.metacpan.org.
        upstream: Option<Url> = "", "an http or https URL; by default nobody is asked";
        /// Time between two questions. After a failure the next comes sooner, and then later and later.
        every: Duration = "10m", "a duration from 1s to 1d",
            if |every: &Duration| (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(every);
    }
}

concern! {
    /// For how long bytes are kept. Rows, counts and digests are kept for ever.
    pub struct Keeping in "retention.", table RETENTION {
        /// Whole months for which the bytes of a report are kept after the one it was received in; then they are
        /// dropped by a worker. What was read out of the report stays: its row, its counts, its place in lists. Its
        /// text and its JSON as sent are then answered 410, and it cannot be read again by a newer extractor.
        /// `assay retention` shows what would go.
        bodies: usize = "0", "0 to 1200 months; 0 for ever", if |months: &usize| *months <= 1200;
        /// The same for bytes that a correction of their report has replaced.
        superseded_bodies: usize = "0", "0 to 1200 months; 0 for ever", if |months: &usize| *months <= 1200;
    }
}

concern! {
    /// What is logged, on stderr.
    pub struct Log in "log.", table LOG {
        /// `text` for people, `json` for machines: one object a line.
        format: LogFormat = "text", "text or json";
        /// Least severity that is logged: one level, or directives such as `info,sqlx=warn`.
        level: String = "info", "error, warn, info, debug, trace, or directives by module";
    }
}

concern! {
    /// How the commands that ask a server reach it.
    pub struct Asking in "client.", table CLIENT {
        /// The server that `submit`, `import` and the reading commands talk to.
        server: Url = "http://127.0.0.1:8080", "an http or https URL", variable "ASSAY_SERVER";
        /// Bearer token sent along.
        token: Option<Secret> = "", "a token issued by `assay token issue`; by default none is sent",
            variable "ASSAY_TOKEN", secret All;
        /// Longest wait for one answer.
        timeout: Duration = "30s", "a duration from 100ms to 1h",
            if |timeout: &Duration| (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(timeout);
    }
}

/// Every setting, in the order of the manual.
pub fn all() -> impl Iterator<Item = &'static Key> {
    [NODE, INTAKE, SPOOL, SERVER, PRIVACY, READ, PUBLISH, UPLOADS, RETENTION, LOG, CLIENT].into_iter().flatten()
}

pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// The secret setting that `<name>_file` gives.
pub fn find_by_file(name: &str) -> Option<&'static Key> {
    find(name.strip_suffix("_file")?).filter(|key| key.secret.is_some())
}

/// The dotted name that a setting's own environment variable stands for.
pub fn of_variable(name: &str) -> Option<String> {
    let own = |name: &str| all().find(|key| key.variable == Some(name)).map(|key| key.name);
    match own(name) {
        Some(key) => Some(key.to_owned()),
        None => own(name.strip_suffix("_FILE")?).map(|key| format!("{key}_file")),
    }
}

/// The known name that is the fewest edits away, if it is near enough to be meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |key: &Key| match last(key.name) == last(name) {
        // The right key in a wrong section, or in none.
        true => 1,
        false => edits(key.name, name),
    };
    let (distance, key) = all().map(|key| (distance(key), key.name)).min()?;
    (distance <= name.len() / 2).then_some(key)
}

/// Letters to insert, remove or replace to turn one text into the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for column in 0..to.len() {
            let replaced = diagonal + usize::from(to[column] != letter);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Without what stands between the first colon behind the scheme and the last @: that is the password, whatever is
/// wrong with the rest, and a list of hosts is no URL.
pub(super) fn without_password(text: &str) -> String {
    let masked = || {
        let (scheme, rest) = text.split_once("://")?;
        let (credentials, hosts) = rest.rsplit_once('@')?;
        let (user, _password) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{hosts}"))
    };
    masked().unwrap_or_else(|| text.to_owned())
}
