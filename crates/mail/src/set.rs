//! Sets of message numbers: as a client wrote them, and as we hold them.

use crate::Uid;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

/// One end of a range in a client's set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetEnd {
    /// A number.
    Number(NonZeroU32),
    /// `*`: the last message of the mailbox (RFC 3501, `seq-number`).
    Last,
}

/// A sequence set or UID set as the client wrote it (RFC 3501, `sequence-set`).
///
/// Which of the two it is depends on the command; it means something only together with
/// a view, which is where it is resolved. Order, overlaps and reversed ranges are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NumberSet {
    /// Ranges in the client's order; a single number has both ends equal.
    pub ranges: Vec<(SetEnd, SetEnd)>,
}

impl NumberSet {
    /// `1:*`, every message.
    pub fn whole() -> Self {
        Self { ranges: vec![(SetEnd::Number(NonZeroU32::MIN), SetEnd::Last)] }
    }

    /// The set as ascending, disjoint ranges, `*` being `last`.
    ///
    /// A range with its ends reversed is the same range (RFC 3501). `*` in an empty mailbox
    /// (`last` is `None`) names nothing.
    pub fn resolve(&self, last: Option<NonZeroU32>) -> Vec<RangeInclusive<u32>> {
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(self.ranges.len());
        for &(a, b) in &self.ranges {
            let number = |end| match end {
                SetEnd::Number(n) => Some(n.get()),
                SetEnd::Last => last.map(NonZeroU32::get),
            };
            if let (Some(a), Some(b)) = (number(a), number(b)) {
                ranges.push((a.min(b), a.max(b)));
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(previous) if start <= previous.end().saturating_add(1) => {
                    if end > *previous.end() {
                        *previous = *previous.start()..=end;
                    }
                }
                _ => merged.push(start..=end),
            }
        }
        merged
    }

    /// The greatest number written in the set; `None` when it names only `*`.
    pub fn greatest(&self) -> Option<u32> {
        self.ranges
            .iter()
            .flat_map(|&(a, b)| [a, b])
            .filter_map(|end| match end {
                SetEnd::Number(n) => Some(n.get()),
                SetEnd::Last => None,
            })
            .max()
    }
}

/// UIDs as ascending, disjoint, non-adjacent ranges.
///
/// Displayed as RFC 3501's `sequence-set`: `1:3,7`. Empty displays as nothing; callers
/// that need a set on the wire check [`UidSet::is_empty`] first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// From ascending, disjoint ranges, as [`NumberSet::resolve`] makes them; 0 is dropped.
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let mut set = Self::new();
        for range in ranges {
            let (start, end) = ((*range.start()).max(1), *range.end());
            if start <= end {
                set.push_range(start, end);
            }
        }
        set
    }

    /// Adds a UID greater than all in the set, in constant time; a smaller one in linear time.
    pub fn insert(&mut self, uid: Uid) {
        let n = uid.get();
        match self.ranges.last() {
            Some(&(_, end)) if n <= end => {
                if !self.contains(uid) {
                    let at = self.ranges.partition_point(|&(start, _)| start < n);
                    self.ranges.insert(at, (n, n));
                    self.merge_around(at);
                }
            }
            _ => self.push_range(n, n),
        }
    }

    fn push_range(&mut self, start: u32, end: u32) {
        match self.ranges.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => self.ranges.push((start, end)),
        }
    }

    fn merge_around(&mut self, at: usize) {
        if at + 1 < self.ranges.len() && self.ranges[at + 1].0 == self.ranges[at].1 + 1 {
            self.ranges[at].1 = self.ranges[at + 1].1;
            self.ranges.remove(at + 1);
        }
        if at > 0 && self.ranges[at].0 == self.ranges[at - 1].1 + 1 {
            self.ranges[at - 1].1 = self.ranges[at].1;
            self.ranges.remove(at);
        }
    }

    /// Whether `uid` is in the set, by binary search.
    pub fn contains(&self, uid: Uid) -> bool {
        let n = uid.get();
        let at = self.ranges.partition_point(|&(_, end)| end < n);
        self.ranges.get(at).is_some_and(|&(start, _)| start <= n)
    }

    /// Whether the set has no UID.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs are in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(start, end)| u64::from(end - start) + 1).sum()
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(start, end)| start..=end)
    }

    /// Every UID, ascending. A client's set can span 2³² of them: resolve it against a view
    /// before iterating.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges.iter().flat_map(|&(start, end)| start..=end).filter_map(Uid::new)
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(start, end)) in self.ranges.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{start}")?;
            if start != end {
                write!(f, ":{end}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(numbers: &[u32]) -> UidSet {
        numbers.iter().filter_map(|&n| Uid::new(n)).collect()
    }

    #[test]
    fn displays_as_a_sequence_set() {
        for (numbers, expected) in [
            (&[][..], ""),
            (&[7], "7"),
            (&[1, 2, 3, 7, 9, 10], "1:3,7,9:10"),
            (&[10, 2, 9, 1, 3, 2], "1:3,9:10"),
            (&[4, 2, 3], "2:4"),
        ] {
            assert_eq!(uids(numbers).to_string(), expected);
        }
    }

    #[test]
    fn membership_follows_the_ranges() {
        let set = uids(&[2, 3, 9]);
        for (n, expected) in [(1, false), (2, true), (3, true), (4, false), (9, true), (10, false)] {
            assert_eq!(set.contains(Uid::new(n).unwrap()), expected, "{n}");
        }
        assert_eq!(set.len(), 3);
    }

    #[test]
    fn resolves_stars_reversals_and_overlaps() {
        let number = |n| SetEnd::Number(NonZeroU32::new(n).unwrap());
        let last = NonZeroU32::new(9);
        for (ranges, expected) in [
            (vec![(number(1), SetEnd::Last)], vec![1..=9]),
            (vec![(number(12), SetEnd::Last)], vec![9..=12]),
            (vec![(number(5), number(3)), (number(4), number(7))], vec![3..=7]),
            (
                vec![(number(1), number(1)), (number(2), number(2)), (number(8), number(8))],
                vec![1..=2, 8..=8],
            ),
        ] {
            assert_eq!(NumberSet { ranges }.resolve(last), expected);
        }
        let star = NumberSet { ranges: vec![(SetEnd::Last, SetEnd::Last)] };
        assert_eq!(star.resolve(None), vec![]);
    }
}
