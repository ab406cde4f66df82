//! Redis, tried out for `assay check`.

use std::time::Duration;

use anyhow::Context;
use pipeline::link::RedisLink;
use pipeline::queue::OutsideQueue;

use super::Part;
use crate::config::{Queue, Settings};

/// The queue and the carrier of news, as far as they are in Redis.
pub async fn check(settings: &Settings) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Queue::Redis(url) = &settings.queue {
        parts.push(Part::of("queue", check_queue(&url.0).await));
    }
    if let Some(url) = &settings.events {
        parts.push(Part::of("events", check_events(&url.0).await));
    }
    parts
}

async fn check_queue(url: &str) -> anyhow::Result<String> {
    let queue = OutsideQueue::connect(url).await?;
    let depth = queue.depth().await?;
    Ok(format!("{} answers; {depth} jobs wait", queue.link().address()))
}

async fn check_events(url: &str) -> anyhow::Result<String> {
    let link = RedisLink::open(url, Duration::from_secs(2))?;
    link.ping().await.with_context(|| format!("{} does not answer", link.address()))?;
    Ok(format!("{} answers", link.address()))
}
