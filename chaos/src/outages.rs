//! What goes wrong on the deployed profile: servers, nodes, workers and the proxy are killed or say nothing for a while.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use services::Server;
use tokio::task::JoinHandle;

use crate::front::Front;
use crate::load::Load;
use crate::process::Part;
use crate::servers::Servers;
use crate::stage::Stage;
use crate::tally::Tally;

/// Does the damage, one thing after the other. A search engine takes long to start, and comes back meanwhile.
pub struct Outages {
    stage: Stage,
    servers: Servers,
    front: Front,
    tally: Arc<Tally>,
    load: Arc<Load>,
    random: StdRng,
    kills: u64,
    end: Instant,
    /// Starts the search engine again.
    returning: Option<JoinHandle<anyhow::Result<()>>>,
    /// Reports sent to see whether all goes on.
    trials: u64,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// The process at this post.
    Kill(usize),
    KillAll,
    KillServer(Server),
    KillFront,
    Flush,
    Pause(usize),
    PauseServer(Server),
}

/// Posts of the nodes and of the workers.
const NODES: [usize; 2] = [0, 1];
const WORKERS: [usize; 2] = [2, 3];

/// A run begins with one of each, so that a short one has them all.
const FIRST: [Outage; 16] = [
    Outage::KillServer(Server::Elasticsearch),
    Outage::Kill(NODES[0]),
    Outage::KillServer(Server::Postgres),
    Outage::Kill(WORKERS[0]),
    Outage::Flush,
    Outage::KillServer(Server::Redis),
    Outage::Kill(NODES[1]),
    Outage::Pause(WORKERS[0]),
    Outage::Kill(WORKERS[1]),
    Outage::PauseServer(Server::Postgres),
    Outage::Pause(NODES[0]),
    Outage::KillFront,
    Outage::PauseServer(Server::Redis),
    Outage::Pause(NODES[1]),
    Outage::PauseServer(Server::Elasticsearch),
    Outage::KillAll,
];

impl Outages {
    pub fn new(
        stage: Stage,
        servers: Servers,
        front: Front,
        load: Arc<Load>,
        seed: u64,
        kills: u64,
        end: Instant,
    ) -> Self {
        let tally = Arc::clone(&load.courier.tally);
        let random = StdRng::seed_from_u64(seed ^ 0x007a6e);
        Outages { stage, servers, front, tally, load, random, kills, end, returning: None, trials: 0 }
    }

    /// Goes on until there was one of each, all kills are done and all reports begun, or the time is over. Gives back the
    /// stage with everything running, the proxy and the servers.
    pub async fn run(mut self) -> anyhow::Result<(Stage, Front, Servers)> {
        let redis = self.servers.redis();
        let mut first = FIRST.into_iter().filter(|outage| redis || !outage.of_redis());
        loop {
            let next = first.next();
            if self.over() || (next.is_none() && self.tally.kills.get() >= self.kills) {
                break;
            }
            self.wait_for_work().await;
            let outage = next.unwrap_or_else(|| self.choose());
            self.bring_about(outage).await.with_context(|| format!("{}: it was to be brought about", outage.name()))?;
            let essential = matches!(outage, Outage::KillServer(_) | Outage::Flush | Outage::KillAll);
            if essential && (next.is_some() || self.random.random_bool(0.2)) && !self.over() {
                self.trials += 1;
                self.load.revive(self.trials).await?;
            }
        }
        // What is still to be sent is sent in peace.
        while !self.over() && self.load.begun() < self.load.count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.await_search().await?;
        Ok((self.stage, self.front, self.servers))
    }

    fn over(&self) -> bool {
        Instant::now() >= self.end || self.tally.ended()
    }

    /// The load is spread over the kills: a fault comes at a random moment after its share was begun.
    async fn wait_for_work(&mut self) {
        let share = self.load.count * self.tally.kills.get().min(self.kills) / (self.kills + 1);
        while self.load.begun() < share && !self.over() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.sleep(0..900).await;
    }

    fn choose(&mut self) -> Outage {
        let redis = self.servers.redis();
        let random = &mut self.random;
        match random.random_range(0..100) {
            0..20 => Outage::Kill(*NODES.choose(random).expect("there are nodes")),
            20..38 => Outage::Kill(*WORKERS.choose(random).expect("there are workers")),
            38..50 => Outage::KillServer(Server::Postgres),
            50..58 if redis => Outage::KillServer(Server::Redis),
            58..66 if redis => Outage::Flush,
            66..70 => Outage::KillServer(Server::Elasticsearch),
            70..75 => Outage::KillAll,
            75..79 => Outage::KillFront,
            79..90 => Outage::Pause(random.random_range(0..NODES.len() + WORKERS.len())),
            90..93 if redis => Outage::PauseServer(Server::Redis),
            93..95 => Outage::PauseServer(Server::Elasticsearch),
            _ => Outage::PauseServer(Server::Postgres),
        }
    }

    async fn bring_about(&mut self, outage: Outage) -> anyhow::Result<()> {
        self.tally.trouble.begin(outage.name());
        self.tally.count(outage.name());
        match outage {
            Outage::Kill(post) => self.kill(post).await,
            Outage::KillAll => self.kill_all().await,
            Outage::KillServer(Server::Elasticsearch) => self.kill_search().await,
            Outage::KillServer(Server::Postgres) => self.kill_database().await,
            Outage::KillServer(server) => self.kill_server(server, 300..3000).await,
            Outage::KillFront => self.kill_front().await,
            Outage::Flush => self.servers.flush().await,
            Outage::Pause(post) => self.pause(post).await,
            Outage::PauseServer(server) => self.pause_server(server).await,
        }?;
        self.tally.trouble.end();
        Ok(())
    }

    async fn kill(&mut self, post: usize) -> anyhow::Result<()> {
        self.kill_post(post).await?;
        self.sleep(0..1500).await;
        self.stage.fill().await
    }

    async fn kill_post(&mut self, post: usize) -> anyhow::Result<()> {
        if let Some(place) = self.stage.place(post) {
            self.stage.kill(place).await?;
            self.tally.kills.add();
        }
        Ok(())
    }

    async fn kill_all(&mut self) -> anyhow::Result<()> {
        for post in NODES.into_iter().chain(WORKERS) {
            self.kill_post(post).await?;
        }
        self.stage.fill().await
    }

    /// The first time, and then every other time, a node is killed as well, while what it has taken lies in its spool. It
    /// has to start without the database.
    async fn kill_database(&mut self) -> anyhow::Result<()> {
        let before = self.tally.spooled.get();
        self.servers.kill(Server::Postgres).await?;
        self.tally.kills.add();
        self.sleep(500..4000).await;
        if before == 0 || self.random.random_bool(0.5) {
            self.wait_for_spooling(before).await;
            let node = *NODES.choose(&mut self.random).expect("there are nodes");
            self.tally.count("node killed without database");
            self.kill_post(node).await?;
            self.stage.fill_with(|part| part == Part::Api).await?;
            self.sleep(0..1500).await;
        }
        self.servers.start_again(Server::Postgres).await
    }

    /// Waits until a node spools what it takes, but not for long: maybe nobody sends.
    async fn wait_for_spooling(&mut self, before: u64) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.tally.spooled.get() == before && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.sleep(0..1500).await;
    }

    async fn kill_server(&mut self, server: Server, away: Range<u64>) -> anyhow::Result<()> {
        self.servers.kill(server).await?;
        self.tally.kills.add();
        self.sleep(away).await;
        self.servers.start_again(server).await
    }

    /// Nobody waits for it to come back.
    async fn kill_search(&mut self) -> anyhow::Result<()> {
        self.await_search().await?;
        self.servers.kill(Server::Elasticsearch).await?;
        self.tally.kills.add();
        let servers = self.servers.clone();
        let away = Duration::from_millis(self.random.random_range(0..3000));
        self.returning = Some(tokio::spawn(async move {
            tokio::time::sleep(away).await;
            servers.start_again(Server::Elasticsearch).await
        }));
        Ok(())
    }

    async fn await_search(&mut self) -> anyhow::Result<()> {
        match self.returning.take() {
            None => Ok(()),
            Some(returning) => returning.await.context("the starting of the search engine broke off")?,
        }
    }

    /// It is started again at once, as a supervisor does.
    async fn kill_front(&mut self) -> anyhow::Result<()> {
        self.front.kill().await;
        self.tally.kills.add();
        self.front.start_again().await
    }

    /// Holds a process in the middle of its work; one of three is killed before it can go on.
    async fn pause(&mut self, post: usize) -> anyhow::Result<()> {
        let Some(place) = self.stage.place(post) else { return Ok(()) };
        self.stage.pause(place);
        self.tally.pauses.add();
        self.sleep(50..4000).await;
        if self.random.random_bool(0.33) {
            self.kill_post(post).await?;
            return self.stage.fill().await;
        }
        self.stage.resume();
        Ok(())
    }

    async fn pause_server(&mut self, server: Server) -> anyhow::Result<()> {
        if server == Server::Elasticsearch {
            self.await_search().await?;
        }
        self.servers.pause(server).await?;
        self.tally.pauses.add();
        // Longer than a door waits for the database.
        self.sleep(200..9000).await;
        self.servers.resume(server).await
    }

    async fn sleep(&mut self, milliseconds: Range<u64>) {
        let time = Duration::from_millis(self.random.random_range(milliseconds));
        tokio::time::sleep(time).await;
    }
}

impl Outage {
    fn of_redis(self) -> bool {
        matches!(self, Outage::Flush | Outage::KillServer(Server::Redis) | Outage::PauseServer(Server::Redis))
    }

    fn name(self) -> &'static str {
        match self {
            Outage::Kill(0) => "api 1 killed",
            Outage::Kill(1) => "api 2 killed",
            Outage::Kill(2) => "worker 1 killed",
            Outage::Kill(_) => "worker 2 killed",
            Outage::KillAll => "all of assay killed",
            Outage::KillServer(Server::Postgres) => "PostgreSQL killed",
            Outage::KillServer(Server::Redis) => "Redis killed",
            Outage::KillServer(_) => "Elasticsearch killed",
            Outage::KillFront => "HAProxy killed",
            Outage::Flush => "Redis emptied",
            Outage::Pause(0 | 1) => "api paused",
            Outage::Pause(_) => "worker paused",
            Outage::PauseServer(Server::Postgres) => "PostgreSQL paused",
            Outage::PauseServer(Server::Redis) => "Redis paused",
            Outage::PauseServer(_) => "Elasticsearch paused",
        }
    }
}
