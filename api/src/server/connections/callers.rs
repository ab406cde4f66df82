//! How many connections each address has open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// The addresses that have connections open. No more are kept than there are connections.
#[derive(Clone, Debug)]
pub struct Callers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One open connection; counted until this is dropped.
#[derive(Debug)]
pub struct Counted {
    callers: Callers,
    address: IpAddr,
}

impl Callers {
    /// `most`: connections that one address may have; 0 for any number.
    pub fn new(most: usize) -> Self {
        Callers { open: Arc::default(), most }
    }

    /// Counts another connection. `None`: the address has as many as it may have.
    pub fn enter(&self, address: IpAddr) -> Option<Counted> {
        let mut open = self.open.lock().expect("no holder of the counts panics");
        let count = open.entry(address).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted { callers: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.callers.open.lock().expect("no holder of the counts panics");
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Callers;

    #[test]
    fn one_address_has_a_part_of_the_connections_and_is_forgotten_with_its_last() {
        let callers = Callers::new(2);
        let (near, far) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = callers.enter(near).unwrap();
        let second = callers.enter(near).unwrap();
        assert!(callers.enter(near).is_none());
        let other = callers.enter(far).unwrap();
        drop(first);
        let third = callers.enter(near).unwrap();
        assert!(callers.enter(near).is_none());
        drop((second, third, other));
        assert!(callers.open.lock().unwrap().is_empty());
    }
}
