//! Keeps the mirror running, and kills it at random moments.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::process::{Child, Command};

use crate::mirror::{self, Following};
use crate::tally::Tally;

/// Longest time for a mirror to take in what there is, without any progress.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the mirror until the run ends, with a kill now and then.
pub async fn torment(following: Following, tally: Arc<Tally>, seed: u64) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x3144);
    while !tally.ended() {
        let mut child = start(&following)?;
        let end = Instant::now() + Duration::from_millis(random.random_range(100..2500));
        while Instant::now() < end && !tally.ended() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::ensure!(child.try_wait()?.is_none(), "the mirror ended by itself");
        child.kill().await.context("the mirror could not be killed")?;
        tally.mirror_kills.add();
    }
    Ok(())
}

/// Lets the mirror go on from its cursor to a change number, and ends it. False: it got stuck before.
pub async fn catch_up(following: &Following, head: i64) -> anyhow::Result<bool> {
    let mut child = start(following)?;
    let (mut seen, mut since) = (-1, Instant::now());
    let reached = loop {
        let cursor = mirror::cursor(&following.log)?;
        if cursor >= head {
            break true;
        }
        if cursor > seen {
            (seen, since) = (cursor, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            break false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    child.kill().await.context("the mirror could not be ended")?;
    Ok(reached)
}

fn start(following: &Following) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("could not tell where this program is")?;
    let mut command = Command::new(program);
    command.arg("mirror").arg("--log").arg(&following.log).arg("--addresses").arg(&following.addresses);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().context("the mirror could not be started")
}
