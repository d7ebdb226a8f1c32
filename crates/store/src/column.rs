//! Columns that are shared between snapshots: a change copies the chunk it falls into, and
//! nothing else.

use std::sync::Arc;

/// Values of a chunk: 4,096 MODSEQs are 32 KiB, which a change of one flag copies in some
/// microseconds, however many messages the mailbox has.
const CHUNK: usize = 4096;

/// A column of values. A clone shares all chunks with its original until one of them changes.
#[derive(Clone, Debug)]
pub(crate) struct Column<T> {
    /// All are full but the last.
    chunks: Vec<Arc<Vec<T>>>,
    length: usize,
}

impl<T: Copy> Column<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The chunk that a value is in, counted from 0.
    pub(crate) fn chunk_of(index: usize) -> usize {
        index / CHUNK
    }

    /// The value at `index`. Panics beyond the end, as a slice does.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> T {
        self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Changes the value at `index`. Panics beyond the end.
    pub(crate) fn set(&mut self, index: usize, value: T) {
        Arc::make_mut(&mut self.chunks[index / CHUNK])[index % CHUNK] = value;
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(value),
            None => {
                let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { 4 } else { CHUNK });
                chunk.push(value);
                self.chunks.push(Arc::new(chunk));
            }
        }
        self.length += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied())
    }

    /// The chunks in order, each with the index of its first value.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (usize, &[T])> {
        self.chunks.iter().enumerate().map(|(number, chunk)| (number * CHUNK, chunk.as_slice()))
    }

    /// Keeps the values at indices that `keep` names.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        *self = self.iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, value)| value).collect();
    }

    /// Bytes of memory, shared ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum()
    }
}

impl<T: Copy> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut column = Self::new();
        values.into_iter().for_each(|value| column.push(value));
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_in_one_copy_only() {
        let before: Column<u64> = (0..10_000).collect();
        let mut after = before.clone();
        after.set(5_000, 1);
        after.push(2);
        assert_eq!((before.get(5_000), before.len()), (5_000, 10_000));
        assert_eq!((after.get(5_000), after.get(10_000), after.len()), (1, 2, 10_001));
        let shared = before.chunks.iter().zip(&after.chunks).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, 1, "the chunks that did not change");
    }

    #[test]
    fn what_is_kept_stays_in_order() {
        let mut column: Column<usize> = (0..9_000).collect();
        column.retain(|index| index % 3 == 0);
        assert!(column.iter().eq((0..9_000).step_by(3)));
        assert_eq!((column.len(), column.chunks().count()), (3_000, 1));
    }
}
