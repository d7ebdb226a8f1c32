//! A line in which each party has a share, however much it asks for.
//!
//! Parties are nested: networks, the networks in them, their users. The next to be served comes
//! from the party whose turn it is, and there from the party within it whose turn it is. Where there is no
//! room, the party that has most in the line loses the last that it put there.

use std::collections::{HashMap, VecDeque};

/// Who puts something in line: a party, within a party, within a party.
pub(super) type Path = [u64; 3];

/// See the module.
#[derive(Debug)]
pub(super) struct Shares<T> {
    count: usize,
    /// Those of the innermost party.
    waiting: VecDeque<T>,
    parties: HashMap<u64, Shares<T>>,
    /// The parties, each once, in the order of their turns.
    turns: VecDeque<u64>,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { count: 0, waiting: VecDeque::new(), parties: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Shares<T> {
    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Puts something in line; a new party has its turn after the others.
    pub(super) fn push(&mut self, path: &[u64], item: T) {
        self.count += 1;
        let Some((party, rest)) = path.split_first() else { return self.waiting.push_back(item) };
        if !self.parties.contains_key(party) {
            self.turns.push_back(*party);
        }
        self.parties.entry(*party).or_default().push(rest, item);
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let item = match self.turns.pop_front() {
            None => self.waiting.pop_front(),
            Some(party) => {
                let item = self.parties.get_mut(&party)?.pop();
                self.turns.push_back(party);
                self.forget_if_empty(party);
                item
            }
        };
        self.count -= usize::from(item.is_some());
        item
    }

    /// Takes out the newest of the party that has most; of parties that have as much, the one
    /// whose turn is last.
    pub(super) fn shed(&mut self) -> Option<T> {
        let count_of = |party: &&u64| self.parties.get(party).map_or(0, |line| line.count);
        let item = match self.turns.iter().max_by_key(count_of).copied() {
            None => self.waiting.pop_back(),
            Some(party) => {
                let item = self.parties.get_mut(&party)?.shed();
                self.forget_if_empty(party);
                item
            }
        };
        self.count -= usize::from(item.is_some());
        item
    }

    /// Takes out what does not wait any more; whether it was there.
    pub(super) fn remove(&mut self, path: &[u64], is_it: impl Fn(&T) -> bool) -> bool {
        let found = match path.split_first() {
            None => {
                let at = self.waiting.iter().position(is_it);
                at.and_then(|at| self.waiting.remove(at)).is_some()
            }
            Some((party, rest)) => {
                let found = self.parties.get_mut(party).is_some_and(|line| line.remove(rest, is_it));
                self.forget_if_empty(*party);
                found
            }
        };
        self.count -= usize::from(found);
        found
    }

    fn forget_if_empty(&mut self, party: u64) {
        if self.parties.get(&party).is_some_and(|line| line.count == 0) {
            self.parties.remove(&party);
            self.turns.retain(|one| *one != party);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that wait, in the order in which they are served.
    fn served(mut line: Shares<&'static str>) -> String {
        let mut served = Vec::new();
        while let Some(item) = line.pop() {
            served.push(item);
        }
        assert_eq!((line.count(), line.parties.len(), line.turns.len()), (0, 0, 0));
        served.join(" ")
    }

    fn line(items: &[(Path, &'static str)]) -> Shares<&'static str> {
        let mut line = Shares::default();
        items.iter().for_each(|(path, item)| line.push(path, *item));
        line
    }

    #[test]
    fn each_party_has_its_turn_and_in_it_each_of_its_parties() {
        let many = line(&[
            ([1, 1, 1], "a"),
            ([1, 1, 1], "b"),
            ([1, 1, 1], "c"),
            ([1, 1, 2], "d"),
            ([1, 2, 3], "e"),
            ([2, 1, 1], "x"),
            ([2, 1, 1], "y"),
            ([3, 1, 1], "z"),
        ]);
        assert_eq!(served(many), "a x z e y d b c");
    }

    #[test]
    fn the_party_with_most_loses_the_newest() {
        let mut many =
            line(&[([1, 1, 1], "a"), ([1, 1, 2], "b"), ([1, 1, 2], "c"), ([2, 1, 1], "x"), ([3, 1, 1], "z")]);
        assert_eq!([many.shed(), many.shed(), many.shed()], [Some("c"), Some("b"), Some("z")]);
        assert_eq!(served(many), "a x");
    }

    #[test]
    fn what_waits_no_more_is_taken_out() {
        let mut many = line(&[([1, 1, 1], "a"), ([1, 1, 1], "b"), ([2, 1, 1], "x")]);
        assert!(many.remove(&[1, 1, 1], |item| *item == "a"));
        assert!(!many.remove(&[1, 1, 1], |item| *item == "x"));
        assert!(!many.remove(&[9, 1, 1], |item| *item == "x"));
        assert!(many.remove(&[2, 1, 1], |item| *item == "x"));
        assert_eq!(many.count(), 1);
        assert_eq!(served(many), "b");
    }
}
