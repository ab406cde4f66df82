//! Settings that name a Redis: the queue's, and the one that carries news between processes.

use pipeline::link;

use super::layers::Layers;
use super::{Database, Queue, Secret, keys, sqlite_path};

/// Where jobs wait: in the database unless a Redis is named.
pub fn queue(said: Option<String>, database: &Database, layers: &mut Layers) -> Queue {
    let same = |said: &str| match database {
        Database::Sqlite(file) => sqlite_path(said).as_ref() == Some(file),
        Database::Postgres(url) => said == url,
    };
    match said {
        Some(said) if named_redis(&said) => {
            layers.check_redis("queue", &said);
            Queue::Redis(Secret(said))
        }
        Some(said) if !same(&said) => {
            layers.fault("queue", "expected redis://HOST[:PORT][/DATABASE]; by default jobs wait in the database");
            Queue::InDatabase
        }
        _ => {
            let shown = keys::find("queue").map_or_else(String::new, |key| key.shown(&database.url()));
            layers.derive("queue", shown);
            Queue::InDatabase
        }
    }
}

/// The Redis that carries news and holds shared limits. `None`: there is none.
pub fn events(said: Option<String>, queue: &Queue, layers: &mut Layers) -> Option<Secret> {
    match (said, queue) {
        (Some(said), _) if named_redis(&said) => {
            layers.check_redis("events", &said);
            Some(Secret(said))
        }
        (Some(said), _) if said == "none" => None,
        (Some(_), _) => {
            layers.fault("events", "expected redis://HOST[:PORT][/DATABASE], or none");
            None
        }
        (None, Queue::Redis(url)) => {
            let shown = keys::find("events").map_or_else(String::new, |key| key.shown(&url.0));
            layers.derive("events", shown);
            Some(url.clone())
        }
        (None, Queue::InDatabase) => None,
    }
}

fn named_redis(said: &str) -> bool {
    said.starts_with("redis://") || said.starts_with("rediss://")
}

impl Layers {
    fn check_redis(&mut self, name: &str, said: &str) {
        if said.starts_with("rediss://") {
            self.fault(
                name,
                "this build has no TLS to Redis: expected redis://, through a tunnel where that is needed",
            );
        } else if link::check(said).is_err() {
            // What was said may hold a password, and so may what the parser says of it.
            self.fault(
                name,
                "expected redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?prefix=WORD], the word of letters, digits, \
                 -, _ and .",
            );
        }
    }
}
