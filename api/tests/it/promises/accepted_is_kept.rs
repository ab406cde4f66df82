//! A report that was acknowledged is there after the process was killed, whole, and gets processed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::recount::{check_counts, random_report};
use crate::server::{PATIENCE, Server};
use crate::submissions::{legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";
/// Basic credentials `PROFILE:s3cr:t/x`.
const CREDENTIALS: &str = "Basic Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOnMzY3I6dC94";

/// Bodies that were acknowledged, by id.
type Acknowledged = Arc<Mutex<BTreeMap<String, String>>>;

/// Sends until the server is gone: single reports, batches, and legacy reports, in turn.
async fn send_until_gone(client: reqwest::Client, url: String, mut random: StdRng, acknowledged: Acknowledged) {
    loop {
        let made = [random_report(&mut random), random_report(&mut random), random_report(&mut random)];
        let bodies: Vec<String> = made.iter().map(|made| made.json().to_string()).collect();
        let keep = |place: usize, body: &str| {
            acknowledged.lock().unwrap().insert(made[place].id.clone(), body.to_owned());
        };
        let one = client.post(format!("{url}/v4/reports")).header("content-type", "application/json");
        match one.body(bodies[0].clone()).send().await {
            Ok(answer) if answer.status() == 202 => keep(0, &bodies[0]),
            _ => return,
        }
        let many = client.post(format!("{url}/v4/reports")).header("content-type", "application/x-ndjson");
        let Ok(answer) = many.body(bodies[1..].join("\n")).send().await else { return };
        let Ok(text) = answer.text().await else { return };
        for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            assert_eq!(line["status"], 202, "{line}");
            let place = line["line"].as_u64().unwrap() as usize;
            keep(place, &bodies[place]);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let body = legacy_report(&id, PROFILE, &made[0]);
        let legacy =
            client.post(format!("{url}/api/v1/submit/CPAN-Testers-Report")).header("authorization", CREDENTIALS);
        match legacy.body(body.clone()).send().await {
            Ok(answer) if answer.status() == 201 => acknowledged.lock().unwrap().insert(id, body),
            _ => return,
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_is_kept() {
    let mut server = Server::start();
    let body = registration(PROFILE, "Ann Example", "ann@example.org", Some("s3cr:t/x"));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", body).await.status, 200);
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..5 {
        let acknowledged = Acknowledged::default();
        let senders: Vec<_> = (0..6)
            .map(|_| {
                let seed = StdRng::seed_from_u64(random.random());
                tokio::spawn(send_until_gone(server.client.clone(), server.url.clone(), seed, acknowledged.clone()))
            })
            .collect();
        let end = Instant::now() + PATIENCE;
        while acknowledged.lock().unwrap().is_empty() {
            assert!(Instant::now() < end, "round {round}: nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(100..300))).await;
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        server.start_again();
        server.settle().await;
        let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
        assert!(!acknowledged.is_empty(), "round {round}: nothing was acknowledged before the end");
        for (id, body) in &acknowledged {
            let receipt = server.json(&format!("/v4/reports/{id}/receipt")).await;
            assert_eq!(receipt["state"], "processed", "round {round}: {receipt}");
            let raw = server.get(&format!("/v4/reports/{id}/raw")).await;
            assert!(raw.body == body.as_bytes(), "round {round}: {id} has other bytes");
        }
    }
    check_counts(&server).await;
}
