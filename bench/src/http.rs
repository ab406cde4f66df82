//! The cheapest HTTP/1.1 client that is still honest: one kept-alive connection, requests as bytes, answers read whole.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    chunk: Vec<u8>,
    answer: Answer,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, chunk: vec![0; 64 * 1024], answer: Answer::default() })
    }

    /// The last answer, when nothing more is to be sent.
    pub fn into_answer(self) -> Answer {
        self.answer
    }

    /// Sends one whole request, and reads the whole answer.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<&Answer> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read(&mut self.chunk).await?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server hung up before the end of its answer",
                ));
            }
            let used = self.answer.feed(&self.chunk[..read])?;
            if self.answer.complete() {
                return match used == read {
                    true => Ok(&self.answer),
                    false => Err(broken("more bytes than the answer has")),
                };
            }
        }
    }
}

/// Writes the head of a request. `extra` is whole header lines, each with its line end.
pub fn head(out: &mut Vec<u8>, method: &str, path: &str, extra: &str, length: Option<usize>) {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    out.extend_from_slice(extra.as_bytes());
    if let Some(length) = length {
        out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A `GET` request.
pub fn get(path: &str, extra: &str) -> Vec<u8> {
    let mut request = Vec::new();
    head(&mut request, "GET", path, extra, None);
    request
}

/// An answer, put together from the pieces it arrives in.
#[derive(Default)]
pub struct Answer {
    pub status: u16,
    head: Vec<u8>,
    pub body: Vec<u8>,
    /// Line being read: the size of a chunk, or a trailer.
    line: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Head,
    /// So many bytes of body are left.
    Body(usize),
    ChunkSize,
    /// So many bytes of this chunk are left.
    Chunk(usize),
    /// Two bytes end a chunk.
    ChunkEnd(usize),
    Trailer,
    Complete,
}

impl Answer {
    /// A header's value, when there is one. The name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in their order; none when the head is not text.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let head = std::str::from_utf8(&self.head).unwrap_or_default();
        head.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.trim()))
    }

    fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.line.clear();
        self.state = State::Head;
    }

    fn complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Takes in what has arrived, and tells how much of it belongs to this answer.
    fn feed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut used = 0;
        while used < bytes.len() && !self.complete() {
            let rest = &bytes[used..];
            used += match self.state {
                State::Head => self.feed_head(rest)?,
                State::Body(left) => {
                    let taken = self.take(rest, left);
                    self.state = if taken == left { State::Complete } else { State::Body(left - taken) };
                    taken
                }
                State::Chunk(left) => {
                    let taken = self.take(rest, left);
                    self.state = if taken == left { State::ChunkEnd(2) } else { State::Chunk(left - taken) };
                    taken
                }
                State::ChunkEnd(left) => {
                    let taken = left.min(rest.len());
                    self.state = if taken == left { State::ChunkSize } else { State::ChunkEnd(left - taken) };
                    taken
                }
                State::ChunkSize | State::Trailer => self.feed_line(rest)?,
                State::Complete => 0,
            };
        }
        Ok(used)
    }

    fn take(&mut self, rest: &[u8], left: usize) -> usize {
        let taken = left.min(rest.len());
        self.body.extend_from_slice(&rest[..taken]);
        taken
    }

    fn feed_head(&mut self, rest: &[u8]) -> io::Result<usize> {
        let before = self.head.len();
        self.head.extend_from_slice(rest);
        let from = before.saturating_sub(3);
        let Some(place) = self.head[from..].windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(rest.len());
        };
        let end = from + place + 4;
        self.head.truncate(end);
        self.read_head()?;
        Ok(end - before)
    }

    fn read_head(&mut self) -> io::Result<()> {
        let status = self.head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.status = status.ok_or_else(|| broken("no status"))?;
        if self.status < 200 {
            self.head.clear();
            return Ok(());
        }
        let chunked = self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        self.state = match self.header("content-length").map(str::parse) {
            _ if matches!(self.status, 204 | 304) => State::Complete,
            _ if chunked => State::ChunkSize,
            Some(Ok(0)) => State::Complete,
            Some(Ok(length)) => State::Body(length),
            Some(Err(_)) => return Err(broken("a content-length that is not a number")),
            None => return Err(broken("neither a content-length nor chunks")),
        };
        Ok(())
    }

    fn feed_line(&mut self, rest: &[u8]) -> io::Result<usize> {
        let Some(place) = rest.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(rest);
            return Ok(rest.len());
        };
        self.line.extend_from_slice(&rest[..place]);
        let line = String::from_utf8_lossy(&self.line).trim().to_owned();
        self.line.clear();
        self.state = match self.state {
            State::Trailer if line.is_empty() => State::Complete,
            State::Trailer => State::Trailer,
            _ => {
                let digits = line.split(';').next().unwrap_or_default().trim();
                match usize::from_str_radix(digits, 16).map_err(|_| broken("a chunk without its size"))? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                }
            }
        };
        Ok(place + 1)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb;x=1\r\n, wide\r\nab\n\r\n0\r\nx-sum: 1\r\n\r\n";

    fn fed(pieces: &[&[u8]]) -> Answer {
        let mut answer = Answer::default();
        for piece in pieces {
            assert_eq!(answer.feed(piece).unwrap(), piece.len());
        }
        assert!(answer.complete());
        answer
    }

    #[test]
    fn an_answer_is_the_same_however_it_is_split() {
        for (bytes, status, body) in [(FIXED, 202, "hello"), (CHUNKED, 200, "hello, wide\r\nab\n")] {
            for first in 1..bytes.len() - 1 {
                for second in [first + 1, (first + bytes.len()) / 2] {
                    let answer = fed(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
                    assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()));
                }
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(fed(&single).body, body.as_bytes());
        }
    }

    #[test]
    fn bytes_after_the_end_are_left_alone() {
        let mut answer = Answer::default();
        let two = [FIXED, FIXED].concat();
        assert_eq!(answer.feed(&two).unwrap(), FIXED.len());
        assert!(answer.complete());
    }

    #[test]
    fn answers_without_a_body_end_with_their_head() {
        let answer = fed(&[b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"]);
        assert_eq!((answer.status, answer.header("etag")), (304, Some("\"a\"")));
        assert_eq!(fed(&[b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]).status, 200);
        let continued = fed(&[b"HTTP/1.1 100 Continue\r\n\r\n", FIXED]);
        assert_eq!((continued.status, continued.body.as_slice()), (202, &b"hello"[..]));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for bytes in [
            &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(Answer::default().feed(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
