//! The bridge between processes: what one announces is announced in all, so that whoever waits or keeps answers may be
//! asked at any node.
//!
//! Nothing depends on it. A second way leads round it: the database is asked for its newest change number once a second,
//! and when that is beyond what was told of, anything may have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Events, News, Processed};
use crate::accept::chain;
use crate::link::RedisLink;
use crate::store::Store;

mod wire;

use wire::{Wire, WireError};

/// What carries the news.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// Publications of a Redis.
    Redis(RedisLink),
    /// Notifications of the PostgreSQL database.
    Postgres(PgPool),
}

/// Carries news from process to process. Cheap to clone; all clones are one bridge.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// `None`: the database alone tells of what others did.
    carrier: Option<Carrier>,
    events: Events,
    store: Store,
    open: Arc<AtomicBool>,
}

/// How often the database is asked for its newest change number.
const LOOK: Duration = Duration::from_secs(1);

/// How often a process sends a word to itself, to see that the bridge carries.
const BEAT: Duration = Duration::from_secs(5);

/// Silence after which the bridge is taken for broken.
const SILENCE: Duration = Duration::from_secs(15);

/// Longest time between two attempts to build the bridge again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A message between processes.
#[derive(Serialize, Deserialize)]
struct Letter {
    /// The process that sent it; its own letters come back to it.
    from: Uuid,
    /// `None`: a beat.
    news: Option<News>,
}

impl Bridge {
    pub fn new(carrier: Option<Carrier>, events: Events, store: Store) -> Self {
        Bridge { carrier, events, store, open: Arc::default() }
    }

    /// Whether news goes over the bridge at this time.
    pub fn open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Carries news until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = self.look() => {}
            () = self.carry() => {}
            () = stop.cancelled() => {}
        }
        self.open.store(false, Ordering::Relaxed);
    }

    /// Tells that anything may have changed when the database is further than what was told of. The news may be under
    /// way, so it is given the time until the next look, unless the bridge is known to be broken.
    async fn look(&self) {
        let broken = || self.carrier.is_some() && !self.open();
        let mut before = self.events.announced();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // A database that is away has nothing new.
            let Ok(head) = self.store.head().await else { continue };
            let told = self.events.announced();
            if head > told && (before > told || broken()) {
                self.events.repeat(News::Processed(Processed::everything(head)));
            }
            before = head;
        }
    }

    /// Builds the bridge, and builds it again whenever it breaks.
    async fn carry(&self) {
        let Some(carrier) = &self.carrier else { return std::future::pending().await };
        let mut news = Outgoing { own: self.events.own(), kept: None };
        let mut pause = Duration::ZERO;
        let mut built = 0_u64;
        loop {
            let broken = match Wire::connect(carrier).await {
                Err(error) => error,
                Ok(wire) => {
                    if built > 0 {
                        tracing::info!("the bridge to other processes is open again");
                        // What others told while it was broken is lost.
                        self.events.repeat(News::Identities);
                        self.tell_of_everything().await;
                    }
                    built += 1;
                    pause = Duration::ZERO;
                    self.open.store(true, Ordering::Relaxed);
                    self.exchange(wire, &mut news).await
                }
            };
            if self.open.swap(false, Ordering::Relaxed) || (built == 0 && pause.is_zero()) {
                tracing::warn!(error = %chain(&broken), "the bridge to other processes is broken; the database is asked once a second");
            }
            pause = (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
            tokio::time::sleep(pause).await;
        }
    }

    async fn tell_of_everything(&self) {
        // Else the next look tells.
        if let Ok(head) = self.store.head().await {
            self.events.repeat(News::Processed(Processed::everything(head)));
        }
    }

    /// Sends what is told here and tells what is heard, until the wire breaks.
    async fn exchange(&self, mut wire: Wire, news: &mut Outgoing) -> WireError {
        let me = Uuid::new_v4();
        let mut beats = tokio::time::interval(BEAT);
        let mut heard_at = Instant::now();
        loop {
            let step = tokio::select! {
                letter = timeout_at(heard_at + SILENCE, wire.hear()) => match letter {
                    Err(_) => Err(WireError::Silent),
                    Ok(Err(broken)) => Err(broken),
                    Ok(Ok(text)) => {
                        heard_at = Instant::now();
                        self.tell(&text, me).await;
                        Ok(())
                    }
                },
                () = news.next(&self.events) => send_kept(&mut wire, me, news).await,
                _ = beats.tick() => wire.send(&written(me, None)).await,
            };
            if let Err(broken) = step {
                return broken;
            }
        }
    }

    async fn tell(&self, text: &str, me: Uuid) {
        match serde_json::from_str::<Letter>(text) {
            Ok(Letter { from, .. }) if from == me => {}
            Ok(Letter { news: Some(news), .. }) => self.events.repeat(news),
            Ok(Letter { news: None, .. }) => {}
            // Of another version of assay, perhaps; that something happened is clear.
            Err(_) => self.tell_of_everything().await,
        }
    }
}

/// What this process has to tell the others.
struct Outgoing {
    own: broadcast::Receiver<Arc<News>>,
    /// The next piece, until it is sent: a wire may break with it.
    kept: Option<Arc<News>>,
}

impl Outgoing {
    /// Waits until there is something to send. May be dropped at any time without loss.
    async fn next(&mut self, events: &Events) {
        if self.kept.is_none() {
            self.kept = match self.own.recv().await {
                Ok(news) => Some(news),
                Err(RecvError::Lagged(_)) => Some(Arc::new(News::Processed(Processed::everything(events.announced())))),
                // The board outlives the bridge, which holds it.
                Err(RecvError::Closed) => return std::future::pending().await,
            };
        }
    }
}

async fn send_kept(wire: &mut Wire, me: Uuid, news: &mut Outgoing) -> Result<(), WireError> {
    let Some(kept) = &news.kept else { return Ok(()) };
    let mut text = written(me, Some(News::clone(kept)));
    if let (News::Processed(processed), true) = (kept.as_ref(), text.len() > wire.longest()) {
        text = written(me, Some(News::Processed(Processed::everything(processed.head))));
    }
    wire.send(&text).await?;
    news.kept = None;
    Ok(())
}

fn written(from: Uuid, news: Option<News>) -> String {
    serde_json::to_string(&Letter { from, news }).expect("news is text and numbers")
}
