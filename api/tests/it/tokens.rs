//! Bearer tokens: issued, limited to their scopes, rotated, revoked, expired; and what an admin's token can do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Answer, PATIENCE, Server};
use crate::submissions::Made;

/// A server on which nothing can be sent without a token.
fn guarded() -> Server {
    Server::with(&["--listen", "127.0.0.1:0", "--set", "intake.anonymous=false"])
}

async fn send(server: &Server, token: &str) -> Answer {
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    server.ask(request.bearer_auth(token).body(Made::default().json().to_string())).await
}

/// Waits for an answer of this status: another process changed the database, which the server looks up now and then.
async fn comes_to(server: &Server, token: &str, status: u16) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = send(server, token).await;
        if answer.status == status {
            return;
        }
        assert!(Instant::now() < end, "still {}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_by_the_command_line_submits_for_its_tester() {
    let server = guarded();
    assert_eq!(server.submit(&Made::default().json()).await.status, 401);
    assert_eq!(server.post("/v3/report", "application/json", Made::default().json().to_string()).await.status, 401);
    let (token, id) = server.token(&["--scope", "submit", "--tester", "Carla Example"]);
    assert_eq!(send(&server, &token).await.status, 202);
    let v3 = server.client.post(server.at("/v3/report")).header("content-type", "application/json").bearer_auth(&token);
    assert_eq!(server.ask(v3.body(Made::default().json().to_string())).await.status, 201);
    server.settle().await;
    let rows = server.lines("/v4/results").await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["tester"] == "Carla Example"), "the token tells who, not the report");
    assert_eq!(rows[0]["tester_id"], rows[1]["tester_id"]);
    let listed = server.run(&["token", "list", "--json"]);
    assert!(listed.contains(&id) && !listed.contains(&token), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say() {
    let server = guarded();
    let (submit, _) = server.token(&["--scope", "submit"]);
    let (read, _) = server.token(&["--scope", "read"]);
    let (admin, _) = server.token(&["--scope", "admin"]);
    let (all, _) = server.token(&["--scope", "submit,read,admin"]);
    for (token, status) in [(&submit, 202), (&read, 403), (&all, 202)] {
        assert_eq!(send(&server, token).await.status, status);
    }
    for (token, status) in [(&submit, 403), (&read, 403), (&admin, 200), (&all, 200)] {
        let tokens = server.ask(server.client.get(server.at("/v4/tokens")).bearer_auth(token)).await;
        assert_eq!(tokens.status, status, "{}", tokens.text());
    }
    for forged in ["", "assay", &submit[..submit.len() - 1], &submit.to_uppercase()] {
        assert_eq!(send(&server, forged).await.status, 401, "{forged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_is_revoked_rotated_or_expires() {
    let server = guarded();
    let (short, _) = server.token(&["--scope", "submit", "--expires", "2s"]);
    let (doomed, doomed_id) = server.token(&["--scope", "submit"]);
    let (old, old_id) = server.token(&["--scope", "submit", "--tester", "Carla Example"]);
    for token in [&short, &doomed, &old] {
        assert_eq!(send(&server, token).await.status, 202);
    }
    server.run(&["token", "revoke", &doomed_id]);
    let rotated: Value = serde_json::from_str(&server.run(&["token", "rotate", &old_id, "--json"])).unwrap();
    let new = rotated["token"].as_str().unwrap();
    assert_eq!(send(&server, new).await.status, 202);
    for token in [&short, &doomed, &old] {
        comes_to(&server, token, 401).await;
    }
    assert_eq!(send(&server, new).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_issues_lists_rotates_and_revokes_by_the_api_with_effect_at_once() {
    let server = guarded();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let client = &server.client;
    let order = json!({"scopes": ["submit"], "tester": "Dora Example", "expires_at": "2999-01-01T00:00:00Z"});
    let issued = server.ask(client.post(server.at("/v4/tokens")).bearer_auth(&admin).json(&order)).await;
    assert_eq!((issued.status, issued.header("cache-control")), (201, "no-store"), "{}", issued.text());
    let (first, id) = (issued.json()["token"].clone(), issued.json()["id"].clone());
    let (first, id) = (first.as_str().unwrap(), id.as_str().unwrap());
    assert_eq!(send(&server, first).await.status, 202);

    let rotate = client.post(server.at(&format!("/v4/tokens/{id}/rotate"))).bearer_auth(&admin);
    let rotated = server.ask(rotate).await.json();
    let (second, second_id) = (rotated["token"].as_str().unwrap(), rotated["id"].as_str().unwrap());
    assert_eq!((&rotated["tester"], &rotated["scopes"]), (&"Dora Example".into(), &json!(["submit"])));
    assert_eq!(send(&server, first).await.status, 401);
    assert_eq!(send(&server, second).await.status, 202);

    let listed = server.ask(client.get(server.at("/v4/tokens")).bearer_auth(&admin)).await;
    assert!(listed.text().contains(second_id) && !listed.text().contains(second), "{}", listed.text());
    let revoke = || client.delete(server.at(&format!("/v4/tokens/{second_id}"))).bearer_auth(&admin);
    assert_eq!(server.ask(revoke()).await.status, 204);
    assert_eq!(send(&server, second).await.status, 401);
    assert_eq!(server.ask(revoke()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_workers_hold_the_queue_and_two_go_on() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let resize = async |workers: usize| {
        let request =
            server.client.put(server.at("/v4/workers")).bearer_auth(&admin).json(&json!({"workers": workers}));
        let answer = server.ask(request).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"workers": workers})));
    };
    let made = || (0..20).map(|_| Made::default().json()).collect::<Vec<_>>();
    server.submit_all(&made()).await;
    server.settle().await;
    for round in 1..=3 {
        resize(0).await;
        server.submit_all(&made()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = server.json("/v4/status").await;
        assert_eq!(
            (&status["waiting"], &status["workers"]),
            (&20.into(), &0.into()),
            "round {round}: held, and worked on"
        );
        resize(2).await;
        server.settle().await;
        assert_eq!(server.json("/v4/status").await["totals"]["pass"], 20 + 20 * round);
    }
}
