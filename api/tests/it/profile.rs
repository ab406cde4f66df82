//! The profile that the tests' servers run on: embedded, or what `TEST_PROFILE` names.
//!
//! `postgres`: reports and queue in PostgreSQL. `redis`: reports in PostgreSQL, queue and news in Redis. Both: documents in
//! Elasticsearch. Servers of tests share these; each has a database, a prefix and indices of its own.

use pipeline::index::{Address, Elastic};
use services::Database;
use uuid::Uuid;

/// What a server stores in that is not in its directory; gone with this value.
pub struct Deployed {
    database: Database,
    queue: Option<String>,
    index: String,
}

impl Deployed {
    /// `None`: the embedded profile.
    pub fn of_profile() -> Option<Deployed> {
        match std::env::var("TEST_PROFILE").as_deref() {
            Err(_) | Ok("" | "sqlite") => None,
            Ok("postgres") => Some(Deployed::new(false)),
            Ok("redis") => Some(Deployed::new(true)),
            Ok(other) => panic!("TEST_PROFILE is sqlite, postgres or redis, and not {other}"),
        }
    }

    fn new(redis: bool) -> Deployed {
        let asked = "TEST_PROFILE asks for it";
        let word = format!("test-a{}", Uuid::new_v4().simple());
        let queue = redis.then(|| format!("{}/0?prefix={word}", services::redis().expect(asked).trim_end_matches('/')));
        Deployed {
            database: services::fresh_database(&services::postgres().expect(asked)),
            queue,
            index: format!("{}/{word}?replicas=0", services::elasticsearch().expect(asked).trim_end_matches('/')),
        }
    }

    pub fn database(&self) -> &str {
        self.database.url()
    }

    /// The settings that point a server to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment =
            vec![("ASSAY_DATABASE", self.database.url().to_owned()), ("ASSAY_INDEX", self.index.clone())];
        environment.extend(self.queue.clone().map(|queue| ("ASSAY_QUEUE", queue)));
        environment
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let address: Address = self.index.parse().expect("the address is whole");
        // Best effort: the server is thrown away some day.
        drop(Elastic::new(&address).and_then(|index| index.remove()));
    }
}

/// Whether a test is about the embedded profile alone, and another one is asked for; says why it is left out.
pub fn embedded_only(why: &str) -> bool {
    let deployed = std::env::var("TEST_PROFILE").is_ok_and(|profile| !matches!(profile.as_str(), "" | "sqlite"));
    if deployed {
        services::say(&format!("left out on this profile: {why}"));
    }
    deployed
}
