//! The versions of users who left, in little memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;

use crate::change::Version;
use crate::ids::UserId;

/// What the last so many users who left had come to.
///
/// Users are told apart by 64 bits of their name only. Should two share them (one in 10⁷ that any two of a million do),
/// both continue from the higher version of the two, which goes back for neither.
///
/// There are two generations. A user who leaves is written into the young one; when that is full, it becomes the old
/// one, and the old one is dropped, one block of memory. The highest version in it becomes the floor from which
/// everybody starts who is not known.
#[derive(Debug)]
pub(super) struct Versions {
    young: Generation,
    old: Generation,
    floor: Version,
    generation_max: usize,
}

impl Versions {
    /// Remembers `remembered_max` versions at least, and twice as many at most.
    pub(super) fn new(remembered_max: usize) -> Self {
        let (young, old) = (Generation::default(), Generation::default());
        Self {
            young,
            old,
            floor: Version::NONE,
            generation_max: remembered_max,
        }
    }

    /// The version that `user` had, or one that is higher than any it may have had.
    pub(super) fn recall(&self, user: &UserId) -> Version {
        self.find(fingerprint(user)).unwrap_or(self.floor)
    }

    /// Remembers what `user` has come to.
    pub(super) fn remember(&mut self, user: &UserId, version: Version) {
        let mark = fingerprint(user);
        if let Some(known) = self.young.find_mut(mark) {
            known.version = known.version.max(version);
            self.young.newest = self.young.newest.max(version);
            return;
        }
        // Where two users share a mark, the old generation may know the higher version, which must not be hidden.
        let version = self
            .old
            .find(mark)
            .map_or(version, |known| known.version.max(version));
        if self.young.table.len() >= self.generation_max {
            self.floor = self.floor.max(self.old.newest);
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(Remembered { mark, version });
    }

    fn find(&self, mark: u64) -> Option<Version> {
        // Whatever stands in both generations is newer in the young one.
        self.young
            .find(mark)
            .or_else(|| self.old.find(mark))
            .map(|known| known.version)
    }
}

/// As many entries as a hash table of `buckets` holds before it grows: seven eighths.
pub(super) const fn generation_for(buckets: usize) -> usize {
    buckets / 8 * 7
}

/// Sixteen bytes, and one that the table adds.
#[derive(Debug)]
struct Remembered {
    mark: u64,
    version: Version,
}

#[derive(Debug, Default)]
struct Generation {
    table: HashTable<Remembered>,
    /// The highest version in the table.
    newest: Version,
}

impl Generation {
    fn find(&self, mark: u64) -> Option<&Remembered> {
        self.table.find(mark, |known| known.mark == mark)
    }

    fn find_mut(&mut self, mark: u64) -> Option<&mut Remembered> {
        self.table.find_mut(mark, |known| known.mark == mark)
    }

    fn insert(&mut self, remembered: Remembered) {
        self.newest = self.newest.max(remembered.version);
        self.table
            .insert_unique(remembered.mark, remembered, |known| known.mark);
    }
}

/// The same for the same name every time, so that the same operations give the same versions.
///
/// Somebody who makes up names that share a mark gains nothing: a larger step of a version.
fn fingerprint(user: &UserId) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u64) -> UserId {
        UserId::new(&format!("user {number}")).unwrap()
    }

    #[test]
    fn a_user_who_left_is_remembered_exactly() {
        let mut versions = Versions::new(100);
        (0..100).for_each(|number| versions.remember(&user(number), Version::new(number + 1)));
        for number in 0..100 {
            assert_eq!(versions.recall(&user(number)), Version::new(number + 1));
        }
        assert_eq!(versions.recall(&user(100)), Version::NONE);
    }

    #[test]
    fn whoever_is_forgotten_starts_from_the_highest_version_forgotten() {
        let mut versions = Versions::new(10);
        versions.remember(&user(0), Version::new(1_000));
        (1..40).for_each(|number| versions.remember(&user(number), Version::new(1)));
        assert_eq!(versions.recall(&user(0)), Version::new(1_000));
        assert_eq!(versions.recall(&user(1)), Version::new(1_000), "forgotten");
        assert_eq!(
            versions.recall(&user(99)),
            Version::new(1_000),
            "never known"
        );
        assert_eq!(versions.recall(&user(39)), Version::new(1), "remembered");
    }

    #[test]
    fn no_version_goes_back_and_no_table_outgrows_its_bound() {
        for remembered_max in [0, 1, 3, 8] {
            let mut versions = Versions::new(remembered_max);
            let mut last = [Version::NONE; 20];
            for step in 0..2_000_u64 {
                let number = step * step % 19 + step % 2;
                let before = versions.recall(&user(number));
                assert!(
                    before >= last[number as usize],
                    "user {number} at step {step}"
                );
                last[number as usize] = before.next();
                versions.remember(&user(number), before.next());
                assert!(versions.young.table.len() <= remembered_max.max(1));
                assert!(versions.old.table.len() <= remembered_max.max(1));
            }
        }
    }

    #[test]
    fn a_full_generation_fills_its_table() {
        let mut versions = Versions::new(generation_for(1 << 10));
        for number in 0..generation_for(1 << 10) as u64 {
            versions.remember(&user(number), Version::new(1));
        }
        assert_eq!(
            versions.young.table.capacity(),
            versions.young.table.len(),
            "one more would double it"
        );
        assert_eq!(size_of::<Remembered>(), 16);
    }
}
