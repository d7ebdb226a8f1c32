//! What was found out lately: a client's ten connections cost one check.
//!
//! An entry's key is a keyed hash of source, user, service and password (and of what is stored
//! as password, where the source is asked each time): whoever comes with another password finds
//! nothing here, and the source is asked. So a changed password works at once, and nobody comes
//! in with what another used. The key of the hash is made at the start and never leaves.
//!
//! Whoever asks while the same question is being answered waits for that answer.
//!
//! Invariant A8 of crates/auth/README.md.

use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::{Cache as Entries, EntryAction, EntryResult};
use sha2::Sha256;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long answers are believed, and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheSettings {
    /// For a password that was right; zero: not at all.
    pub lifetime: Duration,
    /// For a password that was wrong, and a user who is unknown.
    pub negative_lifetime: Duration,
    /// At most (a count); the ones that were not used go first.
    pub entries_max: usize,
}

/// Keyed hash of a question.
pub(crate) type Key = [u8; 32];

/// See the module.
pub(crate) struct Cache<T> {
    settings: CacheSettings,
    entries: Entries<Key, Entry<T>>,
    secret: Zeroizing<[u8; 32]>,
    /// Grows when everything is forgotten: what was asked before and is answered after it does
    /// not count.
    generation: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Entry<T> {
    value: T,
    user: String,
    until: Instant,
    generation: u64,
}

impl<T: Clone> Cache<T> {
    pub(crate) fn new(settings: CacheSettings) -> std::io::Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        crate::random::fill(&mut *secret)?;
        Ok(Self {
            entries: Entries::new(settings.entries_max.max(1)),
            settings,
            secret,
            generation: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The key of a question. No two lists of parts have the same bytes.
    pub(crate) fn key<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("a key");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The answer to a question: what is here, else what `find_out` finds. What fails is not
    /// kept, and the next who waits for it tries. `is_positive` says which lifetime it has.
    pub(crate) async fn answer<E>(
        &self,
        key: &Key,
        user: &str,
        is_positive: impl Fn(&T) -> bool,
        find_out: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.settings.lifetime.is_zero() && self.settings.negative_lifetime.is_zero() {
            return find_out().await;
        }
        let generation = self.generation.load(Ordering::Acquire);
        let look = |_: &Key, entry: &mut Entry<T>| match entry.until > Instant::now() {
            true if entry.generation == generation => EntryAction::Retain(entry.value.clone()),
            _ => EntryAction::ReplaceWithGuard,
        };
        let place = match self.entries.entry_async(key, look).await {
            EntryResult::Retained(value) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(value);
            }
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => Some(place),
            EntryResult::Removed(..) | EntryResult::Timeout => None,
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        let value = find_out().await?;
        let Self { settings: CacheSettings { lifetime, negative_lifetime, .. }, .. } = self;
        let lifetime = if is_positive(&value) { *lifetime } else { *negative_lifetime };
        if let Some(place) = place.filter(|_| !lifetime.is_zero()) {
            let until = Instant::now() + lifetime;
            // It was forgotten meanwhile: then it is.
            let _ = place.insert(Entry { value: value.clone(), user: user.to_owned(), until, generation });
        }
        Ok(value)
    }

    /// Forgets everything.
    pub(crate) fn flush(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }

    /// Forgets what is known of a user: asked for by that name, or found under another. What is
    /// being found out at this moment stays.
    pub(crate) fn flush_user(&self, user: &str, is_theirs: impl Fn(&T) -> bool) {
        self.entries.retain(|_, entry| entry.user != user && !is_theirs(&entry.value));
    }

    /// Answers that were here, and those that were not.
    pub(crate) fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    fn cache(lifetime_s: u64, negative_s: u64) -> Cache<bool> {
        let (lifetime, negative_lifetime) =
            (Duration::from_secs(lifetime_s), Duration::from_secs(negative_s));
        Cache::new(CacheSettings { lifetime, negative_lifetime, entries_max: 100 }).unwrap()
    }

    async fn ask(cache: &Cache<bool>, key: &Key, truth: bool, asked: &AtomicUsize) -> bool {
        let find_out = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, ()>(truth)
        };
        cache.answer(key, "anna", |right| *right, find_out).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_live_as_long_as_they_may() {
        let (cache, asked) = (cache(60, 10), AtomicUsize::new(0));
        let (right, wrong) = (cache.key([&b"right"[..]]), cache.key([&b"wrong"[..]]));
        for (after_s, truth, expected, asked_so_far) in [
            (0, true, (true, false), 2),
            (9, false, (true, false), 2),
            // The negative answer is over, the positive one stands.
            (2, false, (true, false), 3),
            (60, false, (false, false), 5),
        ] {
            tokio::time::advance(Duration::from_secs(after_s)).await;
            let found = (ask(&cache, &right, truth, &asked).await, ask(&cache, &wrong, false, &asked).await);
            assert_eq!((found, asked.load(Ordering::Relaxed)), (expected, asked_so_far), "{after_s}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ten_at_once_ask_once() {
        let (cache, asked) = (Arc::new(cache(60, 10)), Arc::new(AtomicUsize::new(0)));
        let mut ten = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (cache, asked) = (cache.clone(), asked.clone());
            ten.spawn(async move { ask(&cache, &cache.key([&b"x"[..]]), true, &asked).await });
        }
        assert_eq!(ten.join_all().await, [true; 10]);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(cache.hits_and_misses(), (9, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_flushed_is_asked_again_also_what_was_under_way() {
        let (cache, asked) = (cache(60, 10), AtomicUsize::new(0));
        let key = cache.key([&b"x"[..]]);
        {
            let mut under_way = Box::pin(ask(&cache, &key, true, &asked));
            let polled = tokio::time::timeout(Duration::from_millis(10), &mut under_way).await;
            assert!(polled.is_err());
            cache.flush();
            assert!(under_way.await);
        }
        assert!(!ask(&cache, &key, false, &asked).await);
        cache.flush_user("bert", |_| false);
        assert!(!ask(&cache, &key, true, &asked).await);
        cache.flush_user("anna", |_| false);
        assert!(ask(&cache, &key, true, &asked).await);
        cache.flush_user("bert", |found| *found);
        assert!(!ask(&cache, &key, false, &asked).await, "found under another name");
    }

    #[test]
    fn security_11_no_two_questions_have_one_key() {
        let (one, other) = (cache(1, 1), cache(1, 1));
        let parts: [&[&[u8]]; 4] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]];
        let keys: Vec<Key> = parts.iter().map(|parts| one.key(parts.iter().copied())).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key));
            assert_ne!(*key, other.key(parts[at].iter().copied()), "the key is of this process");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_kept() {
        let cache = cache(60, 10);
        let key = cache.key([&b"x"[..]]);
        let failed = cache.answer(&key, "anna", |right| *right, async || Err::<bool, _>("down")).await;
        assert_eq!(failed, Err("down"));
        let asked = AtomicUsize::new(0);
        assert!(ask(&cache, &key, true, &asked).await);
    }
}
