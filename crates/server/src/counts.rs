//! Counting connections: in all, by address, by user and address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by what they are counted by; keyed hashing, as a client may choose the key.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    all: Table<()>,
    by_address: Table<IpAddr>,
    by_user: Table<(String, IpAddr)>,
}

type Table<K> = Arc<Mutex<HashMap<K, usize>>>;

/// A connection that is counted; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Counted<K: Hash + Eq> {
    table: Table<K>,
    key: K,
}

impl Counts {
    /// Counts a connection; `None` when there are `max` already.
    pub(crate) fn connection(&self, max: usize) -> Option<Counted<()>> {
        count(&self.all, (), max)
    }

    /// Counts a connection from an address.
    pub(crate) fn address(&self, address: IpAddr, max: usize) -> Option<Counted<IpAddr>> {
        count(&self.by_address, address, max)
    }

    /// Counts a connection of a user from an address.
    pub(crate) fn user(&self, user: &str, address: IpAddr, max: usize) -> Option<Counted<(String, IpAddr)>> {
        count(&self.by_user, (user.to_owned(), address), max)
    }
}

fn count<K: Hash + Eq + Clone>(table: &Table<K>, key: K, max: usize) -> Option<Counted<K>> {
    let mut counts = table.lock().unwrap_or_else(PoisonError::into_inner);
    let here = counts.entry(key.clone()).or_insert(0);
    if *here >= max {
        return None;
    }
    *here += 1;
    Some(Counted { table: table.clone(), key })
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = counts.get_mut(&self.key) {
            *here -= 1;
            if *here == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_counted_no_more() {
        let counts = Counts::default();
        let address = IpAddr::from([127, 0, 0, 1]);
        let first = counts.user("anna", address, 2).expect("one");
        let _second = counts.user("anna", address, 2).expect("two");
        assert!(counts.user("anna", address, 2).is_none());
        assert!(counts.user("bert", address, 2).is_some());
        drop(first);
        assert!(counts.user("anna", address, 2).is_some());
        drop(counts.connection(1).expect("one"));
        assert!(counts.all.lock().expect("no panic").is_empty(), "no key is left behind");
    }
}
