//! What the store and its tasks have in common.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use parking_lot::Mutex;
use redis_link::{Cmd, FromRedisValue, Link, LinkError, Value, cmd};

use super::departed::Departed;
use super::doubt::Doubt;
use super::figures::Figures;
use super::keys;
use super::local::Local;
use super::membership::{Member, Membership};
use super::publication::Publication;
use super::scripts::{Answer, Scripts};
use super::time::Time;
use crate::change::{Cause, Changes, StatusChange};
use crate::ids::{NodeId, UserId};
use crate::settings::ValidSettings;
use crate::status::Status;
use crate::store::StoreError;
use crate::store::alarm::Alarm;

/// How many connections may have something to say to the server at once, one of each part of the users.
///
/// Enough for 100,000 a second at a server that is 2.5 ms away.
pub(super) const SHARDS: usize = 256;

/// How many users are spoken of in one pipeline.
///
/// Some 200 kB of commands, and some 10 ms of work for the server: others have their turn in between.
pub(super) const BATCH: usize = 256;

pub(super) struct Shared {
    pub(super) settings: ValidSettings,
    pub(super) link: Link,
    pub(super) publication: Arc<dyn Publication>,
    pub(super) listener: Arc<dyn Changes>,
    pub(super) time: Time,
    pub(super) shards: Box<[Shard]>,
    pub(super) spread: DefaultHashBuilder,
    pub(super) alarm: Alarm,
    pub(super) membership: Membership,
    pub(super) doubt: Doubt,
    pub(super) departed: Departed,
    pub(super) figures: Arc<Figures>,
}

/// A part of the users.
pub(super) struct Shard {
    /// The turn to speak of any of them to the server: what is said comes in the order in which it became true.
    ///
    /// Held while the answer is waited for. Whoever holds it takes no other.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) local: Mutex<Local>,
}

impl Shard {
    pub(super) fn new(settings: &ValidSettings) -> Self {
        Self {
            turn: tokio::sync::Mutex::new(()),
            local: Mutex::new(Local::new(settings)),
        }
    }
}

impl Shared {
    pub(super) fn shard_of(&self, user: &str) -> &Shard {
        &self.shards[self.spread.hash_one(user) as usize % self.shards.len()]
    }

    /// As whom this node may speak at this moment; an error while it has no lease.
    pub(super) fn member(&self) -> Result<Member, StoreError> {
        self.membership
            .at(self.time.now())
            .ok_or_else(|| StoreError::Away("this node has no lease".into()))
    }

    /// Whether this node has had a lease for so long that every living node must have one, too.
    ///
    /// After a break that others may have had as well, also one in which this lease went on, they are given the time to
    /// come back: until then, that nothing is known of a node or a user does not mean that it is gone. A new connection
    /// may be one to a server that knows nothing yet.
    pub(super) fn is_settled(&self) -> bool {
        let Some(generation) = self.link.state().borrow().generation() else {
            return false;
        };
        self.membership.age(self.time.now(), generation) >= self.settings.node_ttl
    }

    pub(super) fn scripts(&self, member: Member) -> Scripts<'_> {
        self.scripts_as(member.node, member)
    }

    /// Scripts that speak of another node.
    pub(super) fn scripts_as(&self, node: NodeId, member: Member) -> Scripts<'_> {
        Scripts {
            shared: self,
            node,
            first_version: member.first_version,
        }
    }

    /// Runs one command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.link.run(command).await.map_err(away)
    }

    /// Runs commands in order, and reads the answer of the script among them.
    pub(super) async fn perform(
        &self,
        commands: &[Cmd],
        script: usize,
    ) -> Result<Answer, StoreError> {
        if let [command] = commands {
            debug_assert_eq!(script, 0, "there is no other");
            return read(self.run(command).await?);
        }
        let replies = self.link.run_in_order(commands).await.map_err(away)?;
        let mut answer = None;
        for (index, reply) in replies.into_iter().enumerate() {
            let reply = reply.map_err(away)?;
            if index == script {
                answer = Some(read(reply)?);
            }
        }
        answer.ok_or_else(|| StoreError::Away("an answer is missing".into()))
    }

    /// Runs scripts about one user, each when the one before has been; one answer each.
    ///
    /// # Errors
    /// Nothing is known about any of them.
    pub(super) async fn perform_in_order(
        &self,
        commands: &[Cmd],
    ) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
        let replies = self.link.run_in_order(commands).await.map_err(away)?;
        let answers = replies
            .into_iter()
            .map(|reply| read(reply.map_err(away)?))
            .collect();
        Ok(answers)
    }

    /// Runs scripts about different users; one answer each.
    pub(super) async fn perform_all(&self, commands: &[Cmd]) -> Vec<Result<Answer, StoreError>> {
        let replies = self.link.run_all(commands).await;
        replies
            .into_iter()
            .map(|reply| read(reply.map_err(away)?))
            .collect()
    }

    /// Notes what a script answered, and tells the listener what it changed; `came`: why somebody is online by it, or, if
    /// it makes nobody online, offline.
    pub(super) fn announce(
        &self,
        user: &UserId,
        answer: &Answer,
        came: Cause,
    ) -> Option<StatusChange> {
        let mut local = self.shard_of(user.as_str()).local.lock();
        if came.leads_to() == Status::Online && !answer.was_offline() {
            local.confirm(user, answer.version);
        } else {
            local.note(user, answer.version);
        }
        drop(local);
        let change = answer.change(user, came)?;
        self.listener.changed(&change);
        Some(change)
    }

    /// The server is to be told again what is true of a user.
    ///
    /// Without a lease there is nobody to say so. Whoever gets a new one registers everybody; but one that has ended by
    /// the clock of this node may go on all the same, if a renewal was carried out and its answer was late.
    pub(super) fn doubt_about(&self, user: &UserId) {
        if self.member().is_ok() {
            self.doubt.add(user);
        } else {
            self.doubt.add_all();
        }
    }

    /// A node that was alone may have told its watchers that somebody is online of whom the server never heard.
    pub(super) fn correct_here(&self, user: &UserId, answer: &Answer) {
        if answer.was_offline() {
            self.tell_here(user, Status::Offline);
        }
    }

    /// The server was told that a user has left this node.
    ///
    /// One server loses that together with the list of this node's users, or not at all; see [`Departed`].
    pub(super) fn note_departure(&self, user: &UserId) {
        if self.link.is_cluster() {
            self.departed.note(user, self.time.now());
        }
    }

    /// The server cannot be told: the watchers on this node at least are.
    pub(super) fn tell_here(&self, user: &UserId, status: Status) {
        self.publication.tell_here(user, status);
    }

    /// Sees to it that the deadlines of a shard are kept.
    pub(super) fn set_alarm(&self, shard: &Shard) {
        if let Some(next) = shard.local.lock().next_deadline() {
            self.alarm.set(next);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("membership", &self.membership)
            .finish_non_exhaustive()
    }
}

/// Enters users among those of a node.
pub(super) fn enter<'a>(node: NodeId, users: impl IntoIterator<Item = &'a UserId>) -> Cmd {
    of_the_set("SADD", node, users)
}

/// Strikes users from those of a node.
pub(super) fn strike<'a>(node: NodeId, users: impl IntoIterator<Item = &'a UserId>) -> Cmd {
    of_the_set("SREM", node, users)
}

fn of_the_set<'a>(name: &str, node: NodeId, users: impl IntoIterator<Item = &'a UserId>) -> Cmd {
    let mut command = cmd(name);
    command.arg(keys::users_of(node));
    command.args(users.into_iter().map(UserId::as_str));
    command
}

pub(super) fn away(error: LinkError) -> StoreError {
    StoreError::Away(Box::new(error))
}

fn read(reply: Value) -> Result<Answer, StoreError> {
    Ok(Answer::new(match reply {
        // That somebody said that it is there changed nothing.
        Value::Int(version) => [0, version, 0, 0],
        reply => redis_link::from_value(reply).map_err(away)?,
    }))
}
