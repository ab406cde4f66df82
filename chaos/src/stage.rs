//! The processes of a run, and the data directory they share.

use std::sync::Arc;

use anyhow::Context as _;

use crate::check::Watch;
use crate::client::Addresses;
use crate::options::Mode;
use crate::process::{Part, Process, Recipe};

/// The processes that run at the moment.
pub struct Stage {
    pub recipe: Recipe,
    addresses: Addresses,
    watch: Arc<Watch>,
    wanted: Vec<Part>,
    processes: Vec<Process>,
}

impl Stage {
    pub fn new(recipe: Recipe, addresses: Addresses, watch: Arc<Watch>, mode: Mode) -> Self {
        let wanted = match mode {
            Mode::All => vec![Part::Serve],
            // Two doors, so that several processes write.
            Mode::Parts => vec![Part::Api, Part::Api, Part::Worker],
        };
        Stage { recipe, addresses, watch, wanted, processes: Vec::new() }
    }

    /// Starts what should run and does not.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.bury();
        let mut missing = self.wanted.clone();
        for process in &self.processes {
            if let Some(place) = missing.iter().position(|part| *part == process.part) {
                missing.remove(place);
            }
        }
        for part in missing {
            self.processes.push(self.recipe.start(part).await?);
            self.publish()?;
        }
        Ok(())
    }

    /// Takes note of processes that have ended by themselves, which none should.
    fn bury(&mut self) {
        let (watch, recipe) = (&self.watch, &self.recipe);
        self.processes.retain_mut(|process| {
            let ended = process.ended();
            watch.process(ended.is_none(), || {
                let status = ended.map(|status| status.to_string()).unwrap_or_default();
                format!("{:?} ended by itself with {status}; the log ends with:\n{}", process.part, recipe.log_end())
            });
            ended.is_none()
        });
    }

    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// The place of the process that holds the document index.
    pub fn indexing(&self) -> Option<usize> {
        self.processes.iter().position(|process| process.part != Part::Api)
    }

    /// Whether a process that holds the document index has a door.
    pub fn searches(&self) -> bool {
        self.processes.iter().any(|process| process.part == Part::Serve)
    }

    /// Kills the process at a place.
    pub async fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        self.bury();
        if place < self.processes.len() {
            self.processes.remove(place).kill().await;
        }
        self.publish()
    }

    /// Ends the workers at a place and behind it, whether they run or not: one that was begun without room on its disk
    /// may have given up, and does not say whether it will.
    pub async fn dismiss_workers(&mut self, place: usize) {
        let begun = self.processes.split_off(place.min(self.processes.len()));
        for process in begun {
            match process.part {
                Part::Worker => process.kill().await,
                Part::Serve | Part::Api => self.processes.push(process),
            }
        }
    }

    pub fn pause(&self, place: usize) {
        if let Some(process) = self.processes.get(place) {
            process.pause();
        }
    }

    pub fn resume(&self) {
        self.processes.iter().for_each(Process::resume);
    }

    /// Kills what runs, and goes on with one process that does everything.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.resume();
        self.bury();
        for process in std::mem::take(&mut self.processes) {
            process.kill().await;
        }
        self.wanted = vec![Part::Serve];
        self.fill().await.context("assay could not be started again at the end")
    }

    /// Asks every process to stop; one that does not do so cleanly is taken note of.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.bury();
        for process in std::mem::take(&mut self.processes) {
            let stopped = process.stop().await;
            self.watch.process(stopped.is_ok(), || format!("{:#}", stopped.expect_err("it is told only then")));
        }
        self.publish()
    }

    fn publish(&self) -> anyhow::Result<()> {
        self.addresses.set(self.processes.iter().filter_map(|process| process.base.clone()).collect())
    }
}
