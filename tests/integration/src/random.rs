//! Numbers at random, so that a run can be told from its seed.

use std::ops::Range;

/// The variable of the environment that sets the seed.
pub const SEED: &str = "RESTANTE_TEST_SEED";

/// A small generator of numbers (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The seed of this run: from the environment, else `default`. It is printed.
pub fn seed(default: u64) -> u64 {
    let given = std::env::var(SEED).ok();
    let seed = given.map_or(default, |text| text.parse().expect("a number as the seed"));
    eprintln!("seed: {SEED}={seed}");
    seed
}

impl Random {
    /// One that gives other numbers for each seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.next();
        random
    }

    /// Below `max`; 0 where that is 0.
    pub fn below(&mut self, max: usize) -> usize {
        usize::try_from(self.next() % max.max(1) as u64).expect("below a usize")
    }

    /// From a range that is not empty.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    /// One of these, if there is one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Whether it is the one of `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
