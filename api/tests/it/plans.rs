//! At a million reports on PostgreSQL, what every public GET route asks of the database is found by an index, and what
//! an operator's orders do, too.
//!
//! The database explains each statement that it runs (`auto_explain`) to whoever sent it; the server logs that, and this
//! test reads the plans out of the log. Nothing is measured in time.

mod filling;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::index::{DocumentIndex as _, Tantivy};
use serde_json::Value;
use tokio::time::timeout;

use crate::server::Server;
use crate::submissions::Made;

/// Rows from which on a table is large.
const LARGE: f64 = 100_000.0;

/// Rows that may be looked at for each row that is found, where it is more than [`LARGE`] of them in all: a long list
/// of what is rare among the frequent is read past these.
const PATIENCE: f64 = 1_000.0;

/// Bytes of an answer that are waited for; a stream goes on with the same statement.
const ENOUGH: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn no_route_makes_the_database_read_a_large_table_from_end_to_end() {
    let Some(postgres) = services::postgres() else { return };
    let database = services::fresh_database(&postgres);
    let large = filling::fill(database.url()).await;
    assert!(large.len() >= 5, "{large:?}");
    let directory = tempfile::tempdir().unwrap();
    let set = format!("database={}", database.url());
    // The index is taken to hold what the database was filled with; reports that the test sends are put into it.
    Tantivy::open(&directory.path().join("data/index")).unwrap().put(Vec::new(), Vec::new(), filling::HEAD).unwrap();
    let settings = ["--listen", "127.0.0.1:0", "--set", &set, "--set", "log.level=warn", "--set", "log.format=json"];
    let server = Server::on(directory, &settings);
    let mut log = Log::default();
    let mut faults = BTreeMap::new();
    let mut note = |asked: &str, found: Vec<String>| {
        for fault in found {
            faults.entry(fault).or_insert_with(Vec::new).push(asked.to_owned());
        }
    };

    let made = Made { distribution: "Dist-17".to_owned(), version: "3.0".to_owned(), grade: "fail", ..Made::default() };
    assert_eq!(server.submit(&made.json()).await.status, 202);
    server.settle_index().await;
    let (token, _) = server.token(&["--scope", "admin", "--set", &set]);
    note("start, and one report", log.faults(&server, &large));

    let asked = routes::requests(&server, &made.id).await;
    for path in &asked {
        let mut answer = server.client.get(server.at(path)).bearer_auth(&token).send().await.unwrap();
        let status = answer.status().as_u16();
        // Some examples are of what is not there.
        if status >= 400 && !(status == 404 && path.contains('=')) {
            note(path, vec![format!("answered {status}: {}", answer.text().await.unwrap())]);
            continue;
        }
        let mut read = 0;
        // Events come without end.
        let silence = if path.starts_with("/v4/events") { Duration::from_millis(300) } else { Duration::MAX };
        while let Ok(piece) = timeout(silence, answer.chunk()).await {
            let Some(piece) = piece.unwrap() else { break };
            read += piece.len();
            if read > ENOUGH {
                break;
            }
        }
        drop(answer);
        note(path, log.faults(&server, &large));
    }
    for (path, order) in routes::orders(&made.id) {
        let answer = server.client.post(server.at(&path)).bearer_auth(&token).json(&order).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path} {order}: {status} {}", answer.text().await.unwrap());
        server.settle_index().await;
        note(&format!("{path} {order}"), log.faults(&server, &large));
    }
    assert!(log.plans > 2 * asked.len(), "{} statements were explained for {} requests", log.plans, asked.len());
    let told: Vec<String> = faults
        .iter()
        .map(|(fault, asked)| format!("{fault}\n  asked by {}", asked[..asked.len().min(5)].join(" ")))
        .collect();
    assert!(told.is_empty(), "{} faults:\n{}", told.len(), told.join("\n"));
}

/// The server's log, read as far as it was at the last look.
#[derive(Default)]
struct Log {
    read: usize,
    plans: usize,
}

impl Log {
    /// What is wrong with the plans that have come since the last look: statement, and the part of its plan.
    fn faults(&mut self, server: &Server, large: &BTreeSet<String>) -> Vec<String> {
        let log = server.log();
        // The last line may be half written.
        let end = log.rfind('\n').map_or(0, |end| end + 1);
        let mut faults = Vec::new();
        for line in log[self.read..end].lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let message = event["fields"]["message"].as_str().unwrap_or_default();
            let Some((_, plan)) = message.split_once("plan:\n") else { continue };
            let plan: Value = serde_json::from_str(plan).unwrap_or_else(|error| panic!("{error}: {plan}"));
            self.plans += 1;
            let mut found = Vec::new();
            let given = plan["Plan"]["Actual Rows"].as_f64().unwrap_or_default();
            scans(&plan["Plan"], LARGE.max(given * PATIENCE), large, &mut found);
            faults.extend(found.into_iter().map(|part| format!("{}\n  {part}", plan["Query Text"].as_str().unwrap())));
        }
        self.read = end;
        faults
    }
}

/// Parts of a plan that read a large table from end to end, or more than `most` rows of it by an index.
fn scans(plan: &Value, most: f64, large: &BTreeSet<String>, found: &mut Vec<String>) {
    let kind = plan["Node Type"].as_str().unwrap();
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let read = (number("Actual Rows") + removed) * number("Actual Loops").max(1.0);
    if let Some(table) = plan["Relation Name"].as_str() {
        // Partitions are named after their table.
        let is_large = large.iter().any(|large| table == large || table.starts_with(&format!("{large}_2")));
        if is_large && (kind == "Seq Scan" || read > most) {
            let index = plan["Index Name"].as_str().unwrap_or_default();
            found.push(format!("{kind} of {table} {index} reads {read} rows"));
        }
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        scans(part, most, large, found);
    }
}
