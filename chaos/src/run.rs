//! One run: the stage is set, everything goes wrong for a while, and then it is proved that all is well.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::availability::Availability;
use crate::check::{Check, Watch};
use crate::client::{Addresses, Client};
use crate::delivery::Courier;
use crate::deployment::Deployment;
use crate::disk::Disk;
use crate::faults::Faults;
use crate::follower;
use crate::front::Front;
use crate::ledger::Account;
use crate::load::{Load, Tester};
use crate::mirror::Following;
use crate::options::{Mode, Options};
use crate::outages::Outages;
use crate::process::{Part, Recipe};
use crate::proof::{Database, Evidence, prove};
use crate::reports::Reports;
use crate::servers::Servers;
use crate::stage::{Stage, sharing};
use crate::story::Story;
use crate::tally::Tally;

/// Names of the testers.
const TESTERS: [&str; 4] = ["Ann Chaos", "Bob Chaos", "Cleo Chaos", "Dan Chaos"];

/// Runs, and tells what happened.
pub async fn run(options: &Options) -> anyhow::Result<Story> {
    let scratch = options.scratch()?;
    let mut not_run = Vec::new();
    let deployed = options.mode == Mode::Deployed;
    let deployment = match deployed {
        true => Some(Deployment::start(options.queue, scratch.path()).await?),
        false => None,
    };
    // What is deployed needs the disk of its nodes for the spool alone.
    let disk = match deployed {
        true => None,
        false => mount(&scratch.path().join("disk"), options.reports, &mut not_run),
    };
    let recipe = Recipe {
        program: options.program()?,
        data: scratch.path().join("disk").join("assay"),
        settings: settings(options, deployment.as_ref()),
        log: scratch.path().join("assay.log"),
    };
    let stands = Stands { disk, deployment };
    let told = scene(options, scratch.path(), recipe, stands, &mut not_run).await;
    if let Some(keep) = &options.keep {
        std::fs::create_dir_all(keep).context("the directory to keep logs in could not be made")?;
        for name in ["assay.log", "mirror.log", "haproxy.log"] {
            // A run that failed early has not all of them.
            std::fs::copy(scratch.path().join(name), keep.join(name)).ok();
        }
    }
    told
}

/// Settings for assay. With every other seed it keeps no reserve on its disk, so that it meets a full one in the middle
/// of its work, and not only at the doors.
fn settings(options: &Options, deployment: Option<&Deployment>) -> Vec<String> {
    let profile = match deployment {
        Some(deployment) => deployment.servers.settings(),
        None => options.seed.is_multiple_of(2).then(|| "intake.disk_reserve=0".to_owned()).into_iter().collect(),
    };
    // Of a setting given twice, the later counts.
    profile.into_iter().chain(options.settings.iter().cloned()).collect()
}

/// What a run stands on beside assay.
struct Stands {
    /// Of the embedded profile: one that can be filled.
    disk: Option<Disk>,
    deployment: Option<Deployment>,
}

/// What the end of the damage leaves running.
struct Left {
    stage: Stage,
    _disk: Option<Disk>,
    _front: Option<Front>,
    _servers: Option<Servers>,
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
    stands: Stands,
    not_run: &mut Vec<String>,
) -> anyhow::Result<Story> {
    let (tally, watch) = (Arc::new(Tally::default()), Arc::new(Watch::default()));
    let addresses = Addresses::new(scratch.join("addresses"));
    let following = Following { log: scratch.join("mirror.log"), addresses: addresses.file().to_owned() };
    let client = Client::new(addresses.clone())?;
    let testers = testers(&recipe).await?;
    let database = match &stands.deployment {
        Some(deployment) => Database::Postgres(deployment.servers.database().to_owned()),
        None => Database::File(recipe.data.join("assay.db")),
    };
    let availability = stands.deployment.as_ref().map(|_| Arc::new(Availability::default()));
    let mut stage = stage(options.mode, recipe, addresses, &watch, stands.deployment.as_ref());
    stage.fill().await?;
    client.wait_until_ready().await?;

    let mut courier = Courier::new(client.clone(), Arc::clone(&tally), Arc::clone(&watch));
    if let Some(availability) = &availability {
        courier = courier.patient(Arc::clone(availability));
    }
    let reports = Reports::new(options.seed, options.size);
    let mut load = Load::new(reports, courier, testers.clone(), options.seed, options.reports, options.kills);
    if !load.probe().await? {
        let reason = "retractions: this assay does not answer DELETE /v4/reports/{id}".to_owned();
        eprintln!("DID NOT RUN: {reason}");
        not_run.push(reason);
    }
    let began = Instant::now();
    let load = Arc::new(load);
    let damage = damage(options, stage, Arc::clone(&load), stands, began + options.duration());
    let (mut left, accounts) = torment(load, damage, &following, &tally, options.seed).await?;
    let chaos = began.elapsed();

    let stage = &mut left.stage;
    stage.settle().await?;
    client.wait_until_ready().await?;
    let doors = if options.mode == Mode::Deployed { stage.doors() } else { Vec::new() };
    let (accounts, testers) = (accounts.as_slice(), testers.as_slice());
    let evidence = Evidence { client: &client, accounts, testers, following: &following, database, doors };
    let (mut checks, changes) = prove(&evidence, stage).await?;
    stage.stop().await?;
    watch.process(panic_in(&stage.recipe.log_text()).is_none(), || {
        panic_in(&stage.recipe.log_text()).unwrap_or_default()
    });
    drop(left);
    checks.extend(watch.checks());
    checks.extend(availability.iter().map(|availability| availability.check()));
    Ok(Story {
        passed: checks.iter().all(Check::passed),
        mode: options.mode.as_str(),
        seed: options.seed,
        seconds: chaos.as_secs_f64(),
        proof_seconds: (began.elapsed() - chaos).as_secs_f64(),
        survived: tally.survived(changes),
        availability: availability.map(|availability| availability.figures()),
        not_run: not_run.clone(),
        checks,
    })
}

fn stage(
    mode: Mode,
    recipe: Recipe,
    addresses: Addresses,
    watch: &Arc<Watch>,
    deployment: Option<&Deployment>,
) -> Stage {
    let data = recipe.data.clone();
    let stage = |posts| Stage::new(recipe, addresses, Arc::clone(watch), posts);
    match (mode, deployment) {
        (_, Some(deployment)) => stage(deployment.posts.clone()).behind(deployment.front.url()),
        (Mode::All, None) => stage(sharing(&data, &[Part::Serve])),
        // Two doors, so that several processes write.
        (Mode::Parts | Mode::Deployed, None) => stage(sharing(&data, &[Part::Api, Part::Api, Part::Worker])),
    }
}

/// Everything that goes wrong, until that is over.
async fn damage(
    options: &Options,
    stage: Stage,
    load: Arc<Load>,
    Stands { disk, deployment }: Stands,
    end: Instant,
) -> anyhow::Result<Left> {
    let Options { seed, kills, .. } = *options;
    match deployment {
        None => {
            let (stage, disk) = Faults::new(stage, load, disk, seed, kills, end).run().await?;
            Ok(Left { stage, _disk: disk, _front: None, _servers: None })
        }
        Some(Deployment { servers, front, .. }) => {
            let (stage, front, servers) = Outages::new(stage, servers, front, load, seed, kills, end).run().await?;
            Ok(Left { stage, _disk: None, _front: Some(front), _servers: Some(servers) })
        }
    }
}

/// Lets load, damage and mirror loose on each other until the damage is done.
async fn torment(
    load: Arc<Load>,
    damage: impl Future<Output = anyhow::Result<Left>>,
    following: &Following,
    tally: &Arc<Tally>,
    seed: u64,
) -> anyhow::Result<(Left, Vec<Account>)> {
    let sending = tokio::spawn(Arc::clone(&load).run());
    let mirroring = tokio::spawn(follower::torment(following.clone(), Arc::clone(tally), seed));
    let left = damage.await;
    tally.end();
    sending.await.context("the load panicked")??;
    mirroring.await.context("the mirror's keeper panicked")??;
    let left = left?;
    // Not before the damage is done: whoever does it sends as well.
    Ok((left, load.accounts()))
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
