//! Reading a file of lines, compressed or not, in batches, with a digest of everything before each place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::Bytes;
use schemas::ids::Digest;

use super::bookmark::Place;
use crate::cli::exit::Usage;
use crate::cli::parcel;

/// Longest line that is sent; a longer one is refused here, so that memory stays bounded.
const LONGEST_LINE: usize = 32 << 20;

/// Bytes after which a batch is full, whatever its number of lines.
const BATCH_BYTES: usize = 4 << 20;

/// Lines that are sent together.
#[derive(Debug)]
pub struct Batch {
    pub lines: Vec<Line>,
    /// Numbers of lines too long to be sent.
    pub unfit: Vec<u64>,
    pub end: End,
}

/// A line of the file, with an id in it.
#[derive(Clone, Debug)]
pub struct Line {
    /// From 1.
    pub number: u64,
    pub bytes: Bytes,
}

/// A place between two lines.
#[derive(Clone, Debug)]
pub struct End {
    /// Lines before it.
    pub lines: u64,
    /// Chained digest of those lines, in hexadecimal.
    pub digest: String,
    /// Bytes of the file read to get there, compressed if it is.
    pub position: u64,
}

/// The lines of a file.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    position: Arc<AtomicU64>,
    /// Bytes of the file; `None` for stdin.
    pub length: Option<u64>,
    batch: usize,
    read: u64,
    digest: Digest,
    ended: bool,
}

/// A line as it was read.
enum Raw {
    Whole(Vec<u8>),
    TooLong,
    End,
}

impl Lines {
    pub fn open(path: &Path, batch: usize) -> anyhow::Result<Lines> {
        let unreadable = |error: io::Error| Usage(format!("{} could not be read: {error}", path.display()));
        let position = Arc::new(AtomicU64::new(0));
        let (source, length): (Box<dyn Read + Send>, _) = match path.as_os_str() == "-" {
            true => (Box::new(io::stdin()), None),
            false => {
                let file = File::open(path).map_err(unreadable)?;
                let length = file.metadata().map_err(unreadable)?.len();
                (Box::new(file), Some(length))
            }
        };
        let counted = BufReader::with_capacity(1 << 16, Counted { source, position: position.clone() });
        let reader = decompressed(counted).map_err(unreadable)?;
        let digest = Digest::of(b"");
        Ok(Lines { reader, position, length, batch, read: 0, digest, ended: false })
    }

    /// Goes to where an earlier run was. `false` when what lies before is not what it was then.
    pub fn skip_to(&mut self, place: &Place) -> anyhow::Result<bool> {
        while self.read < place.lines {
            if let Raw::End = self.line()? {
                return Ok(false);
            }
        }
        Ok(place.lines == 0 || self.digest.to_string() == place.digest)
    }

    fn batch(&mut self) -> anyhow::Result<Option<Batch>> {
        let (mut lines, mut unfit, mut size) = (Vec::new(), Vec::new(), 0);
        while lines.len() < self.batch && size < BATCH_BYTES {
            let bytes = match self.line()? {
                Raw::End => break,
                Raw::TooLong => {
                    unfit.push(self.read);
                    continue;
                }
                Raw::Whole(bytes) if bytes.trim_ascii().is_empty() => continue,
                Raw::Whole(bytes) => Bytes::from(bytes),
            };
            let bytes = bytes.slice_ref(bytes.trim_ascii());
            // What is not JSON is sent as it is: the server's word on it is the one that is kept.
            let bytes = parcel::identified(&bytes).map_or(bytes, |(_, bytes)| bytes);
            size += bytes.len();
            lines.push(Line { number: self.read, bytes });
        }
        if lines.is_empty() && unfit.is_empty() {
            return Ok(None);
        }
        let position = self.position.load(Ordering::Relaxed);
        let end = End { lines: self.read, digest: self.digest.to_string(), position };
        Ok(Some(Batch { lines, unfit, end }))
    }

    /// The next line without its end, counted and digested.
    fn line(&mut self) -> anyhow::Result<Raw> {
        let mut bytes = Vec::new();
        let limit = LONGEST_LINE as u64 + 1;
        let attempted = || format!("line {} could not be read", self.read + 1);
        (&mut self.reader).take(limit).read_until(b'\n', &mut bytes).with_context(attempted)?;
        if bytes.is_empty() {
            return Ok(Raw::End);
        }
        let ended = bytes.pop_if(|last| *last == b'\n').is_some();
        let too_long = !ended && bytes.len() > LONGEST_LINE;
        if too_long {
            self.reader.skip_until(b'\n').with_context(attempted)?;
        }
        self.read += 1;
        let mut chained = self.digest.0.to_vec();
        chained.extend_from_slice(&Digest::of(&bytes).0);
        self.digest = Digest::of(&chained);
        match too_long {
            true => Ok(Raw::TooLong),
            false => Ok(Raw::Whole(bytes)),
        }
    }
}

impl Iterator for Lines {
    type Item = anyhow::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch().transpose();
        // Nothing good comes after a fault: the rest of a damaged archive is noise.
        self.ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}

/// Tells how much of the file has been read, while a decompressor reads it.
pub(super) struct Counted {
    pub source: Box<dyn Read + Send>,
    pub position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Reads through gzip or zstd where the first bytes say so, whatever the file's name.
pub(super) fn decompressed(mut reader: BufReader<Counted>) -> io::Result<Box<dyn BufRead + Send>> {
    match reader.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader)))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Box::new(BufReader::new(zstd::Decoder::with_buffer(reader)?))),
        _ => Ok(Box::new(reader)),
    }
}
