//! Connections: taken up to a bound, each with a time for every part of it, ended cleanly on a stop.
//!
//! A bound on connections is kept by not taking more: those beyond it wait with the system until one ends, which harms
//! a sender less than being turned away. One address alone gets a part of them, or it could keep all others out.

mod callers;
mod kept;
mod paced;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pipeline::measures::gauge;
use prometheus::{IntGauge, Registry};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::callers::Callers;
use self::kept::Kept;
pub use self::paced::TooSlow;
use self::paced::{Pace, Paced};
use super::limits::sender::{Peer, Proxies};
use crate::config::Bounds;

/// What all listeners of a process share.
#[derive(Clone)]
pub struct Connections {
    router: Router,
    /// Longest silence, also the longest time for a request's head.
    idle: Duration,
    pace: Pace,
    free: Arc<Semaphore>,
    callers: Callers,
    proxies: Proxies,
    open: IntGauge,
    /// No more requests are taken.
    stop: CancellationToken,
    /// What is under way is cut off.
    cut: CancellationToken,
}

impl Connections {
    pub fn new(
        router: Router,
        bounds: &Bounds,
        proxies: Proxies,
        registry: &Registry,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        Connections {
            router,
            idle: bounds.idle_timeout,
            pace: Pace {
                grace: bounds.idle_timeout,
                bytes_a_second: bounds.body_rate.bytes(),
                longest: bounds.body_timeout,
            },
            free: Arc::new(Semaphore::new(bounds.connections)),
            callers: Callers::new(bounds.address_connections),
            proxies,
            open: gauge(registry, "assay_connections", "Connections that are open."),
            stop,
            cut,
        }
    }

    /// Takes connections until told to stop; `tracker` knows when the last of them has ended.
    pub async fn serve(self, listener: TcpListener, tracker: TaskTracker) {
        loop {
            let taken = tokio::select! {
                () = self.stop.cancelled() => return,
                taken = self.next(&listener) => taken,
            };
            if let Some((stream, address, permit)) = taken {
                tracker.spawn(self.clone().converse(stream, address, permit));
            }
        }
    }

    /// The next connection, once there is room for it. `None`: it went away, or the system has none to give.
    async fn next(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, address)) => Some((stream, address, permit)),
            Err(error) => {
                // Usually no file handles are left. Whoever ends gives some back.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }

    async fn converse(self, stream: TcpStream, address: SocketAddr, _permit: OwnedSemaphorePermit) {
        let caller = address.ip().to_canonical();
        let counted = match self.proxies.known(caller) {
            true => None,
            false => match self.callers.enter(caller) {
                Some(counted) => Some(counted),
                None => return tracing::warn!(%caller, "a connection beyond what one address may have was closed"),
            },
        };
        self.open.inc();
        // Small answers are sent at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        tokio::select! {
            () = self.cut.cancelled() => {}
            () = self.answer(stream, Peer(caller)) => {}
        }
        self.open.dec();
        drop(counted);
    }

    async fn answer(&self, stream: TcpStream, peer: Peer) {
        let mut stream = TimeoutStream::new(stream);
        // A reader that takes nothing of its answer for this long is gone.
        stream.set_write_timeout(Some(self.idle));
        let mut kept = Kept::new(stream);
        let asked = kept.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            asked.note_request();
            self.call(request, peer)
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.idle)
                .serve_connection(TokioIo::new(kept.clone()), service)
                // The feeds over WebSocket go on with the stream by themselves.
                .with_upgrades()
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        let Err(error) = ended else { return };
        tracing::debug!(%error, "a connection ended early");
        // A head that was never finished is told so; a connection on which nothing was asked just ends.
        let words = if error.is_timeout() && kept.began_to_ask() { TIMED_OUT } else { b"" };
        end(&mut kept, words).await;
    }

    fn call(&self, request: Request<Incoming>, peer: Peer) -> Answering {
        let mut request = request.map(|body| Body::new(Paced::new(body, self.pace)));
        request.extensions_mut().insert(peer);
        Box::pin(self.router.clone().oneshot(request))
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What is said to a sender whose request's head did not come to an end.
const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Longest time for the last bytes of a connection to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Says the last words and closes. Whoever does not take them sees the connection end all the same.
async fn end(stream: &mut Kept, words: &[u8]) {
    let farewell = async {
        stream.write_all(words).await?;
        stream.shutdown().await
    };
    if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, farewell).await {
        tracing::debug!(%error, "a connection was gone before it was closed");
    }
}
