//! `assay submit`: a report is delivered once and in order, however the server behaves meanwhile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::cli_stub::{self, Asked, Reply, Stub, assay, assay_with, reply};

fn receipt(id: &str, state: &str) -> Value {
    json!({
        "id": id, "state": state, "reason": null, "attempts": [], "received_at": "2026-11-21T02:00:00Z",
        "digest": "00", "revision": 1, "links": {},
    })
}

fn id_of(asked: &Asked) -> String {
    serde_json::from_str::<Value>(&asked.body).unwrap()["id"].as_str().unwrap().to_owned()
}

fn accepted(asked: &Asked) -> Reply {
    cli_stub::json(202, receipt(&id_of(asked), "accepted"))
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Files of the spool, without its lock.
fn spooled(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_every_kind_of_input_are_sent_as_they_are() {
    let home = tempdir().unwrap();
    let stub = Stub::answering(accepted).await;
    let pretty = written(home.path(), "one.json", "{\n  \"id\": \"a\",\n  \"n\": 1.50\n}\n");
    let lines = written(home.path(), "many.ndjson", "{\"id\":\"b\"}\n\n{\"id\":\"c\"}\n");
    let arguments = ["submit", &pretty, &lines, "-", "--server", &stub.url];
    let ran = assay_with(home.path(), &[], "{\"id\":\"d\"}", &arguments).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    let bodies: Vec<String> = stub.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, ["{\n  \"id\": \"a\",\n  \"n\": 1.50\n}", "{\"id\":\"b\"}", "{\"id\":\"c\"}", "{\"id\":\"d\"}"]);
    let told = format!("{pretty}: accepted a\n{lines}:1: accepted b\n{lines}:3: accepted c\n-: accepted d\n");
    assert_eq!(ran.stdout, told);
    assert!(!home.path().join(".local").exists(), "nothing to keep, nothing made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_gets_each_report_once_and_in_order() {
    let home = tempdir().unwrap();
    let spool = home.path().join("spool");
    let flags = ["--spool", spool.to_str().unwrap(), "--retry-for", "0s"];
    let lines: String = (0..12).map(|number| format!("{{\"id\":\"r{number}\"}}\n")).collect();
    let first = written(home.path(), "first.ndjson", &lines);
    // A port that was free a moment ago: away now, and back below.
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let url = format!("http://{address}");
    let ran = assay(home.path(), &[&["submit", &first, "--server", &url], &flags[..]].concat()).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(ran.stdout.matches(": spooled r").count(), 12, "{ran:?}");
    assert_eq!(spooled(&spool).len(), 12);
    assert_eq!(std::fs::read_to_string(&spooled(&spool)[11]).unwrap(), "{\"id\":\"r11\"}");

    // Back, but busy for the first requests, and the last report is a new one.
    let count = AtomicUsize::new(0);
    let stub = Stub::on(&address, move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        0 => reply(503, "text/plain", "").header("retry-after", "0"),
        3 => reply(429, "text/plain", "").header("retry-after", "1"),
        _ => accepted(asked),
    })
    .await;
    let last = written(home.path(), "last.json", "{\"id\":\"r12\"}");
    let flags = ["--spool", spool.to_str().unwrap(), "--retry-for", "20s"];
    let ran = assay(home.path(), &[&["submit", &last, "--server", &url, "--json"], &flags[..]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.iter().all(|one| one["outcome"] == "accepted" && one["status"] == 202), "{told:?}");
    let mut sent: Vec<String> = stub.asked().iter().map(id_of).collect();
    assert_eq!(sent.len(), 15, "thirteen reports, two of them asked for twice");
    sent.dedup();
    assert_eq!(sent, (0..13).map(|number| format!("r{number}")).collect::<Vec<_>>());
    assert_eq!(spooled(&spool), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_answer_was_lost_is_sent_again_under_the_same_id() {
    let home = tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let stub = Stub::answering(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        0 => accepted(asked).ending(cli_stub::End::Cut),
        _ => Reply { status: 200, ..accepted(asked) },
    })
    .await;
    let path = written(home.path(), "r.json", "{\"reporter\": {}}");
    let ran = assay(home.path(), &["submit", &path, "--server", &stub.url]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains(": known already "), "{ran:?}");
    let ids: BTreeSet<String> = stub.asked().iter().map(id_of).collect();
    assert_eq!((ids.len(), stub.asked().len()), (1, 2));
    assert!(stub.asked()[0].body.ends_with(",\"reporter\": {}}"), "only the id is added: {}", stub.asked()[0].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_report_does_not_hold_up_the_others() {
    let home = tempdir().unwrap();
    let refusing = |asked: &Asked| match id_of(asked).as_str() {
        "bad" => cli_stub::json(
            422,
            json!({"type": "/p", "title": "Invalid report", "status": 422, "detail": "it has a fault",
                   "errors": [{"pointer": "/result", "detail": "is missing"}]}),
        ),
        _ => accepted(asked),
    };
    let stub = Stub::answering(refusing).await;
    let path = written(home.path(), "r.ndjson", "{\"id\":\"a\"}\n{\"id\":\"bad\"}\n{nonsense\n{\"id\":\"b\"}\n");
    let ran = assay(home.path(), &["submit", &path, "--server", &stub.url]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stdout.contains(":2: refused bad: 422 Invalid report: it has a fault\n  /result: is missing\n"));
    assert!(ran.stdout.contains(":3: refused: not JSON: "), "{ran:?}");
    assert!(ran.stdout.ends_with(":4: accepted b\n"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_out_of_the_spool_is_put_aside_with_its_reason() {
    let home = tempdir().unwrap();
    let spool = home.path().join("spool");
    let spool_flag = spool.to_str().unwrap();
    let path = written(home.path(), "r.ndjson", "{\"id\":\"bad\"}\n{\"id\":\"good\"}\n");
    let away = ["submit", &path, "--server", "http://127.0.0.1:1", "--spool", spool_flag, "--retry-for", "0s"];
    assert_eq!(assay(home.path(), &away).await.code, 6);
    let stub = Stub::answering(|asked| match id_of(asked).as_str() {
        "bad" => reply(409, "text/plain", "no"),
        _ => accepted(asked),
    })
    .await;
    let ran = assay(home.path(), &["submit", "--flush", "--server", &stub.url, "--spool", spool_flag]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(spooled(&spool), Vec::<PathBuf>::new());
    let aside = spooled(&spool.join("rejected"));
    assert_eq!(std::fs::read_to_string(&aside[0]).unwrap(), "{\"id\":\"bad\"}");
    let reason = std::fs::read_to_string(aside[0].with_extension("reason.txt")).unwrap();
    assert!(reason.starts_with("409 Conflict"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_leaves_the_spool_as_it_is() {
    let home = tempdir().unwrap();
    let spool = home.path().join("spool");
    let spool_flag = spool.to_str().unwrap();
    let path = written(home.path(), "r.json", "{\"id\":\"a\"}");
    let away = ["submit", &path, "--server", "http://127.0.0.1:1", "--spool", spool_flag, "--retry-for", "0s"];
    assert_eq!(assay(home.path(), &away).await.code, 6);
    let stub = Stub::scripted([reply(401, "text/plain", "")]).await;
    let ran = assay(home.path(), &["submit", "--flush", "--server", &stub.url, "--spool", spool_flag]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(spooled(&spool).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_kept_for_one_server_are_not_sent_to_another() {
    let home = tempdir().unwrap();
    let path = written(home.path(), "r.json", "{\"id\":\"a\"}");
    let ran = assay(home.path(), &["submit", &path, "--server", "http://127.0.0.1:1", "--retry-for", "0s"]).await;
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(spooled(&home.path().join(".local/state/assay/spool/http___127.0.0.1_1")).len(), 1);
    let stub = Stub::answering(accepted).await;
    let ran = assay(home.path(), &["submit", "--flush", "--server", &stub.url]).await;
    assert_eq!((ran.code, stub.asked().len()), (0, 0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_tells_what_became_of_the_report() {
    let home = tempdir().unwrap();
    let path = written(home.path(), "r.json", "{\"id\":\"a\"}");
    let stub = Stub::answering(|asked| match asked.uri.as_str() {
        "/v4/reports" => accepted(asked),
        _ => cli_stub::json(200, receipt("a", "processed")),
    })
    .await;
    let ran = assay(home.path(), &["submit", &path, "--server", &stub.url, "--wait", "5", "--json"]).await;
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &told["outcome"], &told["receipt"]["state"]), (0, &json!("processed"), &json!("processed")));
    assert_eq!(stub.asked()[0].header("prefer"), "wait=5");
    assert_eq!(stub.asked()[1].uri, "/v4/reports/a/receipt");

    let stub = Stub::scripted([cli_stub::json(202, receipt("a", "rejected"))]).await;
    let ran = assay(home.path(), &["submit", &path, "--server", &stub.url, "--wait", "5"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
}

/// A tester's identity file, as `metabase-profile` writes it.
fn identity() -> String {
    let core = |kind: &str, guid: &str| {
        json!({"core": {
            "type": kind, "guid": guid, "resource": "metabase:user:ce39923d-d72f-4b7a-aff0-af6d77c1616d",
            "creator": "metabase:user:ce39923d-d72f-4b7a-aff0-af6d77c1616d", "valid": 1, "schema_version": 1,
            "creation_time": "2026-11-20T22:19:32Z", "update_time": "2026-11-20T22:19:32Z",
        }})
    };
    let profile = "ce39923d-d72f-4b7a-aff0-af6d77c1616d";
    let name = json!({"content": "Example", "metadata": core("Metabase-User-FullName", "9b6dc23d-5fda-4af2-9a9a-92c40d4db12b")});
    let address = json!({"content": "a@example.com",
        "metadata": core("Metabase-User-EmailAddress", "d903badd-26c2-4f85-bd76-9ebc4e3174a3")});
    json!([
        {"content": json!([name, address]).to_string(), "metadata": core("Metabase-User-Profile", profile)},
        {"content": "s3cr:t/x", "metadata": core("Metabase-User-Secret", "5fd0bbcf-8ae9-4ab3-8aa4-b31fb5f9ea6b")},
    ])
    .to_string()
}

const FACT: &str = "{\"metadata\":{\"core\":{\"guid\":\"9FB1ED4D-c668-471e-92e4-02bf16d4bd9a\"}},\"content\":\"[]\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_fact_registers_when_it_must_and_is_submitted_again() {
    let home = tempdir().unwrap();
    let fact = written(home.path(), "fact.json", FACT);
    let id_file = written(home.path(), "metabase_id.json", &identity());
    let count = AtomicUsize::new(0);
    let stub = Stub::answering(move |asked| match (asked.uri.as_str(), asked.method.as_str()) {
        ("/api/v1/submit/CPAN-Testers-Report", "POST") => match count.fetch_add(1, Ordering::SeqCst) {
            0 => cli_stub::json(401, json!({"error": "User unrecognized"})),
            _ => cli_stub::json(201, json!({"guid": "9fb1ed4d-c668-471e-92e4-02bf16d4bd9a"})),
        },
        ("/api/v1/guid/ce39923d-d72f-4b7a-aff0-af6d77c1616d", "HEAD") => reply(404, "text/plain", ""),
        ("/api/v1/register", "POST") => cli_stub::json(200, json!({"message": "accepted"})),
        _ => reply(500, "text/plain", ""),
    })
    .await;
    let arguments = ["submit", &fact, "--id-file", &id_file, "--server", &stub.url, "--token", "not-for-legacy"];
    let ran = assay(home.path(), &arguments).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, format!("{fact}: accepted 9fb1ed4d-c668-471e-92e4-02bf16d4bd9a\n"));
    let asked = stub.asked();
    let order: Vec<&str> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(order, ["POST", "HEAD", "POST", "POST"]);
    let basic = "Basic Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOnMzY3I6dC94";
    assert_eq!((asked[0].header("authorization"), &*asked[0].body), (basic, FACT));
    assert_eq!((asked[2].header("authorization"), &*asked[2].body), ("", &*identity()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_profile_with_another_secret_is_an_access_failure() {
    let home = tempdir().unwrap();
    let fact = written(home.path(), "fact.json", FACT);
    let id_file = written(home.path(), "metabase_id.json", &identity());
    let stub = Stub::answering(|asked| match asked.method.as_str() {
        "HEAD" => reply(200, "text/plain", ""),
        _ => cli_stub::json(401, json!({"error": "wrong secret"})),
    })
    .await;
    let ran = assay(home.path(), &["submit", &fact, "--id-file", &id_file, "--server", &stub.url]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("wrong secret; the server knows this profile with another secret"), "{ran:?}");

    let ran = assay(home.path(), &["submit", &fact, "--server", &stub.url]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("--id-file"), "{ran:?}");
}
