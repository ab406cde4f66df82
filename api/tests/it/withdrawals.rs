//! Reports are taken back by their testers and by operators, and put back: over HTTP, on pages, by commands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli_stub::{Ran, assay};
use crate::recount::{check_counts, counts};
use crate::server::{Answer, Server};
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";

async fn send(server: &Server, token: &str, made: &Made) -> Answer {
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/json");
    server.ask(request.bearer_auth(token).body(made.json().to_string())).await
}

async fn delete(server: &Server, token: &str, id: &str, query: &[(&str, &str)]) -> Answer {
    server.ask(server.client.delete(server.at(&format!("/v4/reports/{id}"))).bearer_auth(token).query(query)).await
}

async fn restore(server: &Server, token: &str, id: &str) -> Answer {
    server.ask(server.client.post(server.at(&format!("/v4/reports/{id}/restore"))).bearer_auth(token)).await
}

async fn invalidate(server: &Server, token: &str, order: &Value) -> Answer {
    server.ask(server.client.post(server.at("/v4/invalidations")).bearer_auth(token).json(order)).await
}

/// A refusal under `/v4`, and its detail.
fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

async fn found(server: &Server) -> i64 {
    server.settle_index().await;
    server.json("/v4/search?q=distribution:Foo-Bar").await["total"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_retracts_a_report_and_it_is_gone_from_everywhere_but_its_own_places() {
    let server = Server::start();
    let (ann, _) = server.token(&["--scope", "submit", "--tester", "Ann Example"]);
    let (bob, _) = server.token(&["--scope", "submit", "--tester", "Bob Example"]);
    let made = Made { grade: "fail", ..Made::default() };
    let other = Made { version: "1.1".to_owned(), ..Made::default() };
    assert_eq!((send(&server, &ann, &made).await.status, send(&server, &bob, &other).await.status), (202, 202));
    assert_eq!(found(&server).await, 2);
    let path = format!("/v4/reports/{}", made.id);
    let tester = server.json(&path).await["result"]["tester_id"].as_str().unwrap().to_owned();
    let etag = server.get(&path).await.header("etag").to_owned();
    let cursor = server.json("/v4/changes").await["next"].as_str().unwrap().to_owned();

    let reason = "my compiler was broken, ann@example.org";
    let answer = delete(&server, &ann, &made.id, &[("reason", reason)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let receipt = answer.json();
    let withdrawn = &receipt["withdrawn"];
    assert_eq!(
        (&withdrawn["as"], &withdrawn["by"], &withdrawn["body"], &withdrawn["reason"]),
        (&json!("retracted"), &json!("tester"), &json!("kept"), &json!("my compiler was broken, ann@…"))
    );
    assert_eq!(server.json(&format!("{path}/receipt")).await, receipt);
    assert_eq!(delete(&server, &ann, &made.id, &[("reason", "again")]).await.json(), receipt, "it changes nothing");

    assert_eq!(server.lines("/v4/results").await.len(), 1);
    assert_eq!(server.get("/v4/releases/Foo-Bar/1.0").await.status, 404);
    assert_eq!(server.get("/v4/matrix/Foo-Bar/1.0").await.status, 404);
    assert_eq!(counts(&server.json(&format!("/v4/testers/{tester}")).await), [0; 4]);
    assert_eq!(found(&server).await, 1);
    check_counts(&server).await;
    let changes = server.json(&format!("/v4/changes?after={cursor}")).await["changes"].clone();
    let told: Vec<_> = changes.as_array().unwrap().iter().map(|one| (&one["key"], &one["removed"])).collect();
    assert_eq!(told, [(&json!(made.id), &json!(true)), (&json!("perl/Foo-Bar/1.0"), &json!(true))]);
    assert!(changes.as_array().unwrap().iter().all(|one| one["value"].is_null()));

    // Who asks for it by name is told, and still reads it.
    let answer = server.get(&path).await;
    assert!(answer.json()["result"].is_null() && answer.header("etag") != etag);
    assert_eq!(answer.json()["withdrawn"], *withdrawn);
    for (end, text) in [("text", "All tests successful."), ("raw", "\"All tests successful.\"")] {
        let answer = server.get(&format!("{path}/{end}")).await;
        assert_eq!((answer.status, answer.header("assay-withdrawn")), (200, "retracted"));
        assert!(answer.text().contains(text), "{}", answer.text());
    }
    for page in [format!("/report/{}", made.id), format!("/status/{}", made.id)] {
        let page = server.get(&page).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("Retracted by its tester") && page.text().contains("my compiler was broken"));
    }

    for page in ["/report", "/cpan/report"] {
        let (shape, letter) = (format!("{page}/{}?json=1", made.id), format!("{page}/{}?raw=1", made.id));
        assert_eq!(server.get(&shape).await.text(), "{\"success\":0}");
        let letter = server.get(&letter).await;
        assert_eq!((letter.status, letter.text().contains("<h1>Report not found</h1>")), (200, true));
    }

    // The same again is the same receipt; a correction is refused.
    let again = send(&server, &ann, &made).await;
    assert_eq!((again.status, again.json()), (200, receipt));
    let corrected = Made { grade: "pass", ..made.clone() };
    let refusal = send(&server, &ann, &corrected).await;
    assert!(refused(&refusal, 409).contains("was withdrawn"));
    assert_eq!(refusal.json()["type"], "/problems/withdrawn");
    let line = server.post("/v4/reports", "application/x-ndjson", corrected.json().to_string()).await.json();
    assert_eq!((&line["outcome"], &line["status"]), (&json!("conflict"), &json!(409)));
    assert!(line["detail"].as_str().unwrap().contains("was withdrawn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_tester_or_an_operator_withdraws_a_report() {
    let server = Server::start();
    let (ann, _) = server.token(&["--scope", "submit", "--tester", "Ann Example"]);
    let (bob, _) = server.token(&["--scope", "submit", "--tester", "Bob Example"]);
    let (reader, _) = server.token(&["--scope", "read"]);
    let (nobody, _) = server.token(&["--scope", "submit"]);
    let (admin, _) = server.token(&["--scope", "admin"]);
    let [anns, nobodys, anonymous] = [Made::default(), Made::default(), Made::default()];
    send(&server, &ann, &anns).await;
    send(&server, &nobody, &nobodys).await;
    server.submit(&anonymous.json()).await;
    server.settle().await;
    let why: &[(&str, &str)] = &[("reason", "why")];

    refused(&server.ask(server.client.delete(server.at(&format!("/v4/reports/{}", anns.id)))).await, 401);
    refused(&delete(&server, "wrong", &anns.id, why).await, 401);
    refused(&delete(&server, &reader, &anns.id, why).await, 403);
    assert!(refused(&delete(&server, &bob, &anns.id, why).await, 403).contains("is not yours"));
    for token in [&ann, &nobody] {
        refused(&delete(&server, token, &anonymous.id, why).await, 403);
    }
    refused(&delete(&server, &ann, &anns.id, &[("reason", "why"), ("as", "invalid")]).await, 403);
    refused(&delete(&server, &ann, &uuid::Uuid::new_v4().to_string(), why).await, 404);
    refused(&delete(&server, &ann, "no-id", why).await, 400);
    let long = "x".repeat(1001);
    for query in [
        &[][..],
        &[("reason", " ")],
        &[("reason", &long)],
        &[("reason", "why"), ("body", "burn")],
        &[("reason", "why"), ("as", "spam")],
        &[("reason", "why"), ("colour", "red")],
    ] {
        refused(&delete(&server, &ann, &anns.id, query).await, 400);
    }
    refused(&restore(&server, &ann, &anns.id).await, 403);
    refused(&invalidate(&server, &ann, &json!({"ids": [anns.id], "reason": "why"})).await, 403);
    assert_eq!(server.lines("/v4/results").await.len(), 3, "nothing was withdrawn");

    assert_eq!(delete(&server, &nobody, &nobodys.id, why).await.json()["withdrawn"]["by"], "tester");
    let by_admin = delete(&server, &admin, &anonymous.id, &[("reason", "spam"), ("as", "invalid")]).await.json();
    assert_eq!((&by_admin["withdrawn"]["by"], &by_admin["withdrawn"]["as"]), (&json!("operator"), &json!("invalid")));
    assert_eq!(delete(&server, &admin, &anns.id, &[("reason", "spam"), ("as", "invalid")]).await.status, 200);
    let overruled = delete(&server, &ann, &anns.id, &[("reason", "no"), ("body", "purge")]).await;
    assert!(refused(&overruled, 409).contains("marked report"));
    assert!(server.lines("/v4/results").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_tester_retracts_with_profile_and_secret() {
    let server = Server::start();
    let profile = registration(PROFILE, "Lena Legacy", "lena@example.org", Some("s3cr:t/x"));
    assert_eq!(server.post("/api/v1/register", "application/octet-stream", profile.clone()).await.status, 200);
    let made = Made::default();
    let credentials = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{PROFILE}:{secret}")));
    let submit = |made: &Made| {
        let request = server.client.post(server.at("/api/v1/submit/CPAN-Testers-Report"));
        request.header("authorization", credentials("s3cr:t/x")).body(legacy_report(&made.id, PROFILE, made))
    };
    assert_eq!(server.ask(submit(&made)).await.status, 201);
    let others = Made::default();
    server.submit(&others.json()).await;
    server.settle().await;
    let retract = |id: &str, secret: &str| {
        let request = server.client.delete(server.at(&format!("/v4/reports/{id}?reason=why")));
        server.ask(request.header("authorization", credentials(secret)))
    };
    refused(&retract(&made.id, "guessed").await, 401);
    refused(&retract(&others.id, "s3cr:t/x").await, 403);

    let file = server.home().join("metabase_id.json");
    std::fs::write(&file, profile).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["retract", &made.id, "--reason", "why", "--id-file", file, "--json", "--server", &server.url];
    let ran = assay(server.home(), &arguments).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let receipt: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(receipt["withdrawn"]["by"], "tester");
    assert_eq!(retract(&made.id, "s3cr:t/x").await.json(), receipt);
    let corrected = Made { grade: "fail", ..made.clone() };
    let refusal = server.ask(submit(&corrected)).await;
    assert_eq!(refusal.status, 409);
    assert!(refusal.json()["error"].as_str().unwrap().contains("was withdrawn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_bytes_are_gone_and_a_kept_report_comes_back() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let [kept, purged] = [Made::default(), Made { text: "Verschlusssache".to_owned(), ..Made::default() }];
    server.submit_all(&[kept.json(), purged.json()]).await;
    server.settle_index().await;
    let row = server.json(&format!("/v4/reports/{}", kept.id)).await["result"].clone();
    let digest = server.json(&format!("/v4/reports/{}", purged.id)).await["digest"].clone();
    for (made, body) in [(&kept, "keep"), (&purged, "purge")] {
        let query = [("reason", "a test"), ("as", "invalid"), ("body", body)];
        assert_eq!(delete(&server, &admin, &made.id, &query).await.status, 200);
    }
    assert_eq!(found(&server).await, 0);

    let path = format!("/v4/reports/{}", purged.id);
    for end in ["text", "raw"] {
        let detail = refused(&server.get(&format!("{path}/{end}")).await, 410);
        assert!(detail.contains("purged: a test"), "{detail}");
    }
    let view = server.json(&path).await;
    assert!(view["report"].is_null() && view["details"].is_null(), "{view}");
    assert_eq!((&view["digest"], &view["withdrawn"]["body"]), (&digest, &json!("purged")));
    let page = server.get(&format!("/report/{}", purged.id)).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Its text was deleted") && !page.text().contains("Verschlusssache"));
    assert!(refused(&restore(&server, &admin, &purged.id).await, 409).contains("purged"));

    let answer = restore(&server, &admin, &kept.id).await;
    assert_eq!((answer.status, &answer.json()["withdrawn"]), (200, &Value::Null));
    server.settle().await;
    assert_eq!(server.json(&format!("/v4/reports/{}", kept.id)).await["result"], row);
    assert_eq!(counts(&server.json("/v4/releases/Foo-Bar/1.0").await), [1, 0, 0, 0]);
    assert_eq!(found(&server).await, 1);
    assert_eq!(restore(&server, &admin, &kept.id).await.status, 200, "a report that stands is left as it is");
    check_counts(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_keeps_what_was_withdrawn() {
    let mut server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let made: Vec<Made> = (0..6).map(|_| Made::default()).collect();
    server.submit_all(&made.iter().map(Made::json).collect::<Vec<_>>()).await;
    server.settle().await;
    delete(&server, &admin, &made[0].id, &[("reason", "one")]).await;
    delete(&server, &admin, &made[1].id, &[("reason", "two"), ("body", "purge")]).await;
    let receipt = server.json(&format!("/v4/reports/{}/receipt", made[1].id)).await;
    let rows = server.lines("/v4/results").await;
    assert_eq!(rows.len(), 4);
    for arguments in [&["rebuild"][..], &["rebuild", "--clear"]] {
        server.stop();
        server.run(arguments);
        server.start_again();
        assert_eq!(server.lines("/v4/results").await, rows);
        assert_eq!(server.json(&format!("/v4/reports/{}/receipt", made[1].id)).await, receipt);
        assert_eq!(found(&server).await, 4);
        check_counts(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_invalidates_by_tester_and_time_after_a_dry_run() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let (spam, _) = server.token(&["--scope", "submit", "--tester", "Spam Bot"]);
    let bad: Vec<Made> = (0..300).map(|_| Made::default()).collect();
    let good = Made { tester: "Good Tester".to_owned(), ..Made::default() };
    let body: String = bad.iter().map(|made| format!("{}\n", made.json())).collect();
    let request = server.client.post(server.at("/v4/reports")).header("content-type", "application/x-ndjson");
    assert_eq!(server.ask(request.bearer_auth(&spam).body(body)).await.status, 202);
    server.submit(&good.json()).await;
    // Another tester of a name that occurs: the door is no proof of it.
    server.submit(&Made { tester: "Good Tester".to_owned(), ..Made::default() }.json()).await;
    let (also_good, _) = server.token(&["--scope", "submit", "--tester", "Good Tester"]);
    send(&server, &also_good, &Made::default()).await;
    server.settle().await;
    assert_eq!(server.lines("/v4/results").await.len(), 303);

    let order = |extra: Value| {
        let mut order = json!({"tester": "Spam Bot", "reason": "spam"});
        order.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        order
    };
    let dry = invalidate(&server, &admin, &order(json!({"dry_run": true}))).await.json();
    assert_eq!((&dry["matched"], &dry["withdrawn"], &dry["remaining"]), (&json!(300), &json!(0), &json!(300)));
    let sample: Vec<&str> = dry["sample"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(sample.len() == 10 && sample.iter().all(|id| bad.iter().any(|made| made.id == **id)));
    let future = order(json!({"received_since": "2200-01-01", "dry_run": true}));
    assert_eq!(invalidate(&server, &admin, &future).await.json()["matched"], 0);
    let past = order(json!({"received_before": "2020-01-01"}));
    assert_eq!(invalidate(&server, &admin, &past).await.json()["withdrawn"], 0);
    assert_eq!(server.lines("/v4/results").await.len(), 303, "nothing was withdrawn");

    for (faulty, status) in [
        (json!({"reason": "spam"}), 400),
        (order(json!({"reason": ""})), 400),
        (order(json!({"colour": "red"})), 400),
        (order(json!({"as": "wrong"})), 400),
        (order(json!({"received_since": "yesterday"})), 400),
        (order(json!({"tester": "Nobody"})), 404),
        (order(json!({"tester": "Good Tester"})), 400),
        (json!({"ids": ["no-id"], "reason": "spam"}), 400),
        (json!({"ids": [uuid::Uuid::new_v4()], "reason": "spam"}), 404),
    ] {
        let detail = refused(&invalidate(&server, &admin, &faulty).await, status);
        assert!(!detail.is_empty(), "{faulty}");
    }

    let done = invalidate(&server, &admin, &order(json!({}))).await.json();
    assert_eq!((&done["withdrawn"], &done["already"], &done["remaining"]), (&json!(300), &json!(0), &json!(0)));
    assert_eq!(server.lines("/v4/results").await.len(), 3);
    let again = invalidate(&server, &admin, &order(json!({}))).await.json();
    assert_eq!((&again["matched"], &again["already"], &again["withdrawn"]), (&json!(300), &json!(300), &json!(0)));
    let receipt = server.json(&format!("/v4/reports/{}/receipt", bad[299].id)).await;
    assert_eq!((&receipt["withdrawn"]["as"], &receipt["withdrawn"]["reason"]), (&json!("invalid"), &json!("spam")));
    check_counts(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_retract_invalidate_and_restore() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let (ann, _) = server.token(&["--scope", "submit", "--tester", "Ann Example"]);
    let made: Vec<Made> = (0..4).map(|_| Made::default()).collect();
    for one in &made {
        send(&server, &ann, one).await;
    }
    server.settle().await;
    let run = async |token: &str, arguments: &[&str]| -> Ran {
        assay(server.home(), &[arguments, &["--server", &server.url, "--token", token]].concat()).await
    };
    let missing = uuid::Uuid::new_v4().to_string();
    let ran = run(&ann, &["retract", &made[0].id, &missing, &made[1].id, "--reason", "a broken compiler"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.starts_with(&format!("{missing}: 404 Not found")), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with(&format!("{}  retracted by the tester at ", made[0].id)));
    assert!(lines[1].ends_with("bytes kept: a broken compiler"), "{ran:?}");
    let ran = run(&ann, &["invalidate", &made[2].id, "--reason", "spam"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");

    let by_tester = ["invalidate", "--tester", "Ann Example", "--since", "2020-01-01", "--reason", "spam", "--json"];
    let ran = run(&admin, &[&by_tester[..], &["--dry-run"]].concat()).await;
    let dry: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    // Retracted is not invalid, so all four are meant.
    assert_eq!((&dry["matched"], &dry["remaining"], &dry["dry_run"]), (&json!(4), &json!(4), &json!(true)));
    let ran = run(&admin, &by_tester).await;
    let done: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((&done["withdrawn"], &done["remaining"]), (&json!(4), &json!(0)));
    let ran = run(&admin, &["invalidate", &made[0].id, "--reason", "spam", "--purge"]).await;
    assert!(ran.stdout.contains("withdrawn       1\n"), "{ran:?}");

    let ran = run(&admin, &["restore", &made[0].id, &made[1].id, "--json"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("409 The report was withdrawn") && ran.stderr.contains("purged"), "{ran:?}");
    let receipt: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&receipt["id"], receipt.get("withdrawn")), (&json!(made[1].id), None));
    server.settle().await;
    let rows = server.lines("/v4/results").await;
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!(made[1].id)));
    let ran = run(&ann, &["receipt", &made[2].id]).await;
    assert!(ran.stdout.contains("withdrawn  invalid by the operator at "), "{ran:?}");
}
