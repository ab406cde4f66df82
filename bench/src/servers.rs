//! The real servers of a deployed profile: this run's own, or those that the environment names.

use std::sync::OnceLock;

use anyhow::Context as _;
use services::{OwnServers, Server};

use crate::options::Profile;

/// Where the servers of a profile are.
#[derive(Clone, Debug)]
pub struct Servers {
    pub postgres: String,
    /// `None` where the queue is in PostgreSQL.
    pub redis: Option<String>,
    pub elasticsearch: String,
}

impl Servers {
    /// Those that the environment names (`TEST_POSTGRES_URL`, `TEST_REDIS_URL`, `TEST_ELASTICSEARCH_URL`), or else this
    /// run's own, started once for all its scenarios; these end with this process.
    pub async fn of(profile: Profile) -> anyhow::Result<Servers> {
        let needed: &'static [Server] = match profile {
            Profile::Embedded => anyhow::bail!("the embedded profile has no servers"),
            Profile::Postgres => &[Server::Postgres, Server::Elasticsearch],
            Profile::Redis => &[Server::Postgres, Server::Elasticsearch, Server::Redis],
        };
        tokio::task::spawn_blocking(move || match named(needed) {
            true => shared(needed),
            false => own(needed),
        })
        .await
        .context("starting the servers ended early")?
    }
}

fn named(needed: &[Server]) -> bool {
    let key = |server: &Server| match server {
        Server::Redis => "TEST_REDIS_URL",
        Server::Elasticsearch => "TEST_ELASTICSEARCH_URL",
        _ => "TEST_POSTGRES_URL",
    };
    needed.iter().all(|server| std::env::var_os(key(server)).is_some_and(|url| !url.is_empty()))
}

fn shared(needed: &[Server]) -> anyhow::Result<Servers> {
    let redis = needed.contains(&Server::Redis).then(|| services::redis().context("there is no Redis"));
    Ok(Servers {
        postgres: services::postgres().context("there is no PostgreSQL")?,
        redis: redis.transpose()?,
        elasticsearch: services::elasticsearch().context("there is no Elasticsearch")?,
    })
}

fn own(needed: &[Server]) -> anyhow::Result<Servers> {
    // Never dropped: they end when they see that this process has.
    static OWN: OnceLock<Option<OwnServers>> = OnceLock::new();
    let own = OWN.get_or_init(|| OwnServers::start_measured(needed)).as_ref();
    let own = own.context("the servers cannot be had")?;
    Ok(Servers {
        postgres: own.url(Server::Postgres).to_owned(),
        redis: needed.contains(&Server::Redis).then(|| own.url(Server::Redis).to_owned()),
        elasticsearch: own.url(Server::Elasticsearch).to_owned(),
    })
}
