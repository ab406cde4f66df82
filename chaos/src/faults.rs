//! What goes wrong: processes are killed and paused, the disk is full, the index is broken, at random moments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::breakage::{Use, break_index};
use crate::disk::Disk;
use crate::load::Load;
use crate::stage::Stage;
use crate::tally::Tally;

/// Does the damage.
pub struct Faults {
    stage: Stage,
    tally: Arc<Tally>,
    load: Arc<Load>,
    /// `None`: no disk of our own to fill.
    disk: Option<Disk>,
    random: StdRng,
    kills: u64,
    end: Instant,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    FillDisk,
    BreakIndex,
}

/// A run begins with one of each, so that a short one has them all.
const FIRST: [Fault; 8] = [
    Fault::Kill,
    Fault::Pause,
    Fault::FillDisk,
    Fault::BreakIndex,
    Fault::Kill,
    Fault::BreakIndex,
    Fault::Pause,
    Fault::FillDisk,
];

impl Faults {
    pub fn new(stage: Stage, load: Arc<Load>, disk: Option<Disk>, seed: u64, kills: u64, end: Instant) -> Self {
        let tally = Arc::clone(&load.courier.tally);
        Faults { stage, tally, load, disk, random: StdRng::seed_from_u64(seed ^ 0xfa17), kills, end }
    }

    /// Goes on until all kills are done and all reports begun, or the time is over. Gives back the stage, with
    /// everything running, and the disk.
    pub async fn run(mut self) -> anyhow::Result<(Stage, Option<Disk>)> {
        let mut first = FIRST.into_iter();
        while self.tally.kills.get() < self.kills && !self.over() {
            self.wait_for_work().await;
            let fault = first.next().unwrap_or_else(|| self.choose());
            match fault {
                Fault::Kill => self.kill().await?,
                Fault::Pause => self.pause().await?,
                Fault::FillDisk => self.fill_disk().await?,
                Fault::BreakIndex => self.break_index().await?,
            }
        }
        // What is still to be sent is sent in peace.
        while !self.over() && self.load.begun() < self.load.count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok((self.stage, self.disk))
    }

    fn over(&self) -> bool {
        Instant::now() >= self.end || self.tally.ended()
    }

    /// The load is spread over the kills: a fault comes at a random moment after its share was begun.
    async fn wait_for_work(&mut self) {
        let share = self.load.count * self.tally.kills.get() / (self.kills + 1);
        while self.load.begun() < share && !self.over() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.sleep(0..900).await;
    }

    fn choose(&mut self) -> Fault {
        match self.random.random_range(0..100) {
            0..48 => Fault::Kill,
            48..82 => Fault::Pause,
            82..91 => Fault::FillDisk,
            _ => Fault::BreakIndex,
        }
    }

    /// Kills one process, or now and then all of them, and starts them again.
    async fn kill(&mut self) -> anyhow::Result<()> {
        let all = self.random.random_bool(0.2);
        loop {
            self.kill_one().await?;
            if !all || self.stage.len() == 0 {
                break;
            }
        }
        self.sleep(0..60).await;
        self.stage.fill().await
    }

    async fn kill_one(&mut self) -> anyhow::Result<()> {
        let place = self.random.random_range(0..self.stage.len().max(1));
        self.stage.kill(place).await?;
        self.tally.kills.add();
        Ok(())
    }

    /// Holds a process in the middle of its work; one of three is killed before it can go on.
    async fn pause(&mut self) -> anyhow::Result<()> {
        let place = self.random.random_range(0..self.stage.len().max(1));
        self.stage.pause(place);
        self.tally.pauses.add();
        self.sleep(20..700).await;
        if self.random.random_bool(0.33) {
            self.stage.kill(place).await?;
            self.tally.kills.add();
            return self.stage.fill().await;
        }
        self.stage.resume();
        Ok(())
    }

    /// Fills the disk for a while. A process that is killed meanwhile may not start before there is room again.
    async fn fill_disk(&mut self) -> anyhow::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        self.tally.disk_fills.add();
        // The database frees pages of its own now and then; what it frees is taken as well.
        for _ in 0..4 {
            disk.fill()?;
            let time = Duration::from_millis(self.random.random_range(100..500));
            tokio::time::sleep(time).await;
        }
        if self.random.random_bool(0.4) {
            self.kill_one().await?;
            // It may start or not: what counts is that it does when there is room.
            let before = self.stage.len();
            self.stage.fill().await.ok();
            self.sleep(0..300).await;
            self.stage.dismiss_workers(before).await;
        }
        self.disk.as_ref().context("the disk is still there")?.free()?;
        self.stage.fill().await?;
        self.load.revive(self.tally.disk_fills.get()).await
    }

    /// Breaks the index, now under the process that holds it, now while that is dead.
    async fn break_index(&mut self) -> anyhow::Result<()> {
        let used = if self.random.random_bool(0.5) { Use::Open } else { Use::Closed };
        if let Some(place) = self.stage.indexing().filter(|_| used == Use::Closed) {
            self.stage.kill(place).await?;
            self.tally.kills.add();
        }
        let directory = self.stage.recipe.data.join("index");
        if break_index(&directory, used, &mut self.random)?.is_some() {
            self.tally.index_breaks.add();
        }
        self.stage.fill().await?;
        // Where the index is a worker's, there is no door to ask for it.
        if used == Use::Open && self.stage.searches() {
            self.load.search_again().await;
        }
        Ok(())
    }

    async fn sleep(&mut self, milliseconds: std::ops::Range<u64>) {
        let time = Duration::from_millis(self.random.random_range(milliseconds));
        tokio::time::sleep(time).await;
    }
}
