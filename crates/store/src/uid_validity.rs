//! UIDVALIDITYs that are given out from memory: a client that asks for the STATUS of ten thousand
//! mailboxes makes their first lists, and shall not wait for the disk for each one's number.
//!
//! The account's file has the greatest number that may have been given out. Those up to it are
//! ours as long as nobody else writes it.

/// Numbers that are reserved in the file and not given out yet.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// The next one; `None` when there is none, whatever `last` says.
    next: Option<u32>,
    /// The last one: what the file has.
    last: u32,
    /// How many were reserved at once.
    count: u32,
}

impl Reserve {
    /// Reserved at once at most.
    const COUNT_MAX: u32 = 256;

    /// The next number, if there is one; `noted` is what the file has.
    pub(crate) fn next(&mut self, noted: u32) -> Option<u32> {
        let next = self.next.filter(|next| noted == self.last && *next <= self.last)?;
        self.next = next.checked_add(1);
        Some(next)
    }

    /// How far to reserve from `first` on, which is given out at once: as much again as the last
    /// time, as whoever makes one mailbox mostly makes no more.
    pub(crate) fn last_from(&self, first: u32) -> u32 {
        first.saturating_add(self.count.min(Self::COUNT_MAX))
    }

    /// The file has `last` now, and `first` is given out.
    pub(crate) fn begin(&mut self, first: u32, last: u32) {
        *self = Self { next: first.checked_add(1), last, count: (2 * self.count).clamp(1, Self::COUNT_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an account does: the file, and the numbers that it gives out.
    fn give(reserve: &mut Reserve, file: &mut u32, writes: &mut usize) -> u32 {
        reserve.next(*file).unwrap_or_else(|| {
            let first = *file + 1;
            let last = reserve.last_from(first);
            (*file, *writes) = (last, *writes + 1);
            reserve.begin(first, last);
            first
        })
    }

    #[test]
    fn numbers_ascend_and_the_file_is_seldom_written() {
        let (mut ours, mut theirs, mut file, mut writes) = (Reserve::default(), Reserve::default(), 1_000, 0);
        let mut given = Vec::new();
        given.push(give(&mut ours, &mut file, &mut writes));
        assert_eq!((given[0], file, writes), (1_001, 1_001, 1), "one is one");
        given.extend((0..2_000).map(|_| give(&mut ours, &mut file, &mut writes)));
        assert!(writes < 20, "{writes}");
        // Another process comes in between: what we had reserved is lower than its numbers.
        given.push(give(&mut theirs, &mut file, &mut writes));
        given.extend((0..100).map(|_| give(&mut ours, &mut file, &mut writes)));
        assert!(given.is_sorted_by(|a, b| a < b));
        assert!(given.last().is_some_and(|last| *last <= file));
    }
}
