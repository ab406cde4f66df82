//! The scenarios: each starts what it measures, measures it, and stops it again.

use std::sync::Arc;

use clap::Subcommand;

use crate::generator::Generator;
use crate::http::head;
use crate::load::Requests;
use crate::measurement::Measurement;
use crate::options::Options;

mod accept;
mod changes;
mod matrix;
mod process;
mod read;
mod releases;
mod search;
mod visible;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Scenario {
    /// Durable intake of real-size reports, beside a bare handler and bare SQLite
    Accept,
    /// Working off a backlog, with and without the index
    Process,
    /// Time from acceptance to the counts and to the search
    Visible,
    /// One release and one matrix again and again, beside a bare handler
    Read,
    /// The matrix of a release with very many reports, each time after a change
    Matrix,
    /// Reading the whole change feed, beside the sqlite3 shell
    Changes,
    /// The list of 400,000 releases, published and from the database, beside the sqlite3 shell
    Releases,
    /// A mix of searches
    Search,
}

impl Scenario {
    pub const ALL: [Scenario; 8] = [
        Scenario::Accept,
        Scenario::Process,
        Scenario::Visible,
        Scenario::Read,
        Scenario::Matrix,
        Scenario::Changes,
        Scenario::Releases,
        Scenario::Search,
    ];

    pub async fn measure(self, options: &Options) -> anyhow::Result<Measurement> {
        match self {
            Scenario::Accept => accept::measure(options).await,
            Scenario::Process => process::measure(options).await,
            Scenario::Visible => visible::measure(options).await,
            Scenario::Read => read::measure(options).await,
            Scenario::Matrix => matrix::measure(options).await,
            Scenario::Changes => changes::measure(options).await,
            Scenario::Releases => releases::measure(options).await,
            Scenario::Search => search::measure(options).await,
        }
    }
}

/// Requests that send generated reports, one each.
struct Submissions {
    generator: Arc<Generator>,
}

impl Requests for Submissions {
    fn write(&self, number: u64, request: &mut Vec<u8>) {
        write_submission(&self.generator, number, request);
    }
}

fn write_submission(generator: &Generator, number: u64, request: &mut Vec<u8>) {
    let mut body = String::with_capacity(32 * 1024);
    generator.write(number, &mut body);
    head(request, "POST", "/v4/reports", "content-type: application/json\r\n", Some(body.len()));
    request.extend_from_slice(body.as_bytes());
}

/// A path with its parts percent-encoded.
fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", encoded(part))).collect()
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
