//! Memory for bodies: bytes are held only while there is room for them, over all requests together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Size;

/// Longest wait of a body that is already begun for others to be done with.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes in one permit: a body's share is rounded up to it.
const UNIT: usize = 1024;

/// The memory that bodies may have, in use or free.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

/// Others hold all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl Room {
    pub fn new(memory: Size) -> Self {
        let units = usize::try_from(memory.bytes()).unwrap_or(usize::MAX) / UNIT;
        Room(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// A share of nothing, which can grow.
    pub fn share(&self) -> Share {
        Share { room: self.clone(), permit: None, held: 0 }
    }
}

/// A part of the room, free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes that the permit is good for.
    held: usize,
}

impl Share {
    /// Makes the share large enough for this many bytes, waiting a while for others to leave.
    ///
    /// Memory is taken as the bytes come, not as they are announced: holding much costs sending much.
    pub async fn reach(&mut self, bytes: usize) -> Result<(), Crowded> {
        match self.reach_now(bytes) {
            Ok(()) => Ok(()),
            Err(Crowded) => {
                let more = units(bytes - self.held)?;
                let asked = Arc::clone(&self.room.0).acquire_many_owned(more);
                match tokio::time::timeout(PATIENCE, asked).await {
                    Ok(Ok(permit)) => {
                        self.add(permit);
                        Ok(())
                    }
                    Ok(Err(_)) | Err(_) => Err(Crowded),
                }
            }
        }
    }

    /// As [`Share::reach`], without waiting.
    pub fn reach_now(&mut self, bytes: usize) -> Result<(), Crowded> {
        let Some(missing) = bytes.checked_sub(self.held).filter(|missing| *missing > 0) else { return Ok(()) };
        let permit = Arc::clone(&self.room.0).try_acquire_many_owned(units(missing)?).map_err(|_| Crowded)?;
        self.add(permit);
        Ok(())
    }

    /// The bytes, holding their share for as long as any part of them is held.
    pub fn keep(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Kept { bytes, _share: self })
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        self.held += permit.num_permits() * UNIT;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

struct Kept<B> {
    bytes: B,
    _share: Share,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Kept<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

fn units(bytes: usize) -> Result<u32, Crowded> {
    u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Crowded)
}

#[cfg(test)]
mod tests {
    use super::{Crowded, Room};
    use crate::config::Size;

    #[tokio::test(start_paused = true)]
    async fn a_share_is_free_again_when_its_bytes_are_dropped() {
        let room = Room::new(Size(4096));
        let mut first = room.share();
        first.reach(3000).await.unwrap();
        first.reach(3072).await.unwrap();
        let mut second = room.share();
        assert_eq!(second.reach_now(2000), Err(Crowded));
        assert_eq!(second.reach(2000).await, Err(Crowded), "nobody leaves");
        let bytes = first.keep(vec![0_u8; 3000]);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(second.reach_now(2000), Err(Crowded), "a part of the bytes is still held");
        drop(part);
        second.reach(4096).await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_gets_the_room_of_who_leaves() {
        let room = Room::new(Size(4096));
        let mut first = room.share();
        first.reach(4096).await.unwrap();
        let mut second = room.share();
        let waiting = tokio::spawn(async move { second.reach(4096).await });
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
