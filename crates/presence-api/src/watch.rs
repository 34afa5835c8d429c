//! What the watchers on this node were last told, where other nodes may tell them, too.
//!
//! Messages between nodes can be missed: a subscription breaks, and what is said meanwhile is not said again. So each
//! user who is watched here is remembered with the status that its watchers know. After a gap it is compared with what
//! the store holds, and the difference is told, to this node alone.

mod healer;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::{ArcMutexGuard, Mutex, RawMutex};
use presence::{Status, UserId};
use tokio::sync::Notify;

pub use healer::heal;

/// Users who are watched on this node, and what their watchers know.
#[derive(Debug)]
pub struct Watched {
    shards: Box<[Arc<Mutex<Known>>]>,
    spread: RandomState,
    /// Users whose watchers know nothing yet, or may have missed something.
    questions: Mutex<Questions>,
    asked: Notify,
    gaps: Gaps,
}

/// How often watchers may have missed something, and how many users they were wrong about.
#[derive(Debug, Default)]
pub struct Gaps {
    found: AtomicU64,
    healed: AtomicU64,
}

impl Gaps {
    /// Times that messages may have been missed.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Users whose watchers had to be told something else than they knew.
    pub fn healed(&self) -> u64 {
        self.healed.load(Ordering::Relaxed)
    }
}

type Known = HashMap<UserId, Entry>;

/// What the watchers of one user know.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// `None`: they have just begun to watch.
    status: Option<Status>,
    /// How often they were told.
    told: u32,
    /// They may know what the next message says: they were told by this node alone, or the server has changed.
    expects_repeat: bool,
}

/// Who has to be looked up.
#[derive(Debug, Default)]
struct Questions {
    new: Vec<UserId>,
    /// Everybody: messages may have been missed.
    all: bool,
}

/// What was known stays so while this lives.
///
/// To be held for moments only, and never while waiting.
pub struct Hold {
    _known: ArcMutexGuard<RawMutex, Known>,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

/// What there is to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// These users are watched since a moment ago.
    New(Vec<UserId>),
    /// Messages may have been missed about anybody.
    All,
}

impl Watched {
    /// Nobody is watched.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
            spread: RandomState::new(),
            questions: Mutex::default(),
            asked: Notify::new(),
            gaps: Gaps::default(),
        }
    }

    /// Somebody here watches a user whom nobody here watched before.
    pub fn begin(&self, user: &UserId) {
        self.shard(user).lock().entry(user.clone()).or_default();
        self.questions.lock().new.push(user.clone());
        self.asked.notify_one();
    }

    /// Nobody here watches a user any more.
    pub fn end(&self, user: &UserId) {
        let mut known = self.shard(user).lock();
        known.remove(user);
        if known.capacity() > 64 && known.len() <= known.capacity() / 8 {
            known.shrink_to_fit();
        }
    }

    /// A message about a user has come. Returns whether the watchers are to be told.
    ///
    /// They are told what they know, too, for so a user who is there says it again, but not what only repeats what this
    /// node has told them while others could not. At most one message about each user is taken for that.
    pub fn tell(&self, user: &UserId, status: Status) -> bool {
        let mut known = self.shard(user).lock();
        let Some(entry) = known.get_mut(user) else {
            return true;
        };
        let is_repeat = std::mem::take(&mut entry.expects_repeat) && entry.status == Some(status);
        entry.status = Some(status);
        entry.told = entry.told.wrapping_add(1);
        !is_repeat
    }

    /// This node alone tells of a status, because nobody could, or nobody knows whether the server has. Returns whether
    /// that is news to the watchers.
    pub fn tell_here(&self, user: &UserId, status: Status) -> bool {
        let mut known = self.shard(user).lock();
        let Some(entry) = known.get_mut(user) else {
            return false;
        };
        let before = entry.status.replace(status);
        entry.told = entry.told.wrapping_add(1);
        entry.expects_repeat = true;
        before != Some(status)
    }

    /// The server may announce again what it, or the one before it, has announced already.
    pub fn expect_repeats(&self) {
        for shard in &self.shards {
            for entry in shard.lock().values_mut() {
                entry.expects_repeat = true;
            }
        }
    }

    /// How often the watchers of a user were told; `None`: there are none. To be asked before a status is read.
    pub fn told(&self, user: &UserId) -> Option<u32> {
        Some(self.shard(user).lock().get(user)?.told)
    }

    /// What is to be answered to somebody who asked for a status, now that it was `found`.
    ///
    /// If the watchers were told meanwhile, what they were told: it may be older than what was found, but then what is
    /// newer will be told, too. Whoever queues the answer before the second value is dropped has the newest last.
    pub fn answer(
        &self,
        user: &UserId,
        told: Option<u32>,
        found: Status,
    ) -> (Status, Option<Hold>) {
        let mut known = self.shard(user).lock_arc();
        let status = match known.get_mut(user) {
            None => return (found, None),
            Some(entry) if Some(entry.told) == told => {
                entry.status.get_or_insert(found);
                found
            }
            Some(entry) => entry.status.unwrap_or(found),
        };
        (status, Some(Hold { _known: known }))
    }

    /// Messages may have been missed.
    pub fn doubt(&self) {
        self.expect_repeats();
        self.gaps.found.fetch_add(1, Ordering::Relaxed);
        self.questions.lock().all = true;
        self.asked.notify_one();
    }

    /// What was missed so far.
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// What is to be looked up, as soon as there is anything.
    pub async fn question(&self) -> Question {
        loop {
            {
                let mut questions = self.questions.lock();
                // Those who are new stay so: a comparison takes no note of a user of whom nothing is said.
                if std::mem::take(&mut questions.all) {
                    return Question::All;
                }
                if !questions.new.is_empty() {
                    return Question::New(std::mem::take(&mut questions.new));
                }
            }
            self.asked.notified().await;
        }
    }

    /// Everybody who is watched, in pieces.
    pub fn users(&self) -> impl Iterator<Item = Vec<UserId>> + '_ {
        self.shards
            .iter()
            .map(|shard| shard.lock().keys().cloned().collect::<Vec<_>>())
            .filter(|users| !users.is_empty())
    }

    /// Takes note of what was found for a user, as told to its watchers; `told`: how often they were before the look.
    ///
    /// Returns how often they were told then, if it is news to them. It is not if they were told meanwhile, and neither
    /// if they know nothing yet: then they ask.
    pub fn learn(&self, user: &UserId, told: Option<u32>, found: Status) -> Option<u32> {
        let mut known = self.shard(user).lock();
        let entry = known
            .get_mut(user)
            .filter(|entry| Some(entry.told) == told)?;
        let before = entry.status.replace(found);
        before.filter(|before| *before != found)?;
        entry.told = entry.told.wrapping_add(1);
        // The message by which others were told may be on its way.
        entry.expects_repeat = true;
        Some(entry.told)
    }

    /// What the watchers of a user know, and how often they were told.
    pub fn latest(&self, user: &UserId) -> Option<(Option<Status>, u32)> {
        let known = self.shard(user).lock();
        known.get(user).map(|entry| (entry.status, entry.told))
    }

    /// How many users are watched.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    fn shard(&self, user: &UserId) -> &Arc<Mutex<Known>> {
        &self.shards[self.spread.hash_one(user) as usize % SHARDS]
    }
}

impl Default for Watched {
    fn default() -> Self {
        Self::new()
    }
}

/// More than there are workers that speak at once.
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn an_answer_is_what_was_found_unless_watchers_were_told_meanwhile() {
        let (watched, alice) = (Watched::new(), user("alice"));
        let answer = |told, found| watched.answer(&alice, told, found).0;
        assert_eq!(
            answer(watched.told(&alice), Status::Online),
            Status::Online,
            "nobody watches"
        );

        watched.begin(&alice);
        let before = watched.told(&alice);
        assert_eq!(answer(before, Status::Online), Status::Online);
        watched.tell(&alice, Status::Offline);
        assert_eq!(
            answer(before, Status::Online),
            Status::Offline,
            "the event came first"
        );
        assert_eq!(
            answer(watched.told(&alice), Status::Online),
            Status::Online,
            "a later look"
        );
    }

    #[test]
    fn nobody_is_told_while_an_answer_is_held() {
        let (watched, alice) = (Watched::new(), user("alice"));
        watched.begin(&alice);
        let (status, hold) = watched.answer(&alice, watched.told(&alice), Status::Online);
        assert_eq!(status, Status::Online);
        assert!(watched.shard(&alice).try_lock().is_none());
        drop(hold);
        assert!(watched.shard(&alice).try_lock().is_some());
    }

    #[test]
    fn only_news_is_told_after_a_gap() {
        let (watched, alice) = (Watched::new(), user("alice"));
        assert_eq!(
            watched.learn(&alice, None, Status::Online),
            None,
            "nobody watches"
        );
        watched.begin(&alice);
        let told = watched.told(&alice);
        assert_eq!(
            watched.learn(&alice, told, Status::Online),
            None,
            "they know nothing, and ask"
        );
        assert_eq!(
            watched.learn(&alice, told, Status::Online),
            None,
            "they know"
        );
        assert_eq!(
            watched.learn(&alice, told, Status::Offline),
            Some(1),
            "they were wrong"
        );
        assert_eq!(
            watched.learn(&alice, told, Status::Online),
            None,
            "they were told meanwhile"
        );
        assert_eq!(watched.latest(&alice), Some((Some(Status::Offline), 1)));
        watched.end(&alice);
        assert!(watched.is_empty());
    }

    #[test]
    fn what_was_told_here_is_not_told_again() {
        let (watched, alice) = (Watched::new(), user("alice"));
        watched.begin(&alice);
        assert!(watched.tell(&alice, Status::Online));
        assert!(watched.tell(&alice, Status::Online), "she says it again");
        assert!(watched.tell_here(&alice, Status::Offline));
        assert!(!watched.tell(&alice, Status::Offline), "as told here");
        assert!(watched.tell(&alice, Status::Offline), "but only once");
        assert!(!watched.tell_here(&alice, Status::Offline), "they know");
        assert!(!watched.tell(&alice, Status::Offline), "it was not known");
        watched.expect_repeats();
        assert!(watched.tell(&alice, Status::Online), "which is news");
        assert!(
            watched.tell(&alice, Status::Online),
            "and nothing else is expected"
        );
        watched.doubt();
        assert!(!watched.tell(&alice, Status::Online), "nothing was missed");
        let told = watched.told(&alice);
        assert!(watched.learn(&alice, told, Status::Offline).is_some());
        assert!(
            !watched.tell(&alice, Status::Offline),
            "found before it came"
        );
    }

    #[tokio::test]
    async fn questions_are_asked_once() {
        let (watched, alice) = (Watched::new(), user("alice"));
        watched.begin(&alice);
        assert_eq!(watched.question().await, Question::New(vec![alice.clone()]));
        watched.begin(&user("bob"));
        watched.doubt();
        assert_eq!(watched.question().await, Question::All);
        let of_bob = Question::New(vec![user("bob")]);
        assert_eq!(
            watched.question().await,
            of_bob,
            "nothing may be said of him yet"
        );
        assert!(futures_util::poll!(std::pin::pin!(watched.question())).is_pending());
        assert_eq!(watched.users().flatten().count(), 2);
        assert_eq!(watched.gaps().found(), 1);
    }
}
