//! A disk without room: reports are refused before anything is at risk, none is lost or half stored, readers go on,
//! and intake opens by itself when there is room again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::Made;

const MEBIBYTE: usize = 1 << 20;

/// A report whose text cannot be packed to less than half.
fn bulky(random: &mut StdRng, bytes: usize) -> Made {
    let text = (0..bytes).map(|_| char::from(random.random_range(b' '..=b'~'))).collect();
    Made { text, ..Made::default() }
}

async fn by_each_door(server: &Server) -> [Answer; 4] {
    let body = Made::default().json().to_string();
    let legacy = server.client.post(server.at("/api/v1/submit/CPAN-Testers-Report"));
    [
        server.post("/v4/reports", "application/json", body.clone()).await,
        server.post("/v4/reports", "application/x-ndjson", body.clone()).await,
        server.post("/v3/report", "application/json", body.clone()).await,
        server.ask(legacy.basic_auth(uuid::Uuid::new_v4(), Some("x")).body(body)).await,
    ]
}

async fn assert_closed(server: &Server) {
    for answer in by_each_door(server).await {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert!(answer.text().contains("the disk is nearly full"), "{}", answer.text());
    }
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200, "readers go on");
    assert_eq!((&ready.json()["disk"], &ready.json()["intake"]), (&"nearly full".into(), &"closed".into()));
}

async fn wait_for(server: &Server, what: &str, status: u16) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = server.submit(&Made::default().json()).await;
        if answer.status == status {
            return;
        }
        assert!(Instant::now() < end, "{what}: {} {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_less_than_the_reserve_every_door_is_closed_and_readers_go_on() {
    // No disk has this much.
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", "intake.disk_reserve=1000000000 GiB"]);
    assert_closed(&server).await;
    assert_eq!(server.json("/v4/results").await["items"], serde_json::json!([]));
    assert_eq!(server.get("/").await.status, 200);
    assert!(server.metric("assay_disk_available_bytes").await > 0.0);
    assert!(server.metric("assay_turned_away_total").await >= 4.0);
    assert_eq!(server.json("/v4/status").await["waiting"], 0);
}

fn small_disk(mebibytes: usize, settings: &[&str]) -> Option<Server> {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect();
    let server = Server::on_small_disk(mebibytes, &arguments);
    if server.is_none() {
        services::say("this machine lets nobody mount a small disk: what a full one does was NOT tested");
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reserve_closes_the_doors_and_room_opens_them_again() {
    let Some(server) = small_disk(64, &["intake.disk_reserve=16MiB"]) else { return };
    let kept = Made::default();
    assert_eq!(server.submit(&kept.json()).await.status, 202);
    let filler = server.seen_data().join("filler");
    std::fs::write(&filler, vec![1; 46 * MEBIBYTE]).unwrap();
    wait_for(&server, "a full disk closes the doors", 503).await;
    assert_closed(&server).await;
    assert_eq!(server.get(&format!("/v4/reports/{}", kept.id)).await.status, 200);
    std::fs::remove_file(&filler).unwrap();
    wait_for(&server, "room opens the doors again", 202).await;
    assert_eq!(server.json("/readyz").await["disk"], "ok");
    server.settle_index().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_finds_no_room_loses_nothing_and_stores_nothing_by_halves() {
    let Some(server) = small_disk(48, &["intake.disk_reserve=0"]) else { return };
    let filler = server.seen_data().join("filler");
    std::fs::write(&filler, vec![1; 12 * MEBIBYTE]).unwrap();
    let mut random = StdRng::seed_from_u64(4);
    let (mut accepted, mut refused) = (BTreeMap::new(), Vec::new());
    while refused.len() < 10 {
        let size = random.random_range(1_000..MEBIBYTE);
        let made = bulky(&mut random, size);
        let body = made.json().to_string();
        let answer = server.post("/v4/reports", "application/json", body.clone()).await;
        match answer.status {
            200 | 202 => drop(accepted.insert(made.id, body)),
            503 => {
                assert!(!answer.header("retry-after").is_empty());
                refused.push(made.id);
            }
            status => panic!("{status}: {}", answer.text()),
        }
        assert!(accepted.len() < 1000, "the disk does not fill up");
        assert_eq!(server.get("/v4/results").await.status, 200, "readers go on");
    }
    assert!(accepted.len() > 3, "{}", accepted.len());
    std::fs::remove_file(&filler).unwrap();
    wait_for(&server, "intake recovers by itself", 202).await;
    server.settle().await;
    for (id, body) in &accepted {
        let raw = server.get(&format!("/v4/reports/{id}/raw")).await;
        assert!(raw.status == 200 && raw.body == body.as_bytes(), "{id} is not as it was sent: {}", raw.status);
        let receipt = server.json(&format!("/v4/reports/{id}/receipt")).await;
        assert_eq!(receipt["state"], "processed", "{receipt}");
    }
    for id in &refused {
        assert_eq!(server.get(&format!("/v4/reports/{id}/receipt")).await.status, 404);
    }
    let counted = server.json("/v4/releases/Foo-Bar/1.0").await;
    let settled = accepted.len() + 1;
    assert_eq!(counted["pass"], settled, "{counted}");
}
