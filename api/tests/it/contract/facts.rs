//! Real facts of 2010 to 2024, sent through the legacy door, become the rows that the contract's rules ask for (§3.1,
//! §3.2), field by field.

use serde_json::{Map, Value, json};

use super::legacy::Tester;
use crate::server::Server;
use crate::submissions::{fixture, fixture_bytes};

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_fourteen_years_become_the_contracts_rows() {
    let server = Server::start();
    let tester = Tester::registered(&server, "Ann Example").await;
    let mut facts = Vec::new();
    for entry in std::fs::read_dir(fixture("facts")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let fact: Value = serde_json::from_slice(&fixture_bytes(&format!("facts/{file}"))).unwrap();
        tester.submits_body(&server, &envelope(&tester, &fact)).await;
        facts.push(fact);
    }
    assert_eq!(facts.len(), 15);
    server.settle().await;

    let rows = server.json("/cgi-bin/reports-metadata.cgi?range=1-").await;
    let rows: Map<String, Value> = rows.as_object().unwrap().clone();
    assert_eq!(rows.len(), facts.len());
    for fact in &facts {
        let text = |key: &str| fact[key].as_str().unwrap();
        let row = rows.values().find(|row| row["guid"] == fact["guid"]).unwrap_or_else(|| panic!("{}", fact["guid"]));
        let moment: String = text("creation_time").chars().filter(char::is_ascii_digit).collect();
        let archive = format!("{}-{}.tar.gz", row["dist"].as_str().unwrap(), row["version"].as_str().unwrap());
        assert!(text("resource").ends_with(&archive), "{archive} of {}", text("resource"));
        for (column, expected) in [
            ("state", text("grade")),
            ("perl", text("perl_version").trim_start_matches('v')),
            ("platform", text("archname")),
            ("osname", text("osname")),
            ("osvers", text("osversion")),
            ("fulldate", &moment[..12]),
            ("postdate", &moment[..6]),
            ("tester", "\"Ann Example\""),
        ] {
            assert_eq!(row[column], expected, "{column} of {}", text("guid"));
        }
        assert_eq!(row["type"], 2);
        let letter = server.get(&format!("/v4/reports/{}/text", text("guid"))).await;
        assert_eq!(letter.status, 200);
    }
}

/// The report as its client sent it: strings in strings.
fn envelope(tester: &Tester, fact: &Value) -> String {
    let creator = format!("metabase:user:{}", tester.profile);
    let core = |kind: &str, guid: &str| {
        json!({"type": kind, "guid": guid, "resource": fact["resource"], "creator": creator,
               "creation_time": fact["creation_time"], "update_time": fact["creation_time"],
               "schema_version": 1, "valid": 1})
    };
    let part = |kind: &str, with_text: bool| {
        let mut content = fact.as_object().unwrap().clone();
        content.retain(|key, _| !["guid", "resource", "creation_time"].contains(&key.as_str()));
        if !with_text {
            content.remove("textreport");
        }
        let guid = uuid::Uuid::new_v4().to_string();
        json!({"metadata": {"core": core(kind, &guid)}, "content": Value::from(content).to_string()})
    };
    let facts = json!([part("CPAN-Testers-Fact-LegacyReport", true), part("CPAN-Testers-Fact-TestSummary", false)]);
    let core = core("CPAN-Testers-Report", fact["guid"].as_str().unwrap());
    json!({"metadata": {"core": core}, "content": facts.to_string()}).to_string()
}
