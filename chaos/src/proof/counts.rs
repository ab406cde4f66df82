//! Rows, summaries, matrices, authors and testers' counts equal a recount of the bodies that count.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::{AT_ONCE, Listed, Row, Rows, escaped};
use crate::check::Check;
use crate::client::Client;
use crate::recount::{Counts, Recount, Release, Told, counts, sum};

/// A matrix by version, perl and operating system.
type Cells = BTreeMap<(String, String, String), Counts>;

pub(super) async fn check(
    client: &Client,
    rows: &Rows,
    expected: &Recount,
    listed: &Listed,
) -> anyhow::Result<[Check; 6]> {
    let summaries = check_summaries(expected, listed);
    Ok([
        check_rows(rows, listed),
        summaries,
        check_matrices(client, expected, listed).await?,
        check_partitions(client, expected).await?,
        check_authors(rows, listed),
        check_testers(client, expected, listed).await?,
    ])
}

/// Each report that counts is listed once, as its body says.
fn check_rows(rows: &Rows, listed: &Listed) -> Check {
    let mut check = Check::new("rows", "each report that counts is listed once, and says what its body says");
    for (id, row) in rows {
        let found = listed.results.get(id).map(Told::of_row);
        check.equal(|| format!("the row of {id}"), &found.as_ref(), &Some(&row.told));
    }
    for id in listed.results.keys().filter(|id| !rows.contains_key(*id)) {
        check.expect(false, || format!("{id} is listed and does not count"));
    }
    check
}

fn check_summaries(expected: &Recount, listed: &Listed) -> Check {
    let mut check = Check::new("counts", "every summary equals a recount of the bodies");
    let found: BTreeMap<Release, Counts> = listed.summaries.values().map(|one| (release(one), counts(one))).collect();
    compare(&mut check, "the summary of", &found, &expected.releases);
    check
}

/// Matrices equal the recount, and their sums those of the summaries.
async fn check_matrices(client: &Client, expected: &Recount, listed: &Listed) -> anyhow::Result<Check> {
    let mut check = Check::new("matrix", "every matrix equals a recount, and its sum that of the summaries");
    let mut sums: BTreeMap<String, Vec<Counts>> = BTreeMap::new();
    for summary in listed.summaries.values() {
        sums.entry(release(summary).0).or_default().push(counts(summary));
    }
    let names: BTreeSet<&String> = sums.keys().chain(expected.cells.keys()).collect();
    let matrices: Vec<(&String, Option<Value>)> = futures::stream::iter(names)
        .map(|name| async move {
            let path = format!("/v4/matrix/{}?axes=version,language_version,os", escaped(name));
            let (status, body) = client.get(&path, "application/json").await?;
            let view = (status == 200).then(|| serde_json::from_slice(&body)).transpose()?;
            Ok::<_, anyhow::Error>((name, view))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let none = Cells::new();
    for (name, view) in matrices {
        let cells: Cells =
            view.iter().flat_map(|view| view["cells"].as_array().into_iter().flatten()).map(cell).collect();
        let found: Cells = cells.into_iter().filter(|(_, counts)| *counts != [0; 4]).collect();
        let summed = sums.get(name).map(sum).unwrap_or_default();
        check.equal(|| format!("the sum of the matrix of {name}"), &sum(found.values()), &summed);
        if let Some(view) = &view {
            check.equal(|| format!("the totals of the matrix of {name}"), &counts(&view["totals"]), &summed);
        }
        compare(&mut check, name, &found, expected.cells.get(name).unwrap_or(&none));
    }
    Ok(check)
}

async fn check_partitions(client: &Client, expected: &Recount) -> anyhow::Result<Check> {
    let mut check = Check::new("partitions", "every release's counts by perl maturity equal a recount");
    let views: Vec<(&Release, Value)> = futures::stream::iter(expected.partitions.keys())
        .map(|name| async move {
            let path = format!("/v4/releases/{}/{}", escaped(&name.0), escaped(&name.1));
            Ok::<_, anyhow::Error>((name, client.json(&path).await?))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (name, view) in views {
        let parts = view["partitions"].as_array().context("a release has no partitions")?;
        let found: BTreeMap<(bool, bool), Counts> = parts
            .iter()
            .map(|part| ((part["language_maturity"] == "development", part["patched"] == true), counts(part)))
            .filter(|(_, counts)| *counts != [0; 4])
            .collect();
        check.equal(|| format!("the partitions of {} {}", name.0, name.1), &found, &expected.partitions[name]);
    }
    Ok(check)
}

/// Every release shows the author whom the report with the lowest number names, of those that count and name one.
fn check_authors(rows: &Rows, listed: &Listed) -> Check {
    let mut check = Check::new("authors", "every release is whose the first report says that counts and says so");
    let mut expected: BTreeMap<Release, (i64, &str)> = BTreeMap::new();
    for (id, Row { told, .. }) in rows {
        let number = listed.results.get(id).and_then(|row| row["number"].as_i64());
        // Of a report that is not listed, another check tells.
        if let (Some(number), Some(author)) = (number, told.author.as_deref()) {
            let first = expected.entry((told.distribution.clone(), told.version.clone())).or_insert((number, author));
            *first = (number, author).min(*first);
        }
    }
    for summary in listed.summaries.values() {
        let release = release(summary);
        let author = expected.get(&release).map(|(_, author)| *author);
        check.equal(|| format!("the author of {release:?}"), &summary["author"].as_str(), &author);
    }
    check
}

async fn check_testers(client: &Client, expected: &Recount, listed: &Listed) -> anyhow::Result<Check> {
    let mut check = Check::new("testers", "every tester's counts equal a recount");
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for row in listed.results.values() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        ids.insert(text("tester"), text("tester_id"));
    }
    let mut found: BTreeMap<String, Counts> = BTreeMap::new();
    for (name, id) in ids {
        found.insert(name, counts(&client.json(&format!("/v4/testers/{}", escaped(&id))).await?));
    }
    compare(&mut check, "the counts of", &found, &expected.testers);
    Ok(check)
}

/// Both maps hold the same.
fn compare<K: Ord + std::fmt::Debug>(
    check: &mut Check,
    what: &str,
    found: &BTreeMap<K, Counts>,
    expected: &BTreeMap<K, Counts>,
) {
    for (key, counts) in expected {
        check.equal(|| format!("{what} {key:?}"), &found.get(key), &Some(counts));
    }
    for (key, counts) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        check.expect(false, || format!("{what} {key:?}: found {counts:?}, expected none"));
    }
}

fn release(summary: &Value) -> Release {
    let text = |name: &str| summary[name].as_str().unwrap_or_default().to_owned();
    (text("distribution"), text("version"))
}

fn cell(value: &Value) -> ((String, String, String), Counts) {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    ((text("version"), text("language_version"), text("os")), counts(value))
}
