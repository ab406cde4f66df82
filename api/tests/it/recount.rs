//! Counts made again from the rows, to hold against those the server keeps; and random reports to count.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::server::Server;
use crate::submissions::Made;

/// `pass fail na unknown`.
pub type Counts = [i64; 4];

pub const GRADES: [&str; 4] = ["pass", "fail", "na", "unknown"];

pub fn counts(view: &Value) -> Counts {
    GRADES.map(|grade| view[grade].as_i64().unwrap_or_else(|| panic!("no count of {grade} in {view}")))
}

/// Counts of rows by what some fields of theirs say.
pub fn recount(rows: &[Value], fields: &[&str]) -> BTreeMap<Vec<String>, Counts> {
    let mut counted = BTreeMap::<Vec<String>, Counts>::new();
    for row in rows {
        let key = fields.iter().map(|field| row[field].as_str().unwrap().to_owned()).collect();
        let grade = GRADES.iter().position(|grade| row["grade"] == *grade).unwrap();
        counted.entry(key).or_default()[grade] += 1;
    }
    counted
}

/// The counts that views tell, by the same fields.
pub fn told(views: &[Value], fields: &[&str]) -> BTreeMap<Vec<String>, Counts> {
    let key = |view: &Value| fields.iter().map(|field| view[field].as_str().unwrap().to_owned()).collect();
    let told: BTreeMap<_, _> = views.iter().map(|view| (key(view), counts(view))).collect();
    assert_eq!(told.len(), views.len(), "a key is told twice");
    told
}

/// Summaries and the matrix of every release equal a recount of the rows.
pub async fn check_counts(server: &Server) {
    let rows = server.lines("/v4/results").await;
    let release = ["language", "distribution", "version"];
    let recounted = recount(&rows, &release);
    assert_eq!(told(&server.lines("/v4/summaries").await, &release), recounted);
    for (key, counted) in &recounted {
        let [language, distribution, version] = key.as_slice() else { unreachable!("three fields") };
        let of_release = |row: &&Value| release.iter().zip(key).all(|(field, said)| row[field] == said.as_str());
        let of_release: Vec<Value> = rows.iter().filter(of_release).cloned().collect();
        let path = format!("/v4/matrix/{distribution}/{version}?language={language}");
        let matrix = server.json(&path).await;
        assert_eq!(counts(&matrix["totals"]), *counted, "{path}");
        let axes = ["language_version", "os"];
        assert_eq!(told(matrix["cells"].as_array().unwrap(), &axes), recount(&of_release, &axes), "{path}");
        let summary = server.json(&format!("/v4/releases/{distribution}/{version}?language={language}")).await;
        assert_eq!(counts(&summary), *counted);
    }
    let all: Counts = recounted.values().fold([0; 4], |all, one| std::array::from_fn(|grade| all[grade] + one[grade]));
    assert_eq!(counts(&server.json("/v4/status").await["totals"]), all);
}

/// A report with everything that is counted by drawn by lot.
pub fn random_report(random: &mut StdRng) -> Made {
    let mut one_of = |choices: &[&'static str]| *choices.choose(random).expect("there are choices");
    Made {
        distribution: one_of(&["Foo-Bar", "Acme", "Tie-IxHash"]).to_owned(),
        version: one_of(&["1.0", "1.1", "v2.0.0", "1.2_01"]).to_owned(),
        grade: one_of(&["pass", "pass", "pass", "fail", "na", "unknown"]),
        perl: one_of(&["5.36.0", "5.8.9", "5.41.3", "5.16.0 RC0", "5.11.0 patch 33443"]).to_owned(),
        osname: one_of(&["linux", "MSWin32", "freebsd", "darwin"]).to_owned(),
        archname: one_of(&["x86_64-linux", "i386-freebsd-64int"]).to_owned(),
        tester: one_of(&["Ann Example", "Bob Example"]).to_owned(),
        text: format!("drawn by lot {}", random.random_range(0..1_000_000)),
        ..Made::default()
    }
}

/// New reports mixed with corrections of earlier ones, sent one by one.
pub async fn send_and_correct(server: &Server, random: &mut StdRng, times: usize) {
    let mut sent: Vec<Made> = Vec::new();
    for _ in 0..times {
        let mut made = random_report(random);
        let earlier = sent.choose(random).filter(|_| random.random_bool(0.3));
        if let Some(earlier) = earlier {
            made.id.clone_from(&earlier.id);
            made.tester.clone_from(&earlier.tester);
        }
        let answer = server.submit(&made.json()).await;
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
        sent.push(made);
    }
}
