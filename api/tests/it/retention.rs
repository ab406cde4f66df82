//! Old bytes go by the command and by the setting; every door says so, and everything else is answered as before.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::recount::check_counts;
use crate::server::{PATIENCE, Server};
use crate::submissions::Made;

/// Lets the first so many reports have been received in May 2024.
async fn age(server: &Server, raw: &Raw, reports: i64) {
    let at = "2024-05-17T08:00:00+00:00";
    let sql = format!("UPDATE reports SET received_at = '{at}' WHERE number <= {reports}");
    assert_eq!(raw.execute(&sql).await, reports.unsigned_abs());
    if matches!(raw, Raw::Postgres(_)) {
        raw.execute(&format!("UPDATE bodies SET received_at = '{at}' WHERE number <= {reports}")).await;
    }
    server.run(&["rebuild"]);
    if matches!(raw, Raw::Postgres(_)) {
        // The documents there lie by month of receipt, which is never another one for reports that came through a door.
        server.run(&["rebuild", "--index"]);
    }
    server.settle_index().await;
}

/// All rows by number; after a rebuild the newest change is another one's.
async fn rows_of(server: &Server) -> BTreeMap<i64, Value> {
    let rows = server.lines("/v4/results").await;
    rows.into_iter().map(|row| (row["number"].as_i64().unwrap(), row)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_says_that_bytes_are_kept_no_longer_and_gives_all_else() {
    let server = Server::start();
    let (admin, _) = server.token(&["--scope", "admin"]);
    let old = Made { text: "Verschlusssache".to_owned(), grade: "fail", ..Made::default() };
    let new = Made { text: "Verschlusssache".to_owned(), ..Made::default() };
    server.submit(&old.json()).await;
    server.settle().await;
    let raw = Raw::of(&server).await;
    age(&server, &raw, 1).await;
    server.submit(&new.json()).await;
    server.settle_index().await;

    let view = server.json(&format!("/v4/reports/{}", old.id)).await;
    assert_eq!((&view["dropped"], view["report"].is_null()), (&Value::Null, false));
    let etag = server.get(&format!("/v4/reports/{}", old.id)).await.header("etag").to_owned();
    let lists = ["/v4/results", "/v4/summaries", "/v4/changes", "/v4/matrix/Foo-Bar/1.0", "/v3/summary/Foo-Bar/1.0"];
    let mut before = Vec::new();
    for path in lists {
        before.push(server.get(path).await.text());
    }

    let (code, due) = server.told(&["retention", "--set", "retention.bodies=3", "--json"]);
    assert_eq!((code, due["due"][0]["month"].as_str(), &due["due"][0]["bodies"]), (0, Some("2024-05"), &json!(1)));
    assert_eq!(due["first_kept"]["superseded_bodies"], Value::Null);
    assert_eq!(server.get(&format!("/v4/reports/{}/raw", old.id)).await.status, 200, "looking drops nothing");
    let text = server.run(&["retention", "--set", "retention.bodies=3"]);
    assert!(text.contains("would go; --apply drops them") && text.contains("2024-05"), "{text}");
    let (code, gone) = server.told(&["retention", "--set", "retention.bodies=3", "--apply", "--json"]);
    assert_eq!((code, &gone["handled"][0]["ending"], &gone["due"]), (0, &json!("dropped"), &json!([])), "{gone}");
    assert_eq!((&gone["dropped"][0]["bodies"], &gone["dropped"][0]["table"]), (&json!(1), &json!("bodies")));

    for end in ["text", "raw"] {
        let answer = server.get(&format!("/v4/reports/{}/{end}", old.id)).await;
        assert_eq!((answer.status, answer.header("content-type")), (410, "application/problem+json"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("received in 2024-05") && detail.contains("dropped by retention at 20"), "{detail}");
        assert_eq!(server.get(&format!("/v4/reports/{}/{end}", new.id)).await.status, 200);
    }
    let after = server.json(&format!("/v4/reports/{}", old.id)).await;
    assert_eq!((&after["result"], &after["digest"]), (&view["result"], &view["digest"]));
    assert!(
        after["report"].is_null() && after["details"].is_null() && after["dropped"]["month"] == "2024-05",
        "{after}"
    );
    let asked = server.client.get(server.at(&format!("/v4/reports/{}", old.id))).header("if-none-match", etag);
    assert_eq!(server.ask(asked).await.status, 200, "it is another answer than before");
    let receipt = server.json(&format!("/v4/reports/{}/receipt", old.id)).await;
    assert_eq!((&receipt["state"], &receipt["dropped"]), (&json!("processed"), &after["dropped"]));
    let printed = server.run_there(&["report", &old.id]);
    assert!(printed.contains("with all bytes of reports received in 2024-05"), "{printed}");

    for path in [format!("/report/{}", old.id), format!("/cpan/report/{}", old.id), "/cpan/report/1".to_owned()] {
        let page = server.get(&path).await;
        assert_eq!(page.status, 200);
        let text = page.text();
        assert!(
            text.contains("Its text is no longer here") && text.contains("What was read out of it stays"),
            "{text}"
        );
        assert!(text.contains("Foo-Bar") && !text.contains("Verschlusssache") && !text.contains("/raw\""), "{text}");
    }
    assert!(server.get(&format!("/status/{}", old.id)).await.text().contains("Its text is no longer here"));
    // What is made of the text is not there, each as its contract says it.
    let missing = server.get(&format!("/v3/report/{}", old.id)).await;
    assert_eq!((missing.status, &missing.json()["errors"][0]["message"]), (404, &json!("Report ID not found")));
    assert_eq!(server.get(&format!("/v1/report/{}", old.id)).await.json(), json!({"error": "Not Found"}));
    assert_eq!(server.get(&format!("/cpan/report/{}?json=1", old.id)).await.json(), json!({"success": 0}));
    let letter = server.get(&format!("/cpan/report/{}?raw=1", old.id)).await;
    assert!(letter.status == 200 && letter.text().contains("Report not found"), "{}", letter.text());
    assert_eq!(server.get(&format!("/api/v1/guid/{}", old.id)).await.status, 200, "it is known");

    for (path, before) in lists.iter().zip(before) {
        let fresh = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            for name in ["fresh_at", "head", "waiting"] {
                value.as_object_mut().map(|fields| fields.remove(name));
            }
            value
        };
        assert_eq!(fresh(&server.get(path).await.text()), fresh(&before), "{path}");
    }
    let hits = server.json("/v4/search?q=grade:fail").await;
    assert_eq!((&hits["total"], &hits["items"][0]["id"]), (&json!(1), &json!(old.id)));
    let resent = server.submit(&old.json()).await;
    assert_eq!(resent.status, 200, "the same receipt");
    assert_eq!(server.json(&format!("/v4/reports/{}/receipt", old.id)).await["revision"], 1);
    assert_eq!(server.get(&format!("/v4/reports/{}/raw", old.id)).await.status, 410, "and no bytes again");

    // Withdrawn, it cannot be put back.
    let restore = |id: &str| server.client.post(server.at(&format!("/v4/reports/{id}/restore"))).bearer_auth(&admin);
    let withdraw = server.client.delete(server.at(&format!("/v4/reports/{}", old.id))).bearer_auth(&admin);
    assert_eq!(server.ask(withdraw.query(&[("reason", "a test")])).await.status, 200);
    let refusal = server.ask(restore(&old.id)).await;
    assert_eq!(refusal.status, 409);
    assert!(refusal.json()["detail"].as_str().unwrap().contains("kept no longer"), "{}", refusal.text());
    check_counts(&server).await;
    let (code, checked) = server.told(&["fsck", "--json", "--only", "bodies,orphans,summaries,matrix,changes,index"]);
    assert_eq!((code, &checked["clean"]), (0, &json!(true)), "{checked:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_is_killed_loses_nothing_and_is_ended_by_the_next() {
    let mut server = Server::start();
    let reports: Vec<Value> = (0..600).map(|_| Made::default().json()).collect();
    server.submit_all(&reports).await;
    server.settle_index().await;
    let raw = Raw::of(&server).await;
    age(&server, &raw, 600).await;
    let kept = Made::default();
    server.submit(&kept.json()).await;
    server.settle_index().await;
    let rows = rows_of(&server).await;
    // The second batch never ends.
    raw.execute_either(
        "CREATE TRIGGER endless BEFORE UPDATE ON dropped_months WHEN new.bodies > 256 BEGIN \
         SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n); END",
        "CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN new; END'",
    )
    .await;
    if let Raw::Postgres(_) = raw {
        raw.execute(
            "CREATE TRIGGER endless BEFORE UPDATE ON dropped_months FOR EACH ROW WHEN (new.bodies > 256) \
             EXECUTE FUNCTION endless()",
        )
        .await;
    }
    let apply = ["retention", "--set", "retention.bodies=3", "--apply", "--json"];
    let mut running = server.command(&apply).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    let dropped = "SELECT CAST(COALESCE(sum(bodies), 0) AS BIGINT) FROM dropped_months";
    while raw.value::<i64>(dropped).await == 0 {
        assert!(Instant::now() < end && running.try_wait().unwrap().is_none(), "the first batch does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let left = "SELECT count(*) FROM bodies";
    assert_eq!((raw.value::<i64>(dropped).await, raw.value::<i64>(left).await), (256, 345));
    raw.execute_either("DROP TRIGGER endless", "DROP FUNCTION endless CASCADE").await;
    raw.close().await;
    server.kill();
    server.start_again();
    let (code, checked) = server.told(&["fsck", "--deep", "--json"]);
    assert_eq!((code, &checked["clean"]), (0, &json!(true)), "half of a month is no fault: {checked:#}");

    let end = Instant::now() + PATIENCE;
    let ended = loop {
        // The killed one's lock goes with its connection.
        let output = server.command(&apply).output().unwrap();
        if output.status.success() {
            break serde_json::from_slice::<Value>(&output.stdout).unwrap();
        }
        assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&output.stderr));
    };
    assert_eq!((&ended["handled"][0]["bodies"], &ended["dropped"][0]["bodies"]), (&json!(344), &json!(600)), "{ended}");
    assert!(rows_of(&server).await == rows, "the rows are others than before");
    assert_eq!(server.get(&format!("/v4/reports/{}/raw", kept.id)).await.status, 200);
    check_counts(&server).await;

    server.stop();
    for arguments in [["rebuild", "--clear", "--json"], ["rebuild", "--restart", "--json"]] {
        let (code, rebuilt) = server.told(&arguments);
        assert_eq!((code, &rebuilt["reports"], &rebuilt["skipped"]), (0, &json!(1), &json!(600)), "{rebuilt}");
    }
    server.start_again();
    server.settle_index().await;
    assert!(rows_of(&server).await == rows, "the rows come out otherwise");
    let found = server.json("/v4/search?q=distribution:Foo-Bar").await;
    assert_eq!(found["total"], 601, "each is found by its fields");
    check_counts(&server).await;
    let (code, checked) = server.told(&["fsck", "--deep", "--json"]);
    assert_eq!((code, &checked["clean"]), (0, &json!(true)), "{checked:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_setting_nothing_ever_goes() {
    let server = Server::start();
    server.submit(&Made::default().json()).await;
    server.settle().await;
    let raw = Raw::of(&server).await;
    age(&server, &raw, 1).await;
    let text = server.run(&["retention", "--apply"]);
    assert!(text.contains("reports: kept for ever") && text.contains("0 bodies"), "{text}");
    assert_eq!(raw.value::<i64>("SELECT count(*) FROM bodies").await, 1);
    let wrong = server.command(&["retention", "--set", "retention.bodies=1201"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));
}
