//! The stream of a connection, kept at hand for last words once hyper, which has it, has given up.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

type Stream = Pin<Box<TimeoutStream<TcpStream>>>;

/// One of two handles on a stream: hyper's, which may hand it on to a WebSocket, and the connection's own.
#[derive(Clone)]
pub struct Kept {
    // Never waited for: one task has both handles, and it uses one at a time.
    stream: Arc<Mutex<Stream>>,
    asked: Arc<AtomicBool>,
}

impl Kept {
    pub fn new(stream: TimeoutStream<TcpStream>) -> Self {
        Kept { stream: Arc::new(Mutex::new(Box::pin(stream))), asked: Arc::new(AtomicBool::new(false)) }
    }

    /// A request's head is whole: what was read belonged to it.
    pub fn note_request(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    /// Whether something has come since the last whole head: a request was begun.
    pub fn began_to_ask(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Kept {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.stream().as_mut().poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.asked.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Kept {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().as_mut().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().as_mut().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().as_mut().poll_shutdown(context)
    }
}
