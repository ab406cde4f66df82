//! What assay finds when it checks its own store: nothing, both after the faults and after a rebuild.

use anyhow::Context as _;
use serde_json::Value;

use crate::check::Check;
use crate::process::Recipe;

/// The check, without anything looked at yet.
pub(super) fn begin() -> Check {
    Check::new("fsck", "`assay fsck --deep` finds no fault, nor anything it cannot check")
}

/// Lets assay check everything. No server may run, so that the index is checked, too.
pub(super) async fn look(check: &mut Check, recipe: &Recipe, when: &str) -> anyhow::Result<()> {
    let (status, report) = recipe.told(&["fsck", "--deep", "--json"]).await?;
    for one in report["checks"].as_array().context("fsck told no checks")? {
        let clean = one["faults"] == 0 && one["failure"].is_null();
        check.expect(clean, || format!("{when}: {}: {}", one["name"], why(one)));
    }
    check.expect(status.success() && report["clean"] == true, || format!("{when}: it ended with {status}"));
    Ok(())
}

/// What it could not check, or the first of what it found.
fn why(one: &Value) -> String {
    match one["failure"].as_str() {
        Some(failure) => failure.to_owned(),
        None => format!("{} faults, such as {}", one["faults"], one["examples"][0]),
    }
}
