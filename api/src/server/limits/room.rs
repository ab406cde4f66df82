//! Memory for bodies: bytes are held only while there is room for them, over all requests together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Size;

/// Longest wait of a body that is already begun for others to be done with.
///
/// Legacy clients wait for three minutes, and lose a report that is refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes in one permit: a body's share is rounded up to it.
const UNIT: usize = 1024;

/// The memory that bodies may have, in use or free.
///
/// Many bodies, each begun and none whole, could fill all of it and wait for each other. So a part is kept that is large
/// enough for the longest body, packed and unpacked; who has that part, one at a time, comes to an end.
#[derive(Clone, Debug)]
pub struct Room {
    shared: Arc<Semaphore>,
    last: Arc<Semaphore>,
}

/// Others hold all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl Room {
    /// `longest`: bytes of the longest body there can be, of which two have to fit into `memory`.
    pub fn new(memory: Size, longest: Size) -> Self {
        let shared = memory.bytes().saturating_sub(2 * longest.bytes());
        let units = usize::try_from(shared).unwrap_or(usize::MAX) / UNIT;
        Room { shared: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))), last: Arc::new(Semaphore::new(1)) }
    }

    /// A share of nothing, which can grow.
    pub fn share(&self) -> Share {
        Share { room: self.clone(), permit: None, held: 0, last: None }
    }
}

/// A part of the room, free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes that the permit is good for.
    held: usize,
    /// The part that is large enough for the rest of any body.
    last: Option<OwnedSemaphorePermit>,
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
                tokio::select! {
                    Ok(permit) = Arc::clone(&self.room.shared).acquire_many_owned(more) => self.add(permit),
                    Ok(permit) = Arc::clone(&self.room.last).acquire_owned() => self.last = Some(permit),
                    () = tokio::time::sleep(PATIENCE) => return Err(Crowded),
                }
                Ok(())
            }
        }
    }

    /// As [`Share::reach`], without waiting.
    pub fn reach_now(&mut self, bytes: usize) -> Result<(), Crowded> {
        let missing = bytes.saturating_sub(self.held);
        if missing == 0 || self.last.is_some() {
            return Ok(());
        }
        if let Ok(permit) = Arc::clone(&self.room.shared).try_acquire_many_owned(units(missing)?) {
            self.add(permit);
            return Ok(());
        }
        self.last = Some(Arc::clone(&self.room.last).try_acquire_owned().map_err(|_| Crowded)?);
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

    #[tokio::test]
    async fn a_share_is_free_again_when_its_bytes_are_dropped() {
        let room = Room::new(Size(8192), Size(2048));
        let mut first = room.share();
        first.reach(3000).await.unwrap();
        first.reach(3072).await.unwrap();
        let mut second = room.share();
        second.reach_now(2000).unwrap();
        assert!(second.last.is_some(), "the part for the last is all there is");
        let mut third = room.share();
        assert_eq!(third.reach_now(2000), Err(Crowded));
        let bytes = first.keep(vec![0_u8; 3000]);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(third.reach_now(2000), Err(Crowded), "a part of the bytes is still held");
        drop(part);
        third.reach(4096).await.unwrap();
        assert!(third.last.is_none());
    }

    #[tokio::test]
    async fn who_waits_gets_the_room_of_who_leaves() {
        let room = Room::new(Size(8192), Size(2048));
        let mut first = room.share();
        first.reach(4096).await.unwrap();
        let mut longest = room.share();
        longest.reach(1).await.unwrap();
        let mut second = room.share();
        let waiting = tokio::spawn(async move { second.reach(4096).await });
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn bodies_that_are_all_begun_come_to_an_end_one_after_the_other() {
        let room = Room::new(Size(8192), Size(2048));
        let mut bodies = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let mut share = room.share();
            bodies.spawn(async move {
                for bytes in (512..=2048).step_by(512) {
                    share.reach(bytes).await?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, Crowded>(())
            });
        }
        assert!(bodies.join_all().await.into_iter().all(|ended| ended == Ok(())));
    }
}
