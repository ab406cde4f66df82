//! Other servers' history is stored under its own ids, numbers, testers and times, and counted once.

use std::io::Write;

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pipeline::import::facts::{self, Profiles, Unfit};
use pipeline::import::rows::{self, Form, Rows};
use pipeline::import::{Historic, Import, Processing, Tally, reports};
use pipeline::rebuild;
use schemas::cpanstats::Row;
use serde_json::{Value, json};

use crate::fixtures::{captures, oracle};
use crate::recount::{AllCounts, documents};
use crate::stack::{Stack, id, report};

fn import(stack: &Stack, processing: Processing) -> Import {
    Import { process: stack.process.clone(), processing, source: "test".to_owned() }
}

fn now() -> DateTime<Utc> {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

/// A row of the predecessor's table.
fn row(number: i64, guid: &str, state: &str) -> Row {
    Row {
        id: Some(number),
        guid: guid.to_uppercase(),
        state: state.to_owned(),
        postdate: "201608".to_owned(),
        tester: "\"J&#246;rg\" <joerg@example.org>".to_owned(),
        dist: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        platform: "x86_64-linux".to_owned(),
        perl: "5.24.0".to_owned(),
        osname: "linux".to_owned(),
        osvers: "4.4".to_owned(),
        fulldate: "201608191234".to_owned(),
        kind: "2".to_owned(),
        uploadid: None,
    }
}

fn historic(row: &Row) -> Historic {
    rows::historic(row, now()).unwrap()
}

fn imported(imported: u64) -> Tally {
    Tally { imported, ..Tally::default() }
}

/// Numbers, doors and times of receipt of stored reports.
async fn stored(stack: &Stack) -> Vec<(i64, String, DateTime<Utc>)> {
    stack.raw().await.rows("SELECT number, door, received_at FROM reports ORDER BY number").await
}

#[tokio::test]
async fn numbers_are_kept_and_new_ones_go_on_above_them() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::Here);
    let tally = import.store(vec![historic(&row(200_834, &id(1), "pass"))], "1").await.unwrap();
    assert_eq!(tally, imported(1));
    stack.accept(&id(2), &report("Foo-Bar", "1.0", "fail", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    // A number that is taken is not taken away from who has it.
    let tally = import.store(vec![historic(&row(200_835, &id(3), "na")), historic(&row(7, &id(4), "na"))], "3").await;
    assert_eq!(tally.unwrap(), Tally { imported: 2, renumbered: 1, ..Tally::default() });

    let received: DateTime<Utc> = "2016-08-19T12:34:00Z".parse().unwrap();
    let rows = stored(&stack).await;
    assert_eq!(rows[0], (7, "cpanstats".to_owned(), received));
    assert_eq!(rows[1], (200_834, "cpanstats".to_owned(), received));
    assert_eq!(rows[2], (200_835, "v4".to_owned(), now()));
    assert_eq!(rows[3], (200_836, "cpanstats".to_owned(), received));
    let documents = documents(&stack.raw().await).await;
    let document = &documents[&id(1)];
    assert_eq!((document["number"].as_i64(), document["tester"].as_str()), (Some(200_834), Some("Jörg")));
    assert_eq!(document["created_at"], "2016-08-19T12:34:00Z");
    assert_eq!(import.place().await.unwrap().as_deref(), Some("3"));
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_a_regraded_row_moves_the_counts() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::Here);
    let batch = || vec![historic(&row(1, &id(1), "pass")), historic(&row(2, &id(2), "fail"))];
    assert_eq!(import.store(batch(), "2").await.unwrap(), imported(2));
    let (counts, head) = (AllCounts::stored(&stack.raw().await).await, stack.store().head().await.unwrap());
    assert_eq!(import.store(batch(), "2").await.unwrap(), Tally { unchanged: 2, ..Tally::default() });
    assert_eq!(AllCounts::stored(&stack.raw().await).await, counts);
    assert_eq!(stack.store().head().await.unwrap(), head);
    assert_eq!(stack.open_groups().await, []);

    let regraded = import.store(vec![historic(&row(1, &id(1), "fail"))], "2").await.unwrap();
    assert_eq!(regraded, Tally { replaced: 1, ..Tally::default() });
    let documents = documents(&stack.raw().await).await;
    assert_eq!((&documents[&id(1)]["grade"], documents.len()), (&json!("fail"), 2));
    let counts = AllCounts::stored(&stack.raw().await).await;
    assert_eq!(counts, AllCounts::of(documents.values(), |_| (false, false)));
    assert_eq!(stack.store().head().await.unwrap(), head + 2);
}

#[tokio::test]
async fn a_row_gives_way_to_its_report_and_a_submitted_report_to_nothing() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::Here);
    let (file, body) = legacy().remove(0);
    let guid = serde_json::from_slice::<Value>(&body).unwrap()["metadata"]["core"]["guid"].as_str().unwrap().to_owned();
    stack.accept(&id(2), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let rows = vec![historic(&row(50, &guid, "na")), historic(&row(51, &id(2), "na"))];
    assert_eq!(import.store(rows.clone(), "").await.unwrap(), Tally { imported: 1, kept: 1, ..Tally::default() });

    let fact = facts::historic(&body, &Profiles::default(), now()).unwrap();
    let tally = import.store(vec![fact.clone()], "").await.unwrap();
    assert_eq!(tally, Tally { replaced: 1, ..Tally::default() }, "{file}");
    assert_eq!(
        stored(&stack).await.iter().map(|(number, door, _)| (*number, door.as_str())).collect::<Vec<_>>(),
        [(1, "v4"), (50, "metabase")]
    );
    // The row again is older news.
    assert_eq!(import.store(vec![rows[0].clone()], "").await.unwrap(), Tally { kept: 1, ..Tally::default() });
    assert_eq!(import.store(vec![fact], "").await.unwrap(), Tally { unchanged: 1, ..Tally::default() });
    let documents = documents(&stack.raw().await).await;
    assert_eq!(
        (documents[&id(2)]["grade"].as_str(), documents[&guid]["tester"].as_str()),
        (Some("pass"), Some("Unknown"))
    );
    let flags = |version: &str| {
        let read = schemas::perl::LanguageVersion::read(version);
        (read.development, read.patched)
    };
    assert_eq!(AllCounts::stored(&stack.raw().await).await, AllCounts::of(documents.values(), flags));
}

/// Bodies that clients sent by the Metabase protocol.
fn legacy() -> Vec<(String, Vec<u8>)> {
    let sent = |body: &[u8]| body.starts_with(b"{") && schemas::metabase::report(body).is_ok();
    captures().into_iter().filter(|(_, body)| sent(body)).collect()
}

#[tokio::test]
async fn compressed_facts_become_the_rows_of_today_field_by_field() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::Here);
    let oracle = oracle();
    let mut expected = 0;
    for (file, body) in legacy() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&body).unwrap();
        let fact = facts::historic(&encoder.finish().unwrap(), &Profiles::default(), now()).unwrap();
        expected += u64::from(oracle.contains_key(&fact.id.to_string()));
        assert_eq!(import.store(vec![fact], "").await.unwrap(), imported(1), "{file}");
    }
    assert!(expected > 100, "{expected}");
    let mut compared = 0;
    for (guid, document) in documents(&stack.raw().await).await {
        let Some(row) = oracle.get(&guid) else { continue };
        compared += 1;
        for (ours, theirs) in [
            ("distribution", "dist"),
            ("version", "version"),
            ("grade", "state"),
            ("language_version", "perl"),
            ("architecture", "platform"),
            ("osname", "osname"),
            ("os_version", "osvers"),
        ] {
            assert_eq!(document[ours], row[theirs], "{guid} {ours}");
        }
        let created: DateTime<Utc> = document["created_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(created.format("%Y%m%d%H%M").to_string(), row["fulldate"].as_str().unwrap());
        assert_eq!(document["received_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), created.min(now()));
    }
    assert_eq!(compared, expected);
}

#[test]
fn facts_that_cannot_be_read_are_refused_by_name() {
    let read = |bytes: &[u8]| facts::historic(bytes, &Profiles::default(), now()).unwrap_err();
    assert!(matches!(read(b"=srl\x03\x00"), Unfit::Sereal));
    assert!(matches!(read(b"=\xf3rl\x03\x00"), Unfit::Sereal));
    assert!(read(b"=srl").to_string().contains("Sereal"));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"=srl\x03\x00").unwrap();
    let packed = encoder.finish().unwrap();
    assert!(matches!(read(&packed), Unfit::Sereal));
    assert!(matches!(read(&packed[..packed.len() / 2]), Unfit::Compression));
    assert!(matches!(read(b"\xff\xfe"), Unfit::Unknown));
    assert!(matches!(read(b""), Unfit::Unknown));
    assert!(matches!(read(b"{}"), Unfit::Refused(_)));
}

#[tokio::test]
async fn answers_of_other_servers_are_read_with_and_without_addresses() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::Here);
    let mut answer: Value = serde_json::from_str(&report("Foo-Bar", "1.0", "fail", "5.36.0", "linux")).unwrap();
    answer["created"] = json!("2020-01-02T03:04:05Z");
    answer["id"] = json!(id(1).to_uppercase());
    answer["environment"]["language"]["name"] = json!("perl");
    answer["reporter"].as_object_mut().unwrap().remove("email");
    let read =
        |answer: &Value, wanted: &str| reports::historic(wanted.parse().unwrap(), answer.to_string().as_bytes(), now());
    let one = read(&answer, &id(1)).unwrap();
    assert_eq!(one.received_at, "2020-01-02T03:04:05Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(import.store(vec![one], "").await.unwrap(), imported(1));
    assert_eq!(documents(&stack.raw().await).await[&id(1)]["grade"], "fail");
    assert!(matches!(read(&answer, &id(2)), Err(reports::Unfit::OtherId)));
    answer["result"]["grade"] = json!("great");
    assert!(matches!(read(&answer, &id(1)), Err(reports::Unfit::Invalid(_))));
    assert!(matches!(read(&json!([]), &id(1)), Err(reports::Unfit::Json)));
}

#[tokio::test]
async fn a_server_that_runs_processes_what_is_imported() {
    let stack = Stack::new().await;
    let import = import(&stack, Processing::There);
    assert_eq!(import.store(vec![historic(&row(9, &id(1), "pass"))], "").await.unwrap(), imported(1));
    assert_eq!(documents(&stack.raw().await).await.len(), 0);
    assert_eq!(stack.open_groups().await.len(), 1);
    stack.work_off().await;
    assert_eq!(documents(&stack.raw().await).await.len(), 1);
    let counts = AllCounts::stored(&stack.raw().await).await;
    rebuild::clear(&stack.process).await.unwrap();
    rebuild::rebuild(&stack.process, 0, |_| {}).await.unwrap();
    assert_eq!(AllCounts::stored(&stack.raw().await).await, counts);
}

#[test]
fn dumps_are_read_in_both_forms_with_and_without_names() {
    let guid = id(1);
    let values = [
        "17",
        &guid,
        "pass",
        "201608",
        "\"Ann\" <ann@example.org>",
        "Foo-Bar",
        "1.0",
        "x86_64-linux",
        "5.24.0",
        "linux",
        "4.4",
        "201608191234",
        "2",
        "5",
    ];
    let names = "id,guid,state,postdate,tester,dist,version,platform,perl,osname,osvers,fulldate,type,uploadid";
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
    let read = |text: String, form: Form| {
        Rows::open(text.as_bytes(), form).unwrap().map(|row| row.map_err(|error| error.to_string())).collect::<Vec<_>>()
    };
    let csv = read(format!("{names}\n{}\n", quoted.join(",")), Form::Csv);
    let expected = csv[0].clone().unwrap();
    assert_eq!((expected.tester.as_str(), expected.kind.as_str()), (values[4], "2"));
    assert_eq!(read(format!("{}\n", quoted.join(",")), Form::Csv), [Ok(expected.clone())]);
    assert_eq!(read(format!("{}\n", values.join("\t")), Form::Tsv), [Ok(expected.clone())]);
    let named = format!("{}\n{}\n", names.replace(',', "\t"), values.join("\t"));
    assert_eq!(read(named, Form::Tsv), [Ok(expected.clone())]);

    let escaped = values.join("\t").replace("Ann", "A\\0n\\tn\\\\").replace("linux\t4.4", "\\N\t4.4");
    let damaged = read(format!("{escaped}\nonly\tthree\tcolumns\n{}\n", values.join("\t")), Form::Tsv);
    let first = damaged[0].clone().unwrap();
    assert_eq!((first.tester.as_str(), first.osname.as_str()), ("\"A\0n\tn\\\" <ann@example.org>", ""));
    assert_eq!(damaged[1], Err("the line has not as many columns as the table".to_owned()));
    assert_eq!(damaged[2], Ok(expected));
}
