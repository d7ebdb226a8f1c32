//! What is known of messages that are expunged: sessions may have told their clients of them
//! and not yet of the expunge, and still answer from it (RFC 2180 section 4.1).

use crate::cache::Whose;
use mail::Uid;
use std::collections::BTreeMap;

/// Messages that are remembered at most, in a mailbox: 40 bytes each, and as much for the tree.
const DEPARTED_MAX: usize = 50_000;

/// What is known of a message; 0 stands for unknown, as in [`super::state::Facts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) whose: Whose,
    pub(crate) size: u32,
    pub(crate) date: u32,
    /// As its base name says it, and not 1 more.
    pub(crate) saved: u32,
    pub(crate) cached: u32,
    pub(crate) sent: u64,
}

/// See the module. Empty while no session has the mailbox open.
#[derive(Default, Debug)]
pub(crate) struct Departed {
    kept: BTreeMap<Uid, Known>,
    /// A session has the mailbox open.
    is_watched: bool,
}

impl Departed {
    /// Whether a session has the mailbox open. Without one, nothing is remembered.
    pub(crate) fn watch(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
        if !is_watched {
            self.kept = BTreeMap::new();
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// A message leaves. Of too many, the ones with the lowest UIDs are forgotten.
    pub(crate) fn add(&mut self, known: Known) {
        if self.is_watched {
            self.kept.insert(known.whose.uid, known);
            if self.kept.len() > DEPARTED_MAX {
                self.kept.pop_first();
            }
        }
    }

    pub(crate) fn get_mut(&mut self, uid: Uid) -> Option<&mut Known> {
        self.kept.get_mut(&uid)
    }

    /// Those from `uid` on, in the order of their UIDs.
    pub(crate) fn from(&self, uid: Uid) -> impl Iterator<Item = &Known> {
        self.kept.range(uid..).map(|(_, known)| known)
    }

    /// The cache's records lie elsewhere now, or are gone.
    pub(crate) fn forget_cached(&mut self) {
        self.kept.values_mut().for_each(|known| known.cached = 0);
    }

    /// Bytes of memory; an estimate.
    pub(crate) fn bytes(&self) -> usize {
        self.kept.len() * 2 * size_of::<Known>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(uid: u32) -> Known {
        Known {
            whose: Whose::new(Uid::new(uid).unwrap(), b"1.a"),
            size: uid + 1,
            date: 0,
            saved: 0,
            cached: 7,
            sent: 0,
        }
    }

    #[test]
    fn as_many_are_remembered_as_may_be() {
        let mut departed = Departed::default();
        departed.add(known(1));
        assert_eq!(departed.bytes(), 0, "nobody has the mailbox open");
        departed.watch(true);
        let last = u32::try_from(DEPARTED_MAX).unwrap() + 3;
        (1..=last).for_each(|uid| departed.add(known(uid)));
        assert_eq!(departed.from(Uid::MIN).count(), DEPARTED_MAX);
        assert_eq!(departed.from(Uid::MIN).next(), Some(&known(4)));
        departed.forget_cached();
        assert!(departed.from(Uid::MIN).all(|known| known.cached == 0 && known.size > 0));
        departed.watch(false);
        assert_eq!(departed.from(Uid::MIN).next(), None);
    }
}
