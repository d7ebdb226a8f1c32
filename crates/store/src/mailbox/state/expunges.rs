//! What is remembered of expunges: which UIDs, and since when all of them.

use mail::{ModSeq, Uid, UidSet};

/// Ranges that are remembered at most: 16 bytes each. Messages that are expunged together and follow
/// one another are one; of scattered ones, each is one.
const RANGES_MAX: usize = 50_000;

/// Messages that were expunged together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expunged {
    pub(crate) first: Uid,
    pub(crate) last: Uid,
    pub(crate) modseq: ModSeq,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Expunges {
    /// Oldest first.
    ranges: Vec<Expunged>,
    /// All expunges above this MODSEQ are remembered. `None`: nobody knows from where on.
    floor: Option<ModSeq>,
}

impl Expunges {
    pub(crate) fn add(&mut self, new: Expunged) {
        match self.ranges.last_mut() {
            Some(last) if last.modseq == new.modseq && last.last.next() == Some(new.first) => {
                last.last = new.last;
            }
            _ => self.ranges.push(new),
        }
    }

    /// Forgets the oldest beyond those that may be remembered.
    pub(crate) fn cut(&mut self) {
        let surplus = self.ranges.len().saturating_sub(RANGES_MAX);
        let forgotten = self.ranges.drain(..surplus).map(|range| range.modseq).max();
        forgotten.into_iter().for_each(|modseq| self.raise_floor(modseq));
    }

    pub(crate) fn floor(&self) -> Option<ModSeq> {
        self.floor
    }

    /// Expunges up to this MODSEQ may not be remembered.
    pub(crate) fn raise_floor(&mut self, modseq: ModSeq) {
        self.floor = Some(self.floor.map_or(modseq, |floor| floor.max(modseq)));
    }

    /// Everything that was expunged after this MODSEQ; `None` where that is not known any more.
    pub(crate) fn above(&self, modseq: ModSeq) -> Option<UidSet> {
        self.floor.filter(|floor| *floor <= modseq)?;
        let above = self.ranges.iter().filter(|range| range.modseq > modseq);
        Some(above.map(|range| range.first..=range.last).collect())
    }

    /// All that is remembered.
    pub(crate) fn uids(&self) -> UidSet {
        self.ranges.iter().map(|range| range.first..=range.last).collect()
    }

    /// Oldest first.
    pub(crate) fn ranges(&self) -> &[Expunged] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn one(value: u32, modseq: u64) -> Expunged {
        Expunged { first: uid(value), last: uid(value), modseq: ModSeq(modseq) }
    }

    #[test]
    fn what_is_expunged_together_is_one_range() {
        let mut expunges = Expunges::default();
        (1..=200_000).for_each(|value| expunges.add(one(value, 7)));
        expunges.cut();
        assert_eq!(expunges.ranges().len(), 1);
        assert_eq!(expunges.above(ModSeq(6)), None, "nobody said from where on");
        expunges.raise_floor(ModSeq(1));
        assert_eq!(expunges.above(ModSeq(6)).unwrap().len(), 200_000);
        assert!(expunges.above(ModSeq(7)).unwrap().is_empty());
        assert_eq!(expunges.above(ModSeq(0)), None);
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_floor_says_so() {
        let mut expunges = Expunges::default();
        expunges.raise_floor(ModSeq(1));
        let count = u32::try_from(RANGES_MAX).unwrap() + 10;
        // Two share each MODSEQ.
        (1..=count).for_each(|n| expunges.add(one(2 * n, u64::from(10 + n / 2))));
        expunges.cut();
        assert_eq!((expunges.ranges().len(), expunges.floor()), (RANGES_MAX, Some(ModSeq(15))));
        assert_eq!(expunges.above(ModSeq(14)), None, "half of what has 15 is forgotten");
        assert_eq!(expunges.above(ModSeq(15)).unwrap().len(), u64::from(count - 11));
    }
}
