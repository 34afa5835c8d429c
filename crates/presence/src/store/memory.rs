//! The store of a service that is one process.

mod shard;

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use tokio::task::AbortHandle;

use crate::change::{Changes, StatusChange, Touched};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::ValidSettings;
use crate::state::{End, State};
use crate::status::Status;
use crate::store::alarm::Alarm;
use crate::store::clock::Clock;
use crate::store::{Store, StoreError, Totals};
use crate::timestamp::Timestamp;
use shard::{Announcement, Outbox, Shard};

pub use shard::Hold;

/// Presence in the memory of this process.
///
/// [`State`] under locks, the clock of the runtime, and one task that sleeps until the next deadline and carries out
/// what is due. It never fails. Dropping the store ends the task.
///
/// Users are spread over [`SHARDS`](Self::SHARDS) states, each with a lock of its own that is held for one operation,
/// never while somebody is notified and never across an `await`. Announcements of one shard are made one after another,
/// by whoever caused them, before the operation returns.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    sleeper: AbortHandle,
}

impl MemoryStore {
    /// How many parts the users are spread over.
    ///
    /// Several times the cores of a large machine, so that two operations seldom want the same lock; and when the map
    /// of a million users grows, a sixty-fourth of it is moved at a time, in about a millisecond.
    pub const SHARDS: usize = 64;

    /// An empty store, which announces changes to `listener`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one whose timers are not enabled.
    pub fn start(settings: &ValidSettings, listener: Arc<dyn Changes>) -> Self {
        let remembered_max = State::REMEMBERED_MAX / Self::SHARDS;
        let shards = (0..Self::SHARDS)
            .map(|_| Shard::new(State::with_remembered_max(settings, remembered_max)));
        let shared = Arc::new(Shared {
            shards: shards.collect(),
            spread: DefaultHashBuilder::default(),
            listener,
            clock: Clock::start(),
            alarm: Alarm::default(),
        });
        let sleeper = tokio::spawn(keep_deadlines(Arc::clone(&shared))).abort_handle();
        Self { shared, sleeper }
    }

    /// What others see of `user`, at once.
    pub fn peek(&self, user: &UserId) -> Status {
        self.shared
            .shard_of(user.as_str())
            .read(|state| state.status(user))
    }

    /// What others see of `user`, which does not change while the second value lives.
    ///
    /// An answer that is handed on before that is dropped comes before every later change is announced, and after every
    /// earlier one became true: whoever gets both in one queue has the newest last.
    pub fn hold(&self, user: &UserId) -> (Status, Hold) {
        self.shared
            .shard_of(user.as_str())
            .hold(|state| state.status(user))
    }
}

impl Store for MemoryStore {
    async fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        Ok(self
            .shared
            .apply(self.shared.shard_of(user.as_str()), |state, now, outbox| {
                let change = state.connect(user, connection, now);
                outbox.extend(change.clone().map(Announcement::Changed));
                change
            }))
    }

    async fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        Ok(self
            .shared
            .apply(self.shared.shard_of(user.as_str()), |state, now, outbox| {
                let change = state.disconnect(user, connection, end, now);
                outbox.extend(change.clone().map(Announcement::Changed));
                change
            }))
    }

    async fn touch(&self, user: &UserId, connection: ConnectionId) -> Result<Touched, StoreError> {
        Ok(self
            .shared
            .apply(self.shared.shard_of(user.as_str()), |state, now, outbox| {
                let touched = state.touch(user, connection, now);
                outbox.extend(match &touched {
                    Touched::Changed(change) => Some(Announcement::Changed(change.clone())),
                    Touched::Confirmed(version) => {
                        Some(Announcement::Confirmed(user.clone(), *version))
                    }
                    Touched::Unknown => None,
                });
                touched
            }))
    }

    async fn lose(&self, node: NodeId) -> Result<usize, StoreError> {
        let mut users = 0;
        for shard in &self.shared.shards {
            users += self.shared.apply(shard, |state, now, outbox| {
                let changes = state.lose(node, now);
                let count = changes.len();
                outbox.extend(changes.into_iter().map(Announcement::Changed));
                count
            });
            // A node may have had many users: let others have their turn in between.
            tokio::task::yield_now().await;
        }
        Ok(users)
    }

    async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        Ok(self.peek(user))
    }

    async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, StoreError> {
        let status = |name: &&str| {
            let shard = self.shared.shard_of(name);
            shard.read(|state| state.status_of(name))
        };
        Ok(users.iter().map(status).collect())
    }

    fn totals(&self) -> Totals {
        self.shared
            .shards
            .iter()
            .fold(Totals::default(), |sum, shard| {
                shard.read(|state| Totals {
                    users_online: sum.users_online + state.users_online(),
                    connections: sum.connections + state.connections(),
                })
            })
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.sleeper.abort();
    }
}

/// What the store and its sleeping task have in common.
struct Shared {
    shards: Box<[Shard]>,
    spread: DefaultHashBuilder,
    listener: Arc<dyn Changes>,
    clock: Clock,
    alarm: Alarm,
}

impl Shared {
    fn shard_of(&self, user: &str) -> &Shard {
        // The modulus is a power of two, and the length of the list.
        &self.shards[self.spread.hash_one(user) as usize % MemoryStore::SHARDS]
    }

    /// Does one operation, announces what came of it, and sees to it that the next deadline is kept.
    fn apply<R>(
        &self,
        shard: &Shard,
        operation: impl FnOnce(&mut State, Timestamp, &mut Outbox) -> R,
    ) -> R {
        let (result, next) = self.step(shard, operation);
        if let Some(next) = next {
            self.alarm.set(next);
        }
        result
    }

    /// Does one operation, announces what came of it, and tells the next deadline of the shard.
    fn step<R>(
        &self,
        shard: &Shard,
        operation: impl FnOnce(&mut State, Timestamp, &mut Outbox) -> R,
    ) -> (R, Option<Timestamp>) {
        shard.write(&*self.listener, |state, outbox| {
            // Under the lock, so that the times of a shard's operations are in the order of the operations.
            let result = operation(state, self.clock.now(), outbox);
            (result, state.next_deadline())
        })
    }

    /// Carries out everything that is due, and sets the alarm for what is not.
    async fn carry_out_deadlines(&self) {
        self.alarm.clear();
        for shard in &self.shards {
            let next = loop {
                match self.step(shard, expire_some) {
                    // There may be more; let others have their turn in between.
                    (EXPIRE_BATCH.., _) => tokio::task::yield_now().await,
                    (_, next) => break next,
                }
            };
            if let Some(next) = next {
                self.alarm.set_for_oneself(next);
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("shards", &self.shards.len())
            .field("alarm", &self.alarm)
            .finish_non_exhaustive()
    }
}

/// The task that sleeps until something is due.
async fn keep_deadlines(shared: Arc<Shared>) {
    loop {
        shared.carry_out_deadlines().await;
        shared.alarm.wait(|at| shared.clock.instant(at)).await;
    }
}

/// Carries out a piece of what is due, and returns how many changes came of it.
fn expire_some(state: &mut State, now: Timestamp, outbox: &mut Outbox) -> usize {
    let before = outbox.len();
    outbox.extend(
        state
            .expire(now)
            .take(EXPIRE_BATCH)
            .map(Announcement::Changed),
    );
    outbox.len() - before
}

/// How many users go offline under one lock: a tenth of a millisecond's work.
const EXPIRE_BATCH: usize = 256;

#[cfg(test)]
mod tests;
