//! One run: the stage is set, everything goes wrong for a while, and then it is proved that all is well.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::check::{Check, Watch};
use crate::client::{Addresses, Client};
use crate::delivery::Courier;
use crate::disk::Disk;
use crate::faults::Faults;
use crate::follower;
use crate::ledger::Account;
use crate::load::{Load, Tester};
use crate::mirror::Following;
use crate::options::Options;
use crate::process::Recipe;
use crate::proof::{Evidence, prove};
use crate::reports::Reports;
use crate::stage::Stage;
use crate::story::Story;
use crate::tally::Tally;

/// Names of the testers.
const TESTERS: [&str; 4] = ["Ann Chaos", "Bob Chaos", "Cleo Chaos", "Dan Chaos"];

/// Runs, and tells what happened.
pub async fn run(options: &Options) -> anyhow::Result<Story> {
    let scratch = options.scratch()?;
    let mut not_run = Vec::new();
    let disk = mount(&scratch.path().join("disk"), options.reports, &mut not_run);
    let recipe = Recipe {
        program: options.program()?,
        data: scratch.path().join("disk").join("assay"),
        settings: settings(options),
        log: scratch.path().join("assay.log"),
    };
    let told = scene(options, scratch.path(), recipe, disk, &mut not_run).await;
    if let Some(keep) = &options.keep {
        std::fs::create_dir_all(keep).context("the directory to keep logs in could not be made")?;
        for name in ["assay.log", "mirror.log"] {
            // A run that failed early has not all of them.
            std::fs::copy(scratch.path().join(name), keep.join(name)).ok();
        }
    }
    told
}

/// Settings for assay. With every other seed it keeps no reserve on its disk, so that it meets a full one in the middle
/// of its work, and not only at the doors.
fn settings(options: &Options) -> Vec<String> {
    let reserve = options.seed.is_multiple_of(2).then(|| "intake.disk_reserve=0".to_owned());
    // Of a setting given twice, the later counts.
    reserve.into_iter().chain(options.settings.iter().cloned()).collect()
}

fn mount(place: &Path, reports: u64, not_run: &mut Vec<String>) -> Option<Disk> {
    Disk::mount(place, reports)
        .map_err(|error| {
            let reason = format!("full disks: {error:#}");
            eprintln!("DID NOT RUN: {reason}");
            not_run.push(reason);
        })
        .ok()
}

async fn scene(
    options: &Options,
    scratch: &Path,
    recipe: Recipe,
    disk: Option<Disk>,
    not_run: &mut Vec<String>,
) -> anyhow::Result<Story> {
    let (tally, watch) = (Arc::new(Tally::default()), Arc::new(Watch::default()));
    let addresses = Addresses::new(scratch.join("addresses"));
    let following = Following { log: scratch.join("mirror.log"), addresses: addresses.file().to_owned() };
    let client = Client::new(addresses.clone())?;
    let testers = testers(&recipe).await?;
    let mut stage = Stage::new(recipe, addresses, Arc::clone(&watch), options.mode);
    stage.fill().await?;

    let courier = Courier::new(client.clone(), Arc::clone(&tally), Arc::clone(&watch));
    let reports = Reports::new(options.seed, options.size);
    let mut load = Load::new(reports, courier, testers.clone(), options.seed, options.reports, options.kills);
    if !load.probe().await? {
        let reason = "retractions: this assay does not answer DELETE /v4/reports/{id}".to_owned();
        eprintln!("DID NOT RUN: {reason}");
        not_run.push(reason);
    }
    let began = Instant::now();
    let load = Arc::new(load);
    let faults = Faults::new(stage, Arc::clone(&load), disk, options.seed, options.kills, began + options.duration());
    let (mut stage, disk, accounts) = torment(load, faults, &following, &tally, options.seed).await?;
    let chaos = began.elapsed();

    stage.settle().await?;
    let evidence = Evidence { client: &client, accounts: &accounts, testers: &testers, following: &following };
    let (mut checks, changes) = prove(&evidence, &mut stage).await?;
    stage.stop().await?;
    watch.process(panic_in(&stage.recipe.log_text()).is_none(), || {
        panic_in(&stage.recipe.log_text()).unwrap_or_default()
    });
    drop((stage, disk));
    checks.extend(watch.checks());
    Ok(Story {
        passed: checks.iter().all(Check::passed),
        mode: options.mode.as_str(),
        seed: options.seed,
        seconds: chaos.as_secs_f64(),
        proof_seconds: (began.elapsed() - chaos).as_secs_f64(),
        survived: tally.survived(changes),
        not_run: not_run.clone(),
        checks,
    })
}

/// Lets load, faults and mirror loose on each other until the faults are through.
async fn torment(
    load: Arc<Load>,
    faults: Faults,
    following: &Following,
    tally: &Arc<Tally>,
    seed: u64,
) -> anyhow::Result<(Stage, Option<Disk>, Vec<Account>)> {
    let sending = tokio::spawn(Arc::clone(&load).run());
    let mirroring = tokio::spawn(follower::torment(following.clone(), Arc::clone(tally), seed));
    let tormented = faults.run().await;
    tally.end();
    sending.await.context("the load panicked")??;
    mirroring.await.context("the mirror's keeper panicked")??;
    let (stage, disk) = tormented?;
    // Not before the faults are through: after a full disk, they send as well.
    Ok((stage, disk, load.accounts()))
}

/// Makes the data directory, and a token for each tester.
async fn testers(recipe: &Recipe) -> anyhow::Result<Vec<Tester>> {
    let mut testers = Vec::new();
    for name in TESTERS {
        let issued = recipe.json(&["token", "issue", "--scope", "submit", "--tester", name, "--json"]).await?;
        let token = issued["token"].as_str().context("a token was issued without its text")?.to_owned();
        testers.push(Tester { name: name.to_owned(), token });
    }
    Ok(testers)
}

/// The first panic in a log. Those of the search engine over damaged files are caught, and told otherwise.
fn panic_in(log: &str) -> Option<String> {
    log.lines().find(|line| line.contains("panicked at") && !line.contains("tantivy")).map(str::to_owned)
}
