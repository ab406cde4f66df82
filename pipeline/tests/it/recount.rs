//! Counts made anew from the documents alone, and the counts as the tables have them.

use std::collections::BTreeMap;

use schemas::grade::Counts;
use serde_json::Value;

use crate::raw::Raw;

type Key = Vec<String>;

/// All counts there are, each place by the values that name it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllCounts {
    /// By distribution, version, language maturity, patch state.
    pub summaries: BTreeMap<Key, Counts>,
    /// By distribution, version, language version, os, architecture.
    pub cells: BTreeMap<Key, Counts>,
    /// By public id; testers without reports left out.
    pub testers: BTreeMap<Key, Counts>,
}

impl AllCounts {
    /// The recount. `flags` tells maturity and patch state of a language version.
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a Value>, flags: impl Fn(&str) -> (bool, bool)) -> AllCounts {
        let mut all = AllCounts::default();
        for document in documents {
            let field = |name: &str| document[name].as_str().expect("a text").to_owned();
            let (development, patched) = flags(&field("language_version"));
            let release = [field("distribution"), field("version")];
            let partition = [development.to_string(), patched.to_string()];
            let platform = [field("language_version"), field("os"), field("architecture")];
            let one = one(&field("grade"));
            *all.summaries.entry([release.clone(), partition].concat()).or_default() += one;
            *all.cells.entry([release.as_slice(), platform.as_slice()].concat()).or_default() += one;
            *all.testers.entry(vec![field("tester_id")]).or_default() += one;
        }
        all
    }

    /// What stands in the tables, rows of zeros included.
    pub async fn stored(raw: &Raw) -> AllCounts {
        let summaries = "distribution, version, CASE WHEN development THEN 'true' ELSE 'false' END, \
                         CASE WHEN patched THEN 'true' ELSE 'false' END";
        let cells = "distribution, version, language_version, os, architecture";
        let active = "testers WHERE pass <> 0 OR fail <> 0 OR na <> 0 OR unknown <> 0";
        AllCounts {
            summaries: counts(raw, summaries, "summaries JOIN releases ON releases.number = release").await,
            cells: counts(raw, cells, "matrix_cells JOIN releases ON releases.number = release").await,
            testers: counts(raw, "id", active).await,
        }
    }
}

/// Documents of all rows that are not removed, by report id.
pub async fn documents(raw: &Raw) -> BTreeMap<String, Value> {
    let texts: Vec<String> = raw.values("SELECT document FROM extracts WHERE NOT removed").await;
    let document = |text: &String| {
        let document: Value = serde_json::from_str(text).unwrap();
        (document["id"].as_str().unwrap().to_owned(), document)
    };
    texts.iter().map(document).collect()
}

/// Counts by distribution and version, as the change feed tells them.
pub fn by_release(all: &AllCounts) -> BTreeMap<(String, String), Counts> {
    let mut releases = BTreeMap::<_, Counts>::new();
    for (key, counts) in &all.summaries {
        *releases.entry((key[0].clone(), key[1].clone())).or_default() += *counts;
    }
    releases
}

/// Counts by the values of the columns `key`.
async fn counts(raw: &Raw, key: &str, from: &str) -> BTreeMap<Key, Counts> {
    let array = raw.either("json_array", "json_build_array");
    let sql = format!("SELECT CAST({array}({key}) AS TEXT), pass, fail, na, unknown FROM {from}");
    let rows: Vec<(String, i64, i64, i64, i64)> = raw.rows(sql).await;
    rows.into_iter()
        .map(|(key, pass, fail, na, unknown)| (serde_json::from_str(&key).unwrap(), Counts { pass, fail, na, unknown }))
        .collect()
}

fn one(grade: &str) -> Counts {
    let is = |name: &str| i64::from(grade == name);
    Counts { pass: is("pass"), fail: is("fail"), na: is("na"), unknown: is("unknown") }
}
