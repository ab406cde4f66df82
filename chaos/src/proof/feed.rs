//! A mirror that followed the feed equals its source, row for row.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Listed;
use crate::check::Check;
use crate::mirror::{Change, Mirror};

pub(super) fn check(mirror: &Mirror, listed: &Listed, caught_up: bool, head: i64) -> Check {
    let mut check = Check::new("feed", "a mirror of the change feed equals its source, row for row");
    check.expect(caught_up, || format!("the mirror stopped at {} of {head}", mirror.last));
    check.expect(mirror.disorder.is_empty(), || format!("out of order: {}", mirror.disorder.join("; ")));
    compare(&mut check, "the row of", &mirror.results, &listed.results);
    compare(&mut check, "the summary of", &mirror.summaries, &listed.summaries);
    for summary in listed.summaries.values() {
        let mirrored = mirror.summaries.get(&super::key(summary)).map(|change| change.number);
        check.equal(|| "a summary's number".to_owned(), &mirrored, &summary["number"].as_i64());
    }
    check
}

fn compare(check: &mut Check, what: &str, mirrored: &BTreeMap<String, Change>, source: &BTreeMap<String, Value>) {
    for (key, value) in source {
        let present = mirrored.get(key).filter(|change| !change.removed).map(|change| &change.value);
        check.equal(|| format!("{what} {key} in the mirror"), &present, &Some(value));
    }
    for (key, change) in mirrored.iter().filter(|(key, _)| !source.contains_key(*key)) {
        let gone = change.removed && change.value.is_null();
        check.expect(gone, || format!("{what} {key} is gone, and the mirror has it as of change {}", change.number));
    }
}
