//! Tokens that were verified before.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::principal::Principal;

/// A token's SHA-256: the token itself is not kept, so that no dump of memory gives it away.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

/// Principals of verified tokens, each with the generation of keys that verified it.
///
/// Two maps of half the capacity: what is used moves to the young one; when that is full it becomes the old one, and
/// what nobody asked for since the last time is forgotten. Every operation takes constant time, and the least recently
/// used half goes first.
pub(crate) struct TokenCache {
    halves: Mutex<Halves>,
    half_max: usize,
}

#[derive(Default)]
struct Halves {
    young: HashMap<TokenHash, Entry>,
    old: HashMap<TokenHash, Entry>,
}

#[derive(Clone)]
struct Entry {
    principal: Arc<Principal>,
    generation: u64,
}

impl TokenCache {
    /// A cache for at most so many tokens (at least two).
    pub(crate) fn new(tokens_max: usize) -> Self {
        Self {
            halves: Mutex::default(),
            half_max: (tokens_max / 2).max(1),
        }
    }

    /// The principal of a token, if it was verified with this generation of keys and `is_good` still.
    pub(crate) fn find(
        &self,
        hash: &TokenHash,
        generation: u64,
        is_good: impl FnOnce(&Principal) -> bool,
    ) -> Option<Arc<Principal>> {
        let mut halves = self.halves.lock();
        let young = halves.young.get(hash);
        let is_young = young.is_some();
        let entry = young.or_else(|| halves.old.get(hash))?.clone();
        if entry.generation != generation || !is_good(&entry.principal) {
            halves.young.remove(hash);
            halves.old.remove(hash);
            return None;
        }
        if !is_young {
            halves.insert(*hash, entry.clone(), self.half_max);
        }
        Some(entry.principal)
    }

    pub(crate) fn insert(&self, hash: TokenHash, principal: Arc<Principal>, generation: u64) {
        self.halves.lock().insert(
            hash,
            Entry {
                principal,
                generation,
            },
            self.half_max,
        );
    }

    pub(crate) fn len(&self) -> usize {
        let halves = self.halves.lock();
        halves.young.len() + halves.old.len()
    }
}

impl Halves {
    fn insert(&mut self, hash: TokenHash, entry: Entry, half_max: usize) {
        if self.young.len() >= half_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&hash);
        self.young.insert(hash, entry);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;

    fn principal(user: &str) -> Arc<Principal> {
        Arc::new(Principal::new(
            user.into(),
            "".into(),
            UnixTime::from_seconds(0),
        ))
    }

    fn found(cache: &TokenCache, token: &str) -> bool {
        cache.find(&TokenHash::of(token), 1, |_| true).is_some()
    }

    #[test]
    fn a_token_is_found_again() {
        let cache = TokenCache::new(10);
        cache.insert(TokenHash::of("a"), principal("alice"), 1);
        let again = cache.find(&TokenHash::of("a"), 1, |_| true).unwrap();
        assert_eq!(&**again.user(), "alice");
        assert!(!found(&cache, "b"));
    }

    #[test]
    fn other_keys_and_later_times_forget_it() {
        let cache = TokenCache::new(10);
        cache.insert(TokenHash::of("a"), principal("alice"), 1);
        assert!(cache.find(&TokenHash::of("a"), 2, |_| true).is_none());
        assert_eq!(cache.len(), 0, "it does not come back with the old keys");

        cache.insert(TokenHash::of("a"), principal("alice"), 1);
        assert!(cache.find(&TokenHash::of("a"), 1, |_| false).is_none());
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let cache = TokenCache::new(10);
        for number in 0..1000 {
            cache.insert(TokenHash::of(&number.to_string()), principal("x"), 1);
            assert!(cache.len() <= 10);
        }
        assert!(found(&cache, "999"));
        assert!(!found(&cache, "0"));
    }

    #[test]
    fn what_is_used_stays() {
        let cache = TokenCache::new(10);
        cache.insert(TokenHash::of("used"), principal("x"), 1);
        for number in 0..1000 {
            cache.insert(TokenHash::of(&number.to_string()), principal("x"), 1);
            assert!(found(&cache, "used"), "lost after {number}");
        }
    }
}
