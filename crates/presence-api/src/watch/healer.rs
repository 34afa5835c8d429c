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
    let mut may_be_missing = false;
    loop {
        let question = tokio::select! {
            question = watched.question() => question,
            () = healer.settles(), if may_be_missing => {
                may_be_missing = !healer.compare(Unsaid::IsOffline).await;
                continue;
            }
        };
        match question {
            Question::New(users) => healer.learn_about(&users).await,
            Question::All => may_be_missing |= !healer.compare(Unsaid::MayComeBack).await,
        }
    }
}

/// What it means that the store says nothing of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsaid {
    /// Whoever holds the user may only not have registered again.
    MayComeBack,
    /// All had the time to.
    IsOffline,
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

    /// Waits until everybody has had the time to register their users again.
    async fn settles(&self) {
        while !self.store.is_settled() {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Compares what watchers know with what the store holds, and tells them the difference. Returns whether the store
    /// has said something of everybody, or what it does not say is believed.
    ///
    /// A status that is said there is believed at once. One that is missing may only not be back yet, whatever watchers
    /// here believe: they may have missed that the user came, and whoever registers one that all others were told of
    /// does not tell again. So everybody is looked at once more, when all have had the time to register their users.
    async fn compare(&self, unsaid: Unsaid) -> bool {
        let (mut told, mut is_whole) = (0, true);
        for users in self.watched.users() {
            for users in users.chunks(AT_ONCE) {
                let (before, words) = self.look(users).await;
                // After the look: a connection that was made before it may be one to a server that knows nothing yet.
                let is_believed = unsaid == Unsaid::IsOffline && self.store.is_settled();
                for ((user, before), word) in users.iter().zip(before).zip(words) {
                    match word.or_else(|| is_believed.then_some(Status::Offline)) {
                        Some(found) => told += usize::from(self.correct(user, before, found)),
                        None => is_whole = false,
                    }
                }
            }
        }
        let healed = &self.watched.gaps.healed;
        healed.fetch_add(told as u64, Ordering::Relaxed);
        tracing::info!(
            told,
            ?unsaid,
            "watchers were told what they may have missed"
        );
        is_whole
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
