//! Base names of a mailbox's messages, in one block of memory, and the way from a name back to
//! its row.

/// Names by row. Each takes its bytes and nine more.
#[derive(Default, Debug)]
pub(crate) struct Names {
    /// Names one after the other; those of rows that are gone too, until they are many.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    lengths: Vec<u8>,
    /// Bytes of names that are gone.
    unused: usize,
    /// Rows in the order of their names; `None` until somebody asks for a name.
    sorted: Option<Vec<u32>>,
}

impl Names {
    /// Longest block, in bytes: some eighty million names.
    const BYTES_MAX: usize = u32::MAX as usize;
    /// Names that are put in their place one by one: where more are new, all are sorted anew.
    const INSERTED_MAX: usize = 64;

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The name of a row. Panics beyond the end.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let start = self.starts[row] as usize;
        &self.bytes[start..start + usize::from(self.lengths[row])]
    }

    /// Adds a row; `false` when the name is longer than file systems allow (255 bytes) or the
    /// block is full.
    pub(crate) fn push(&mut self, name: &[u8]) -> bool {
        let Ok(length) = u8::try_from(name.len()) else { return false };
        if self.bytes.len() + name.len() > Self::BYTES_MAX {
            return false;
        }
        self.starts.push(self.bytes.len() as u32);
        self.lengths.push(length);
        self.bytes.extend_from_slice(name);
        true
    }

    /// The row of a name.
    pub(crate) fn find(&mut self, name: &[u8]) -> Option<usize> {
        self.sort();
        let sorted = self.sorted.as_deref().unwrap_or_default();
        sorted.binary_search_by(|row| self.get(*row as usize).cmp(name)).ok().map(|at| sorted[at] as usize)
    }

    /// Rows in the order of their names.
    pub(crate) fn sorted(&mut self) -> &[u32] {
        self.sort();
        self.sorted.as_deref().unwrap_or_default()
    }

    fn sort(&mut self) {
        let mut sorted = self.sorted.take().unwrap_or_default();
        let (known, all) = (sorted.len(), self.len());
        if all - known > Self::INSERTED_MAX {
            sorted.clear();
            sorted.extend(0..all as u32);
            // Names mostly come in their order: a sort that sees runs has little to do.
            sorted.sort_by(|a, b| self.get(*a as usize).cmp(self.get(*b as usize)));
        } else {
            for row in known..all {
                let at = sorted.partition_point(|other| self.get(*other as usize) < self.get(row));
                sorted.insert(at, row as u32);
            }
        }
        self.sorted = Some(sorted);
    }

    /// Keeps the rows that `keep` names; they move up.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut moved_to = vec![u32::MAX; self.len()];
        let mut next = 0;
        for (row, moved_to) in moved_to.iter_mut().enumerate() {
            if keep(row) {
                *moved_to = next as u32;
                self.starts[next] = self.starts[row];
                self.lengths[next] = self.lengths[row];
                next += 1;
            } else {
                self.unused += usize::from(self.lengths[row]);
            }
        }
        self.starts.truncate(next);
        self.lengths.truncate(next);
        if let Some(sorted) = &mut self.sorted {
            sorted.retain_mut(|row| {
                *row = moved_to.get(*row as usize).copied().unwrap_or(u32::MAX);
                *row != u32::MAX
            });
        }
        if self.unused > self.bytes.len() / 4 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.unused);
        for row in 0..self.len() {
            let name = self.get(row).to_vec();
            self.starts[row] = bytes.len() as u32;
            bytes.extend_from_slice(&name);
        }
        (self.bytes, self.unused) = (bytes, 0);
    }

    /// Gives memory back that was taken for growing.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.lengths.shrink_to_fit();
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let sorted = self.sorted.as_ref().map_or(0, Vec::capacity);
        self.bytes.capacity() + self.starts.capacity() * 4 + self.lengths.capacity() + sorted * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_long_is_not_taken() {
        let mut names = Names::default();
        assert!(names.push(&[b'a'; 255]));
        assert!(!names.push(&[b'a'; 256]));
        assert_eq!((names.len(), names.find(&[b'a'; 255]), names.find(b"a")), (1, Some(0), None));
    }

    proptest! {
        /// Against a plain list of names.
        #[test]
        fn names_are_found(steps in prop::collection::vec((0_u16..400, 0_u8..10, 1_usize..100), 1..30)) {
            let mut names = Names::default();
            let mut model: Vec<Vec<u8>> = Vec::new();
            for (number, what, count) in steps {
                if what == 0 {
                    let keep = |row: usize| !(row + usize::from(number)).is_multiple_of(count + 1);
                    names.retain(keep);
                    let mut row = 0;
                    model.retain(|_| { row += 1; keep(row - 1) });
                } else {
                    for name in (0..count).map(|n| format!("{}.{n}", u32::from(number) * 7919 % 1000).into_bytes()) {
                        if !model.contains(&name) {
                            prop_assert!(names.push(&name));
                            model.push(name);
                        }
                    }
                }
                prop_assert_eq!(names.len(), model.len());
                for (row, name) in model.iter().enumerate() {
                    prop_assert_eq!(names.get(row), &name[..]);
                    prop_assert_eq!(names.find(name), Some(row));
                }
                prop_assert_eq!(names.find(b"none"), None);
                let sorted: Vec<Vec<u8>> =
                    names.sorted().to_vec().into_iter().map(|row| names.get(row as usize).to_vec()).collect();
                prop_assert!(sorted.is_sorted());
            }
        }
    }
}
