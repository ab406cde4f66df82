//! Redis, reached: a connection that comes back by itself, and that is left alone while Redis is away.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use redis::Script;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisResult};

/// Time after a failure in which nobody asks: whoever wants to know is told at once that Redis is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("this is no Redis URL: expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?prefix=WORD]")]
    Url(#[source] redis::RedisError),
    /// It did not answer a moment ago, and has not been asked again.
    #[error("Redis is away")]
    Away,
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("Redis did not do as told")]
    Refused(#[from] redis::RedisError),
}

/// Whether a text is a Redis URL, with a prefix that is fit if it names one.
pub fn check(url: &str) -> Result<(), LinkError> {
    Client::open(url).and_then(|_| prefix(url)).map(drop).map_err(LinkError::Url)
}

/// A connection to Redis for short questions. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct RedisLink {
    client: Arc<Client>,
    manager: ConnectionManager,
    prefix: Arc<str>,
    patience: Duration,
    breaker: Arc<Mutex<Breaker>>,
}

/// Whether Redis answered the last question.
#[derive(Debug, Default)]
enum Breaker {
    #[default]
    Answering,
    /// It did not; one question may be asked again from then on.
    Away { until: Instant },
}

impl RedisLink {
    /// Connects when first asked, so that an absent Redis is no fault yet. No question takes longer than `patience`.
    ///
    /// Has to be called within a tokio runtime.
    pub fn open(url: &str, patience: Duration) -> Result<Self, LinkError> {
        let client = Client::open(url).map_err(LinkError::Url)?;
        let prefix = prefix(url).map_err(LinkError::Url)?.into();
        let manager = lazy_manager(&client, patience)?;
        Ok(RedisLink { client: Arc::new(client), manager, prefix, patience, breaker: Arc::default() })
    }

    /// Another connection to the same Redis, made by the runtime that first asks: whoever shares one waits for the runtime
    /// that made it.
    pub fn another(&self) -> Result<Self, LinkError> {
        let manager = lazy_manager(&self.client, self.patience)?;
        Ok(RedisLink { manager, breaker: Arc::default(), ..self.clone() })
    }

    /// Puts a question, unless Redis did not answer the last one a moment ago.
    pub async fn ask<T, F>(&self, question: impl FnOnce(ConnectionManager) -> F) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.ask_within(self.patience, question).await
    }

    /// As `ask`, for one whose patience is shorter.
    pub async fn ask_within<T, F>(
        &self,
        patience: Duration,
        question: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let asking = async {
            if self.turn()? == Turn::First {
                // A manager whose connection broke tells of that first, and connects anew for the question after.
                drop(redis::cmd("PING").exec_async(&mut self.manager.clone()).await);
            }
            question(self.manager.clone()).await.map_err(LinkError::Refused)
        };
        let answered = match tokio::time::timeout(patience, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(LinkError::Silent(patience)),
        };
        self.note(answered.as_ref().err());
        answered
    }

    /// Runs a script, with these keys and arguments, for a whole number.
    pub async fn run(&self, script: &Script, keys: &[&str], arguments: &[&str]) -> Result<i64, LinkError> {
        let mut run = script.prepare_invoke();
        run.key(keys).arg(arguments);
        self.ask(async |mut connection| run.invoke_async(&mut connection).await).await
    }

    /// Asks Redis for a word.
    pub async fn ping(&self) -> Result<(), LinkError> {
        self.ask(async |mut connection| redis::cmd("PING").exec_async(&mut connection).await).await
    }

    /// Whether Redis answers.
    pub async fn alive(&self) -> bool {
        self.ping().await.is_ok()
    }

    /// Whether Redis answered the last question put.
    pub fn answering(&self) -> bool {
        matches!(*self.lock(), Breaker::Answering)
    }

    /// Where Redis is, without credentials.
    pub fn address(&self) -> String {
        let info = self.client.get_connection_info();
        format!("redis://{}/{}", info.addr(), info.redis_settings().db())
    }

    /// Number of the database in use; publications are not bound to one, and carry it in their names.
    pub fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// What names in Redis begin with, so that several servers can share one: the URL's `prefix`, or `assay`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn turn(&self) -> Result<Turn, LinkError> {
        let mut breaker = self.lock();
        let now = Instant::now();
        match *breaker {
            Breaker::Answering => Ok(Turn::Any),
            Breaker::Away { until } if now < until => Err(LinkError::Away),
            Breaker::Away { .. } => {
                *breaker = Breaker::Away { until: now + PAUSE };
                Ok(Turn::First)
            }
        }
    }

    fn note(&self, error: Option<&LinkError>) {
        match error {
            // Nobody asked.
            Some(LinkError::Away | LinkError::Url(_)) => {}
            Some(error) if unanswered(error) => {
                let mut breaker = self.lock();
                if matches!(*breaker, Breaker::Answering) {
                    tracing::warn!(error = %crate::accept::chain(error), redis = self.address(), "Redis is away");
                }
                *breaker = Breaker::Away { until: Instant::now() + PAUSE };
            }
            // A refusal is an answer.
            _ => {
                let mut breaker = self.lock();
                if !matches!(*breaker, Breaker::Answering) {
                    tracing::info!(redis = self.address(), "Redis answers again");
                }
                *breaker = Breaker::Answering;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no holder of the breaker panics")
    }
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Who may ask after a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Any,
    /// The one question that finds out whether Redis is back.
    First,
}

/// The `prefix` of a URL, which is ours: redis passes over what it does not know.
fn prefix(url: &str) -> RedisResult<&str> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let Some(prefix) = parameters.split('&').find_map(|parameter| parameter.strip_prefix("prefix=")) else {
        return Ok("assay");
    };
    let fit = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    match !prefix.is_empty() && prefix.chars().all(fit) {
        true => Ok(prefix),
        false => Err((ErrorKind::InvalidClientConfig, "a prefix is made of letters, digits, -, _ and .").into()),
    }
}

/// A connection that is made when first used. One attempt to connect for each question: waiting is for the caller.
pub(crate) fn lazy_manager(client: &Client, patience: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn unanswered(error: &LinkError) -> bool {
    use redis::ServerErrorKind;
    match error {
        LinkError::Silent(_) => true,
        LinkError::Refused(error) => {
            let loading = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::BusyLoading));
            error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || loading
        }
        LinkError::Url(_) | LinkError::Away => false,
    }
}
