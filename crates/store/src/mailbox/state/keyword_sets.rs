//! Combinations of keywords, as numbers.

use mail::flag::Flags;
use mail::{Keyword, SystemFlags};
use std::collections::HashMap;
use std::sync::Arc;

/// Combinations of keyword indices in use, each sorted; the first is empty.
#[derive(Debug)]
pub(crate) struct KeywordSets {
    all: Vec<Box<[usize]>>,
    numbers: HashMap<Box<[usize]>, u32>,
    /// As snapshots have them, of the keywords that were known then.
    pub(super) published: Option<Published>,
}

/// Keyword sets and keywords, as snapshots share them.
pub(super) type Published = (Arc<[Box<[Keyword]>]>, Arc<[Keyword]>);

impl Default for KeywordSets {
    fn default() -> Self {
        Self { all: vec![Box::default()], numbers: HashMap::from([(Box::default(), 0)]), published: None }
    }
}

impl KeywordSets {
    /// The number of a combination of keyword indices.
    pub(crate) fn number(&mut self, keywords: &[usize]) -> u32 {
        if keywords.is_empty() {
            return 0;
        }
        let mut keywords = keywords.to_vec();
        keywords.sort_unstable();
        keywords.dedup();
        if let Some(number) = self.numbers.get(&*keywords) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(0);
        self.published = None;
        self.all.push(keywords.clone().into());
        self.numbers.insert(keywords.into(), number);
        number
    }

    pub(crate) fn get(&self, set: u32) -> &[usize] {
        &self.all[set as usize]
    }

    pub(crate) fn all(&self) -> &[Box<[usize]>] {
        &self.all
    }

    pub(super) fn published(&mut self, keywords: &[Option<Keyword>]) -> Published {
        let made = || {
            let sets = self.all.iter().map(|set| {
                let keywords = set.iter().filter_map(|index| keywords.get(*index)?.clone()).collect();
                Flags::new(SystemFlags::NONE, keywords).keywords().into()
            });
            (sets.collect(), keywords.iter().flatten().cloned().collect())
        };
        self.published.get_or_insert_with(made).clone()
    }
}
