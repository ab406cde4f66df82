//! The profile that the tests' servers run on: embedded, or what `TEST_PROFILE` names.
//!
//! `postgres`: reports and queue in PostgreSQL, documents in Elasticsearch. Each server has a database of its own.

use services::Database;

/// What a server stores in that is not in its directory; gone with this value.
pub struct Deployed {
    database: Database,
}

impl Deployed {
    /// `None`: the embedded profile.
    pub fn of_profile() -> Option<Deployed> {
        match std::env::var("TEST_PROFILE").as_deref() {
            Err(_) | Ok("") | Ok("embedded") => None,
            Ok("postgres") => Some(Deployed::new()),
            Ok(other) => panic!("TEST_PROFILE {other} is none that these tests know"),
        }
    }

    fn new() -> Deployed {
        let server = services::postgres().expect("TEST_PROFILE asks for PostgreSQL");
        Deployed { database: services::fresh_database(&server) }
    }

    pub fn database(&self) -> &str {
        self.database.url()
    }

    /// The settings that point a server to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("ASSAY_DATABASE", self.database.url().to_owned())]
    }
}

/// Whether a test is about the embedded profile alone, and another one is asked for; says why it is left out.
pub fn embedded_only(why: &str) -> bool {
    let deployed = std::env::var("TEST_PROFILE").is_ok_and(|profile| !profile.is_empty() && profile != "embedded");
    if deployed {
        eprintln!("left out on this profile: {why}");
    }
    deployed
}
