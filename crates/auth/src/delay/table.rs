//! A table of bounded size that keeps what is worth most.
//!
//! A key has one set of [`WAYS`] places, as in a processor's cache. A new key in a full set takes
//! the place of the entry that is worth least, so looking up and adding take constant time. Keys
//! are hashes that nobody outside can predict; so to push out an entry one must bring, to each
//! set, as many entries that are worth more: a million addresses that fail once each push out
//! others of that kind only. Memory is taken as it is needed, and never more than the bound.

/// Places of a set.
const WAYS: usize = 8;

/// How much an entry shall stay; the least goes first.
pub(super) trait Worth {
    fn worth(&self, now_s: u32) -> u64;
}

pub(super) struct Table<E> {
    /// As many as a power of two.
    sets: Box<[Vec<(u64, E)>]>,
}

impl<E: Worth + Default> Table<E> {
    /// For at most `entries_max` entries, a power of two not below 16.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { sets: (0..entries_max / WAYS).map(|_| Vec::new()).collect() }
    }

    pub(super) fn get(&self, key: u64) -> Option<&E> {
        self.sets.get(self.set(key))?.iter().find(|(of, _)| *of == key).map(|(_, entry)| entry)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut E> {
        let set = self.set(key);
        self.sets.get_mut(set)?.iter_mut().find(|(of, _)| *of == key).map(|(_, entry)| entry)
    }

    /// The key's entry, new if there is none.
    pub(super) fn entry(&mut self, key: u64, now_s: u32) -> &mut E {
        let set = self.set(key);
        let places = &mut self.sets[set];
        let place = match places.iter().position(|(of, _)| *of == key) {
            Some(place) => place,
            None if places.len() < WAYS => {
                places.reserve_exact(1);
                places.push((key, E::default()));
                places.len() - 1
            }
            None => {
                let worth = |&place: &usize| places[place].1.worth(now_s);
                let least = (0..WAYS).min_by_key(worth).unwrap_or_default();
                places[least] = (key, E::default());
                least
            }
        };
        &mut places[place].1
    }

    /// Of the sets there are, the one for the key.
    fn set(&self, key: u64) -> usize {
        key as usize & (self.sets.len() - 1)
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let places: usize = self.sets.iter().map(Vec::capacity).sum();
        places * size_of::<(u64, E)>() + self.sets.len() * size_of::<Vec<(u64, E)>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Number(u64);

    impl Worth for Number {
        fn worth(&self, _now_s: u32) -> u64 {
            self.0
        }
    }

    #[test]
    fn what_is_worth_least_goes_first() {
        let mut table = Table::<Number>::new(16);
        // All of the first set.
        for key in (0..16).step_by(2) {
            table.entry(key, 0).0 = 10 + key;
        }
        *table.entry(1, 0) = Number(1);
        for key in (100..200).step_by(2) {
            table.entry(key, 0).0 = 1;
        }
        let kept: Vec<u64> = (0..16).filter(|&key| table.get(key).is_some()).collect();
        assert_eq!(kept, [1, 2, 4, 6, 8, 10, 12, 14]);
        assert!(table.get(198).is_some());
        assert!(table.get(196).is_none());
    }
}
