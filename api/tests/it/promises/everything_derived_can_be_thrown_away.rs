//! Rows, counts and the index are made again from the stored bytes, and come out the same.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::captures::register_testers;
use crate::recount::{check_counts, send_and_correct};
use crate::server::{Server, exchange};
use crate::submissions::captures;

/// All that is derived, less the numbers and times of the changes that made it.
async fn derived(server: &Server) -> BTreeMap<String, String> {
    let mut derived = BTreeMap::new();
    for row in server.lines("/v4/results").await {
        derived.insert(format!("result {}", row["id"]), row.to_string());
    }
    for mut row in server.lines("/v4/summaries").await {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let (language, distribution, version) = (text("language"), text("distribution"), text("version"));
        let release = format!("{distribution}/{version}?language={language}");
        for path in
            [format!("/v4/matrix/{release}&axes=language_version,os,architecture"), format!("/v4/releases/{release}")]
        {
            let mut view = server.json(&path).await;
            without_changes(&mut view);
            derived.insert(path, view.to_string());
        }
        without_changes(&mut row);
        derived.insert(format!("summary {release}"), row.to_string());
    }
    for query in ["successful", "grade:fail", "distribution:Acme", "lot AND os:freebsd"] {
        let found =
            server.ask(server.client.get(server.at("/v4/search")).query(&[("q", query), ("limit", "100")])).await;
        let found = found.json();
        let mut ids: Vec<&str> =
            found["items"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert!(found["total"].as_i64().unwrap() > 0, "{query}: {found}");
        // Of more than a page, which come first is a matter of equal scores.
        let ids = if found["next"].is_null() { ids } else { Vec::new() };
        derived.insert(format!("search {query}"), format!("{} {ids:?}", found["total"]));
    }
    derived
}

fn without_changes(view: &mut Value) {
    for name in ["number", "changed_at", "fresh_at", "head", "waiting"] {
        view.as_object_mut().unwrap().remove(name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_derived_can_be_thrown_away() {
    let mut server = Server::start();
    register_testers(&server).await;
    for capture in captures().iter().step_by(5) {
        assert_eq!(exchange(&server, &capture.bytes).await.status, 201);
    }
    send_and_correct(&server, &mut StdRng::seed_from_u64(3), 80).await;
    server.settle_index().await;
    let before = derived(&server).await;
    assert!(before.len() > 100, "{}", before.len());

    for clear in [true, false] {
        server.stop();
        let arguments: &[&str] = if clear { &["rebuild", "--clear", "--json"] } else { &["rebuild", "--json"] };
        let told: Value = serde_json::from_str(&server.run(arguments)).unwrap();
        assert_eq!(
            told["reports"].as_u64().unwrap() as usize,
            before.keys().filter(|key| key.starts_with("result")).count()
        );
        if !clear {
            assert_eq!(told["changes"], 0, "what came out the same is no change");
        }
        server.start_again();
        server.settle_index().await;
        let after = derived(&server).await;
        for (key, value) in &before {
            assert_eq!(after.get(key), Some(value), "{key}");
        }
        assert_eq!(after.len(), before.len());
        check_counts(&server).await;
    }
}
