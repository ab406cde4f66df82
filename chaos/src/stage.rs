//! The processes of a run: which are to run, and those that do.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::check::Watch;
use crate::client::Addresses;
use crate::process::{Part, Post, Process, Recipe};

/// A free port each time.
const ANYWHERE: &str = "127.0.0.1:0";

/// The processes that run at the moment.
pub struct Stage {
    pub recipe: Recipe,
    addresses: Addresses,
    watch: Arc<Watch>,
    wanted: Vec<Post>,
    /// The one address that clients are told of. `None`: they are told of each process that answers.
    front: Option<String>,
    processes: Vec<Process>,
}

/// Processes that have one data directory.
pub fn sharing(data: &Path, parts: &[Part]) -> Vec<Post> {
    parts.iter().map(|part| Post { part: *part, data: data.to_owned(), listen: ANYWHERE.to_owned() }).collect()
}

impl Stage {
    pub fn new(recipe: Recipe, addresses: Addresses, watch: Arc<Watch>, wanted: Vec<Post>) -> Self {
        Stage { recipe, addresses, watch, wanted, front: None, processes: Vec::new() }
    }

    /// The same with a proxy in front of it.
    pub fn behind(self, front: String) -> Self {
        Stage { front: Some(front), ..self }
    }

    /// Starts what should run and does not.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.fill_with(|_| true).await
    }

    /// The same of one part only.
    pub async fn fill_with(&mut self, wanted: impl Fn(Part) -> bool) -> anyhow::Result<()> {
        self.bury();
        for (place, post) in self.wanted.iter().enumerate().filter(|(_, post)| wanted(post.part)) {
            if self.processes.iter().all(|process| process.post != place) {
                self.processes.push(self.recipe.start(place, post).await?);
                publish(&self.addresses, self.front.as_deref(), &self.processes)?;
            }
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

    /// The place of the process that runs at a post.
    pub fn place(&self, post: usize) -> Option<usize> {
        self.processes.iter().position(|process| process.post == post)
    }

    /// The addresses of the processes themselves.
    pub fn doors(&self) -> Vec<String> {
        self.processes.iter().filter_map(|process| process.base.clone()).collect()
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

    /// Kills what runs, and goes on with one process that does everything. Where there is a proxy, all go on as they are.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.resume();
        if self.front.is_some() {
            return self.fill().await;
        }
        self.bury();
        for process in std::mem::take(&mut self.processes) {
            process.kill().await;
        }
        self.wanted = sharing(&self.recipe.data, &[Part::Serve]);
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
        publish(&self.addresses, self.front.as_deref(), &self.processes)
    }
}

fn publish(addresses: &Addresses, front: Option<&str>, processes: &[Process]) -> anyhow::Result<()> {
    match front {
        Some(front) => addresses.set(vec![front.to_owned()]),
        None => addresses.set(processes.iter().filter_map(|process| process.base.clone()).collect()),
    }
}
