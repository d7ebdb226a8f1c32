//! Sets of message numbers: as a client wrote them, and as we hold them.

use crate::num::{MessageNumber, SeqNum, Uid};
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

    /// The messages of the set, `*` being `last`.
    ///
    /// A range with its ends reversed is the same range (RFC 3501). `*` in an empty mailbox
    /// (`last` is `None`) names nothing.
    pub fn resolve<N: MessageNumber>(&self, last: Option<N>) -> Set<N> {
        let number = |end| match end {
            SetEnd::Number(n) => Some(N::from(n)),
            SetEnd::Last => last,
        };
        let range = |&(a, b): &(SetEnd, SetEnd)| {
            let (a, b) = (number(a)?, number(b)?);
            Some((a.min(b), a.max(b)))
        };
        let mut ranges: Vec<(N, N)> = self.ranges.iter().filter_map(range).collect();
        ranges.sort_unstable();
        let mut set = Set::new();
        for (start, end) in ranges {
            set.push_range(start, end);
        }
        set
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

/// Messages as ascending, disjoint, non-adjacent ranges of their UIDs or of their sequence
/// numbers, which are never mixed.
///
/// Displayed as RFC 3501's `sequence-set`: `1:3,7`. Empty displays as nothing; callers
/// that need a set on the wire check [`Set::is_empty`] first.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Set<N> {
    ranges: Vec<(N, N)>,
}

/// Messages by their UIDs.
pub type UidSet = Set<Uid>;

/// Messages by their numbers in one session's view.
pub type SeqSet = Set<SeqNum>;

impl<N> Default for Set<N> {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl<N: MessageNumber> Set<N> {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number greater than all in the set, in constant time; a smaller one in linear time.
    pub fn insert(&mut self, number: N) {
        match self.ranges.last() {
            Some(&(_, end)) if number <= end => {
                if !self.contains(number) {
                    let at = self.ranges.partition_point(|&(start, _)| start < number);
                    self.ranges.insert(at, (number, number));
                    self.merge_around(at);
                }
            }
            _ => self.push_range(number, number),
        }
    }

    /// Adds a range that begins at none before the last one's start.
    fn push_range(&mut self, start: N, end: N) {
        match self.ranges.last_mut() {
            Some(last) if start <= last.1 || follows(last.1, start) => last.1 = last.1.max(end),
            _ => self.ranges.push((start, end)),
        }
    }

    fn merge_around(&mut self, at: usize) {
        if at + 1 < self.ranges.len() && follows(self.ranges[at].1, self.ranges[at + 1].0) {
            self.ranges[at].1 = self.ranges[at + 1].1;
            self.ranges.remove(at + 1);
        }
        if at > 0 && follows(self.ranges[at - 1].1, self.ranges[at].0) {
            self.ranges[at - 1].1 = self.ranges[at].1;
            self.ranges.remove(at);
        }
    }

    /// Whether `number` is in the set, by binary search.
    pub fn contains(&self, number: N) -> bool {
        let at = self.ranges.partition_point(|&(_, end)| end < number);
        self.ranges.get(at).is_some_and(|&(start, _)| start <= number)
    }

    /// Whether the set names nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(start, end)| u64::from(end.into().get() - start.into().get()) + 1).sum()
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<N>> + '_ {
        self.ranges.iter().map(|&(start, end)| start..=end)
    }

    /// Every number, ascending. A client's set can span 2³² of them: resolve it against a view
    /// before iterating.
    pub fn iter(&self) -> impl Iterator<Item = N> + '_ {
        let numbers = |&(start, end): &(N, N)| start.into().get()..=end.into().get();
        self.ranges.iter().flat_map(numbers).filter_map(NonZeroU32::new).map(N::from)
    }
}

fn follows<N: MessageNumber>(number: N, next: N) -> bool {
    number.into().checked_add(1) == Some(next.into())
}

impl<N: MessageNumber> FromIterator<N> for Set<N> {
    fn from_iter<I: IntoIterator<Item = N>>(numbers: I) -> Self {
        let mut set = Self::new();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

/// Ranges in any order, which may overlap; one that ends before it begins is empty.
impl<N: MessageNumber> FromIterator<RangeInclusive<N>> for Set<N> {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<N>>>(ranges: I) -> Self {
        let mut ranges: Vec<RangeInclusive<N>> = ranges.into_iter().collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut set = Self::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            set.push_range(*range.start(), *range.end());
        }
        set
    }
}

impl<N: MessageNumber> fmt::Display for Set<N> {
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

/// Messages by the kind of number that a command names them by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MessageSet {
    /// By sequence number.
    Sequence(SeqSet),
    /// By UID: the command began with UID.
    Uid(UidSet),
}

impl MessageSet {
    /// The empty set.
    pub fn new(by_uid: bool) -> Self {
        if by_uid { Self::Uid(UidSet::new()) } else { Self::Sequence(SeqSet::new()) }
    }

    /// Adds a message.
    pub fn insert(&mut self, number: SeqNum, uid: Uid) {
        match self {
            Self::Sequence(set) => set.insert(number),
            Self::Uid(set) => set.insert(uid),
        }
    }

    /// Whether the set names nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Sequence(set) => set.is_empty(),
            Self::Uid(set) => set.is_empty(),
        }
    }
}

impl fmt::Display for MessageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(set) => set.fmt(f),
            Self::Uid(set) => set.fmt(f),
        }
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
        for (ranges, expected) in [
            (vec![(number(1), SetEnd::Last)], "1:9"),
            (vec![(number(12), SetEnd::Last)], "9:12"),
            (vec![(number(5), number(3)), (number(4), number(7))], "3:7"),
            (vec![(number(1), number(1)), (number(2), number(2)), (number(8), number(8))], "1:2,8"),
            (vec![(number(u32::MAX), number(3)), (number(2), number(u32::MAX))], "2:4294967295"),
        ] {
            assert_eq!(NumberSet { ranges }.resolve(SeqNum::new(9)).to_string(), expected);
        }
        let star = NumberSet { ranges: vec![(SetEnd::Last, SetEnd::Last)] };
        assert_eq!(star.resolve::<Uid>(None), UidSet::new());
    }

    #[test]
    fn a_message_is_named_as_the_command_names_it() {
        for (by_uid, expected) in [(false, "1:2"), (true, "7,9")] {
            let mut set = MessageSet::new(by_uid);
            assert!(set.is_empty());
            for (index, uid) in [7, 9].into_iter().enumerate() {
                set.insert(SeqNum::from_index(index), Uid::new(uid).unwrap());
            }
            assert_eq!((set.to_string().as_str(), set.is_empty()), (expected, false));
        }
    }
}
