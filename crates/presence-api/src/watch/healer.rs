//! Finds out what watchers have missed.

use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::Ordering;

use presence::{RedisStore, Status, UserId};
use tokio::time::sleep;

use super::{Question, Watched};
use crate::announcements::Announcements;
use crate::store::{PresenceStore, Tracker};

/// The task that answers the questions of [`Watched`], for a tracker on Redis.
pub async fn heal(watched: Arc<Watched>, tracker: Tracker, announcements: Arc<Announcements>) {
    let PresenceStore::Redis(store) = tracker.store() else {
        return;
    };
    let healer = Healer {
        watched: &watched,
        store,
        announcements: &announcements,
    };
    loop {
        match watched.question().await {
            Question::New(users) => healer.learn_about(&users).await,
            Question::All => {
                let told = healer.compare().await;
                tracing::info!(told, "watchers were told what they may have missed");
            }
        }
    }
}

struct Healer<'a> {
    watched: &'a Watched,
    store: &'a RedisStore,
    announcements: &'a Announcements,
}

impl Healer<'_> {
    /// So that after a gap it is known what the watchers started from.
    async fn learn_about(&self, users: &[UserId]) {
        for users in users.chunks(AT_ONCE) {
            let (told, words) = self.look(users).await;
            for ((user, told), word) in users.iter().zip(told).zip(words) {
                // Not to be held: nobody is answered.
                drop(self.watched.answer(user, told, word.unwrap_or_default()));
            }
        }
    }

    /// Compares what watchers know with what the store holds, and tells them the difference.
    ///
    /// A status that is said there is believed at once. One that is missing may only not be back yet: everybody has the
    /// time to register their users again before these count as offline.
    async fn compare(&self) -> usize {
        let mut told = 0;
        let mut missing = Vec::new();
        for users in self.watched.users() {
            for users in users.chunks(AT_ONCE) {
                let (count, unsaid) = self.compare_some(users).await;
                told += count;
                missing.extend(unsaid);
            }
        }
        while !missing.is_empty() && !self.store.is_settled() {
            sleep(LOOK_AGAIN).await;
        }
        for users in missing.chunks(AT_ONCE) {
            let (count, unsaid) = self.compare_some(users).await;
            told += count;
            for user in unsaid {
                let before = self.watched.told(&user);
                told += usize::from(self.correct(&user, before, Status::Offline));
            }
        }
        self.watched
            .gaps
            .healed
            .fetch_add(told as u64, Ordering::Relaxed);
        told
    }

    /// Returns how many had to be told, and of whom nothing is said although their watchers think them online.
    async fn compare_some(&self, users: &[UserId]) -> (usize, Vec<UserId>) {
        let (before, words) = self.look(users).await;
        let (mut told, mut unsaid) = (0, Vec::new());
        for ((user, before), word) in users.iter().zip(before).zip(words) {
            match word {
                Some(found) => told += usize::from(self.correct(user, before, found)),
                None => {
                    let known = self.watched.latest(user).and_then(|(known, _)| known);
                    unsaid.extend((known == Some(Status::Online)).then(|| user.clone()));
                }
            }
        }
        (told, unsaid)
    }

    /// What is said of users, and how often their watchers were told before that; waits until the server is there.
    async fn look(&self, users: &[UserId]) -> (Vec<Option<u32>>, Vec<Option<Status>>) {
        let told = users.iter().map(|user| self.watched.told(user)).collect();
        loop {
            match self.store.words(&names(users)).await {
                Ok(words) => return (told, words),
                Err(error) => {
                    tracing::debug!(%error, "watchers wait for what they may have missed");
                    sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Tells the watchers here what was found, if it is news to them.
    fn correct(&self, user: &UserId, before: Option<u32>, found: Status) -> bool {
        let is_news = self.watched.learn(user, before, found).is_some();
        if is_news {
            self.announcements.send_latest_here(user, found);
        }
        is_news
    }
}

fn names(users: &[UserId]) -> Vec<&str> {
    users.iter().map(UserId::as_str).collect()
}

/// As many as a back end may ask for at once.
const AT_ONCE: usize = 1_000;

/// Often enough for eyes, seldom enough for a server in trouble.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
