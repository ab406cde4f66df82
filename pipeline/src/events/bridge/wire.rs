//! The wire under the bridge: text to all processes, by Redis or by PostgreSQL.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::Carrier;
use crate::link::RedisLink;

/// A connection to hear by, and one to send by.
pub struct Wire {
    heard: BoxStream<'static, Result<String, WireError>>,
    sender: Sender,
}

enum Sender {
    Redis { connection: MultiplexedConnection, channel: String },
    Postgres(PgPool),
}

/// Why a wire is no use any more.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("Redis does not carry the news")]
    Redis(#[from] redis::RedisError),
    #[error("PostgreSQL does not carry the news")]
    Postgres(#[from] sqlx::Error),
    #[error("the connection has ended")]
    Ended,
    #[error("not even our own words come back")]
    Silent,
}

/// Longest time to connect, and for a text to be taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// PostgreSQL's channel, of this database alone.
const CHANNEL: &str = "assay_news";

impl Wire {
    pub async fn connect(carrier: &Carrier) -> Result<Wire, WireError> {
        let connecting = async {
            match carrier {
                Carrier::Redis(link) => over_redis(link).await,
                Carrier::Postgres(pool) => over_postgres(pool).await,
            }
        };
        tokio::time::timeout(PATIENCE, connecting).await.unwrap_or(Err(WireError::Silent))
    }

    /// The next text from any process, this one included. May be dropped while it waits.
    pub async fn hear(&mut self) -> Result<String, WireError> {
        self.heard.next().await.unwrap_or(Err(WireError::Ended))
    }

    /// Sends a text to all processes.
    pub async fn send(&mut self, text: &str) -> Result<(), WireError> {
        let sending = async {
            match &mut self.sender {
                Sender::Redis { connection, channel } => {
                    redis::cmd("PUBLISH").arg(channel.as_str()).arg(text).exec_async(connection).await?;
                }
                Sender::Postgres(pool) => {
                    sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(text).execute(&*pool).await?;
                }
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, sending).await.unwrap_or(Err(WireError::Silent))
    }

    /// Bytes of the longest text.
    pub fn longest(&self) -> usize {
        match self.sender {
            Sender::Redis { .. } => 1024 * 1024,
            Sender::Postgres(_) => 7_999,
        }
    }
}

async fn over_redis(link: &RedisLink) -> Result<Wire, WireError> {
    // Publications go to all databases of a Redis.
    let channel = format!("{}:{}:news", link.prefix(), link.database());
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    let connection = link.client().get_multiplexed_async_connection_with_config(&config).await?;
    let mut subscription = link.client().get_async_pubsub().await?;
    subscription.subscribe(&channel).await?;
    let heard = subscription.into_on_message().map(|message| Ok(message.get_payload()?)).boxed();
    Ok(Wire { heard, sender: Sender::Redis { connection, channel } })
}

async fn over_postgres(pool: &PgPool) -> Result<Wire, WireError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let heard = futures::stream::unfold(listener, |mut listener| async {
        let heard = match listener.try_recv().await {
            Ok(Some(notification)) => Ok(notification.payload().to_owned()),
            // It would listen again by itself, but what was said meanwhile is lost.
            Ok(None) => Err(WireError::Ended),
            Err(error) => Err(error.into()),
        };
        Some((heard, listener))
    });
    Ok(Wire { heard: heard.boxed(), sender: Sender::Postgres(pool.clone()) })
}
