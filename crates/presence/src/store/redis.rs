//! The store that nodes share, in Redis.
//!
//! Each node holds its own connections in memory, and the server holds, for each user, which nodes have any. Only the
//! first and the last of a user at a node are told to the server; what others see changes there, in scripts that write
//! and announce in one step.
//!
//! | key | holds |
//! |---|---|
//! | `user:{id}:status` | the status word with its time to live, for whoever reads it |
//! | `{user:{id}:status}:presence` | version, and one field per node that holds connections; kept for 7 days after |
//! | `presence:nodes` | the lease of each node |
//! | `presence:node:{node}:users` | the users of a node, for whoever has to clean up after it |
//!
//! While the server is away, connections come and go, users of this node are known and all others seem offline; see
//! [`Condition`]. When it is back, everything is said again and what is not news is not announced.
//!
//! A server that may evict keys at any time (`maxmemory-policy allkeys-*`) may lose versions and leases with them; one
//! that evicts nothing, or only what has a time to live, is what this is made for.

mod deadlines;
mod departed;
mod doubt;
mod figures;
mod keys;
mod lease;
mod local;
mod membership;
mod publication;
mod reads;
mod refresh;
mod registration;
mod scripts;
mod shared;
mod sweep;
mod time;

use std::sync::Arc;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use redis_link::Link;
use tokio::task::AbortHandle;

use crate::change::{Cause, Changes, StatusChange, Touched, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::status::Status;
use crate::store::clock::Clock;
use crate::store::{Condition, Store, StoreError, Totals};
use local::Departure;
use reads::Reads;
use shared::{SHARDS, Shard, Shared, enter, strike};
use time::Time;

pub use figures::{Counter, Figures};
pub use keys::hash_tag;
pub use publication::Publication;

/// Presence that nodes share.
///
/// The listener hears of each change from the one node that made it; watchers hear of it by the [`Publication`], on
/// every node. It never fails because the server is away: see [`Store::condition`].
///
/// Dropping the store ends its tasks at once, as the end of the process would.
#[derive(Debug)]
pub struct RedisStore {
    shared: Arc<Shared>,
    reads: Reads,
    tasks: Vec<AbortHandle>,
}

impl RedisStore {
    /// A store for the node that this process is. It returns at once, also if the server is away.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        settings: &ValidSettings,
        link: Link,
        node: NodeId,
        publication: Arc<dyn Publication>,
        listener: Arc<dyn Changes>,
    ) -> Self {
        let time = Time::Real(Clock::start());
        Self::start_by(time, settings, link, node, publication, listener)
    }

    fn start_by(
        time: Time,
        settings: &ValidSettings,
        link: Link,
        node: NodeId,
        publication: Arc<dyn Publication>,
        listener: Arc<dyn Changes>,
    ) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::new(settings)).collect();
        let (mut store, questions) =
            Self::assemble(settings, shards, link, publication, listener, time);
        let shared = &store.shared;
        let answer = reads::answer(shared.link.clone(), Arc::clone(&shared.figures), questions);
        store.tasks = vec![
            tokio::spawn(answer).abort_handle(),
            tokio::spawn(lease::hold(Arc::clone(shared), node)).abort_handle(),
            tokio::spawn(refresh::refresh(Arc::clone(shared))).abort_handle(),
            tokio::spawn(deadlines::keep_deadlines(Arc::clone(shared))).abort_handle(),
            tokio::spawn(doubt::settle_doubts(Arc::clone(shared))).abort_handle(),
        ];
        store
    }

    fn assemble(
        settings: &ValidSettings,
        shards: Box<[Shard]>,
        link: Link,
        publication: Arc<dyn Publication>,
        listener: Arc<dyn Changes>,
        time: Time,
    ) -> (Self, tokio::sync::mpsc::Receiver<reads::Question>) {
        let shared = Shared {
            settings: *settings,
            link,
            publication,
            listener,
            time,
            shards,
            spread: DefaultHashBuilder::default(),
            alarm: Default::default(),
            membership: Default::default(),
            doubt: Default::default(),
            departed: Default::default(),
            figures: Arc::default(),
        };
        let (reads, questions) = Reads::new();
        let store = Self {
            shared: Arc::new(shared),
            reads,
            tasks: Vec::new(),
        };
        (store, questions)
    }

    /// What the store has done so far.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.shared.figures
    }

    /// Whether a user has a connection here that counts.
    pub fn is_here(&self, user: &str) -> bool {
        let local = self.shared.shard_of(user).local.lock();
        local.counts(user, self.shared.time.now())
    }

    /// Whether this node has been among the others for so long that what is not known here is not there.
    ///
    /// After a loss of the server everybody's users are registered again; until this holds, some may be missing.
    pub fn is_settled(&self) -> bool {
        self.shared.is_settled()
    }

    /// What is said of each of `users`, in one read; `None`: nothing, as of those who are long gone.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn words(&self, users: &[&str]) -> Result<Vec<Option<Status>>, StoreError> {
        let mut words = reads::words(&self.shared.link, &self.shared.figures, users).await?;
        for (user, word) in users.iter().zip(&mut words) {
            if self.is_here(user) {
                *word = Some(Status::Online);
            }
        }
        Ok(words)
    }

    /// What is known here of those whom the server could not be asked about.
    fn known_here(&self, users: &[&str]) -> Vec<Status> {
        let now = self.shared.time.now();
        self.shared.figures.degraded_answers.add(users.len());
        let status = |user: &&str| {
            let local = self.shared.shard_of(user).local.lock();
            if local.is_online(user, now) {
                Status::Online
            } else {
                Status::Offline
            }
        };
        users.iter().map(status).collect()
    }
}

/// What is told to the server, in the turn of the user's [`Shard`].
///
/// When thousands connect at once they come faster than the server takes them in, and each that speaks holds some 6 KB: its
/// command, its answer and what waits for that. So that is made in memory of its own, when its turn has come.
impl RedisStore {
    async fn arrive(
        &self,
        shard: &Shard,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        let shared = &*self.shared;
        let arrival = shard
            .local
            .lock()
            .connect(user, connection.number, shared.time.now());
        shared.set_alarm(shard);
        let Some(counts) = arrival.tell else {
            return Ok(None);
        };
        let result = async {
            let member = shared.member()?;
            let arrive = shared.scripts(member).arrive(user, counts);
            if arrival.is_first {
                shared
                    .perform(&[enter(member.node, [user]), arrive], 1)
                    .await
            } else {
                shared.perform(&[arrive], 0).await
            }
        };
        match result.await {
            Ok(answer) => Ok(shared.announce(user, &answer, Cause::Connected)),
            Err(error) => {
                shared.could_not_tell(user, &error);
                if arrival.is_online {
                    shared.tell_here(user, Status::Online);
                }
                Ok(None)
            }
        }
    }

    async fn depart(
        &self,
        shard: &Shard,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        let shared = &*self.shared;
        let now = shared.time.now();
        let departure = shard
            .local
            .lock()
            .disconnect(user, connection.number, end, now);
        shared.set_alarm(shard);
        let (grace, counted) = match departure {
            Departure::Unnoticed => return Ok(None),
            Departure::Shorter(remaining) => {
                let result = async {
                    let shorten = shared.scripts(shared.member()?).shorten(user, remaining);
                    shared.perform(&[shorten], 0).await
                };
                if let Err(error) = result.await {
                    shared.could_not_tell(user, &error);
                }
                return Ok(None);
            }
            Departure::Last { grace, counted } => (grace, counted),
        };
        // Before the user is forgotten, with the version.
        let leave = shared.member().map(|member| {
            let leave = shared.scripts(member).leave(user, end, grace);
            (member, leave)
        });
        let is_gone = shard.local.lock().forget_if_idle(user);
        let result = async {
            let (member, leave) = leave?;
            let answer = if is_gone {
                shared
                    .perform(&[leave, strike(member.node, [user])], 0)
                    .await?
            } else {
                shared.perform(&[leave], 0).await?
            };
            // Others hold connections: there is no grace to end.
            if !grace.is_zero() && answer.remaining.is_none() && shard.local.lock().end_grace(user)
            {
                let _: i64 = shared.run(&strike(member.node, [user])).await?;
            }
            if !shard.local.lock().contains(user) {
                shared.note_departure(user);
            }
            Ok(answer)
        };
        match result.await {
            Ok(answer) => Ok(shared.announce(user, &answer, Cause::LinkLost)),
            Err(error) => {
                shared.could_not_tell(user, &error);
                if counted && grace.is_zero() {
                    shared.tell_here(user, Status::Offline);
                }
                Ok(None)
            }
        }
    }

    async fn say_again(
        &self,
        shard: &Shard,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Touched, StoreError> {
        let shared = &*self.shared;
        let touched = shard
            .local
            .lock()
            .touch(user, connection.number, shared.time.now());
        let Some(counts) = touched else {
            return Ok(Touched::Unknown);
        };
        shared.set_alarm(shard);
        let result = async {
            let touch = shared.scripts(shared.member()?).touch(user, counts);
            shared.perform(&[touch], 0).await
        };
        match result.await {
            Ok(answer) => Ok(match shared.announce(user, &answer, Cause::HeardAgain) {
                Some(change) => Touched::Changed(change),
                None => {
                    shared.listener.confirmed(user, answer.version);
                    Touched::Confirmed(answer.version)
                }
            }),
            Err(error) => {
                shared.could_not_tell(user, &error);
                shared.publication.confirm_here(user);
                Ok(Touched::Confirmed(Version::NONE))
            }
        }
    }
}

impl Store for RedisStore {
    async fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        let shard = self.shared.shard_of(user.as_str());
        let _turn = shard.turn.lock().await;
        Box::pin(self.arrive(shard, user, connection)).await
    }

    async fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        let shard = self.shared.shard_of(user.as_str());
        let _turn = shard.turn.lock().await;
        Box::pin(self.depart(shard, user, connection, end)).await
    }

    async fn touch(&self, user: &UserId, connection: ConnectionId) -> Result<Touched, StoreError> {
        let shard = self.shared.shard_of(user.as_str());
        let _turn = shard.turn.lock().await;
        Box::pin(self.say_again(shard, user, connection)).await
    }

    async fn lose(&self, node: NodeId) -> Result<usize, StoreError> {
        sweep::sweep(&self.shared, self.shared.member()?, node).await
    }

    /// Who has a connection here that counts is online, and nobody needs to be asked.
    async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        if self.is_here(user.as_str()) {
            return Ok(Status::Online);
        }
        match self.reads.status(user).await {
            Ok(status) => Ok(status),
            Err(_) => Ok(self.known_here(&[user.as_str()])[0]),
        }
    }

    async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, StoreError> {
        let shared = &*self.shared;
        // In memory of its own, too: it would be part of every call that may be answered without it.
        match Box::pin(reads::read(&shared.link, &shared.figures, users)).await {
            Ok(mut statuses) => {
                for (user, status) in users.iter().zip(&mut statuses) {
                    if *status == Status::Offline && self.is_here(user) {
                        *status = Status::Online;
                    }
                }
                Ok(statuses)
            }
            Err(_) => Ok(self.known_here(users)),
        }
    }

    fn totals(&self) -> Totals {
        let now = self.shared.time.now();
        let add = |sum: Totals, shard: &Shard| {
            let local = shard.local.lock();
            Totals {
                users_online: sum.users_online + local.online(now).count(),
                connections: sum.connections + local.connections(),
            }
        };
        self.shared.shards.iter().fold(Totals::default(), add)
    }

    fn condition(&self) -> Condition {
        let link = self.shared.link.state();
        let state = link.borrow();
        if state.generation().is_some() && self.shared.member().is_ok() {
            return Condition::Sound;
        }
        let reason = match state.generation() {
            None => state.to_string(),
            Some(_) => "this node is not registered in Redis yet".to_owned(),
        };
        if self.shared.membership.has_begun() {
            Condition::Degraded(reason)
        } else {
            Condition::Starting(reason)
        }
    }

    async fn close(&self) {
        self.die();
        let given_up = tokio::time::timeout(CLOSE_WITHIN, lease::give_up(&self.shared)).await;
        if given_up.is_err() {
            tracing::warn!("Redis was not told that this node ends");
        }
    }
}

impl Shared {
    /// Something became true that the server does not know.
    fn could_not_tell(&self, user: &UserId, error: &StoreError) {
        tracing::debug!(%error, "Redis could not be told");
        self.doubt_about(user);
    }
}

impl RedisStore {
    /// Ends the tasks without a word to the server, as the end of the process would.
    fn die(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.die();
    }
}

/// The end of the process does not wait longer for a server that does not answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
