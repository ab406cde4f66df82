//! The deployed profile, set up: servers of this run's own, two nodes behind HAProxy, two workers.

use std::path::Path;

use crate::front::{Front, free_address};
use crate::options::Queue;
use crate::process::{Part, Post};
use crate::servers::Servers;

/// Everything but assay itself, and where its processes are to run.
pub struct Deployment {
    pub servers: Servers,
    pub front: Front,
    /// Nodes first, then workers. Each has a data directory of its own, as on machines of their own.
    pub posts: Vec<Post>,
}

impl Deployment {
    /// Starts the servers, and HAProxy in front of nodes that do not run yet.
    pub async fn start(queue: Queue, directory: &Path) -> anyhow::Result<Deployment> {
        let (servers, haproxy) = Servers::start(queue).await?;
        let nodes = [free_address()?, free_address()?];
        let post = |part, name: &str, listen: &str| {
            let (data, listen) = (directory.join(name), listen.to_owned());
            Post { part, data, listen }
        };
        let posts = vec![
            post(Part::Api, "api1", &nodes[0]),
            post(Part::Api, "api2", &nodes[1]),
            post(Part::Worker, "worker1", ""),
            post(Part::Worker, "worker2", ""),
        ];
        let front = Front::start(haproxy, directory, nodes).await?;
        Ok(Deployment { servers, front, posts })
    }
}
